"""Few cores and little memory are shared by the network, the server and visitors' browsers."""

import os
import sys

SPINS = 1000
"""Rounds, some 40 microseconds, that a thread of the network waits for the others before it lets
go of its core. OpenMP's own choice is a hundred times as long: with another busy process on two
cores an answer then took 3 to 6 times as long, with this one 1.5 times; alone it takes 1.2 times.
"""
SWITCH_SECONDS = 0.0005
"""After which a Python thread gives way to another one. Python's own choice is ten times as long:
each of the network's thousands of operations may wait so long beside a thread that reads words."""

PRIMITIVES = 256
"""Operations, each for one size of photo and one P, whose machine code oneDNN keeps; one photo
takes some hundred. Its own choice, 1,024, held 70 MB more after 60 sizes."""


def share_cores() -> None:
    """Let the network's threads give way, and keep little; before torch is loaded, which reads it.

    Who has set GOMP_SPINCOUNT, OMP_WAIT_POLICY or ONEDNN_PRIMITIVE_CACHE_CAPACITY is left alone.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(PRIMITIVES))
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))
    sys.setswitchinterval(SWITCH_SECONDS)
