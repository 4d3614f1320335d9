"""See `command`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # As .pytest.ini does it: the tests' helpers, and what is tested.
    tests = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(tests), str(tests.parent)]
    from attack.command import main

    sys.exit(main())
