"""Configurations of networks that are small enough for a test."""

from errseg.config import ClipConfig, HeadConfig, LiteConfig

TINY_HEAD = HeadConfig(
    width=16,
    layers=2,
    heads=2,
    feed_forward=24,
    cost_channels=12,
    guidance_channels=12,
    decoder_widths=(16, 8, 8),
    decoder_guidance=(6, 5, 4),
)
TINY_CLIP = ClipConfig(
    open_clip_name="convnext_base_w_320",  # for the tokenizer; the sizes below are smaller
    trunk="test_convnext",
    widths=(24, 32, 48, 64),
    embedding=20,
    projection="linear",
    text_width=16,
    text_heads=2,
    text_layers=2,
)
TINY_LITE = LiteConfig(
    embedding=24,
    residual_hidden=16,
    text_heads=3,
    text_layers=2,
    text_hidden=32,
    text_vocabulary=24,
    context_length=12,
)
