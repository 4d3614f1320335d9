"""The page's own scripts and styles, which a standalone result carries too."""

from pathlib import Path

STATIC = Path(__file__).resolve().parents[1] / "static"
STYLES = (
    *("style", "picture", "masks", "ranking", "attention", "figure2", "suggest", "hints"),
    *("link", "large", "pipeline", "sheet", "sweep", "compare", "closer", "access"),
)
"""Styles in their order: what is common, then a file for each panel that is drawn by a script."""


SHARED = (
    "shared",
    "speech",
    "masks_drawing",
    "pointer",
    "attention_maths",
    "attention_drawing",
    "attention_sections",
)
"""Scripts that panels' scripts use, in their order."""


def shared_scripts() -> list[str]:
    """Return the texts of `SHARED`."""
    return [static_text(f"{name}.js") for name in SHARED]


def styles() -> list[Path]:
    """Return the files of `STYLES`."""
    return [STATIC / f"{name}.css" for name in STYLES]


def static_text(file: str) -> str:
    """Read a script or a style."""
    return (STATIC / file).read_text(encoding="utf-8")
