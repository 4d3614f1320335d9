"""Few cores are shared by the network, the server and its visitors' browsers."""

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


def share_cores() -> None:
    """Let the network's threads give way; before torch is loaded, as OpenMP reads it then.

    Who has set GOMP_SPINCOUNT or OMP_WAIT_POLICY is left alone.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))
    sys.setswitchinterval(SWITCH_SECONDS)
