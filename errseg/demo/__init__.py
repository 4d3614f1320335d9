"""The demo, a Gradio page: `create_demo` builds it, `serve` starts it. Nothing starts at import."""

from errseg.demo.page.layout import create_demo
from errseg.demo.serve import serve

__all__ = ["create_demo", "serve"]
