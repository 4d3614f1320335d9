"""The page's own scripts and styles, which a standalone result carries too."""

from pathlib import Path

STATIC = Path(__file__).resolve().parents[1] / "static"


def static_text(file: str) -> str:
    """Read a script or a style."""
    return (STATIC / file).read_text(encoding="utf-8")
