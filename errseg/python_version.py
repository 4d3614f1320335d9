"""Which Python this needs. Any Python can parse this file, to be told so in a sentence."""

import sys

OLDEST = (3, 11)


def check_python():
    """End a program with a sentence if its Python is older than `OLDEST`."""
    here = sys.version_info[:2]
    if here < OLDEST:
        needed, given = (".".join(map(str, version)) for version in (OLDEST, here))
        sys.exit(
            "ERR-Seg needs Python " + needed + " or newer, and this is " + given + "; make its "
            "environment with a newer one, such as: python3.12 -m venv .venv"
        )
