"""`python -m reticent.cli`, and the console script."""

import sys

from reticent.cli import main


def run() -> None:
    """Exit with the command's code."""
    sys.exit(main())


if __name__ == "__main__":
    run()
