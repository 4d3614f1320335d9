"""Files that are whole or not there, whoever is killed while writing one."""

import os
from collections.abc import Callable
from pathlib import Path

PARTIAL = ".partial"


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` write a file, and put it in its place only when it is whole and on the disk."""
    partial = path.with_name(path.name + PARTIAL)
    write(partial)
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    partial.replace(path)
