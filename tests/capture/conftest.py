"""A display of its own for a test, where the machine has the programs for it."""

from collections.abc import Iterator

import pytest

from tests.capture.desk import Desk, display, missing


@pytest.fixture(name="desk")
def _desk() -> Iterator[Desk]:
    """An empty display with openbox. Skips where a program is missing."""
    if missing():
        pytest.skip(f"this machine has no {', '.join(missing())}")
    with display() as desk:
        yield desk
