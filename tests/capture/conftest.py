"""A display of its own for a test, where the machine has the programs for it."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.capture.desk import NEEDED, Desk, until


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """An empty display of 1024 by 768 with openbox; DISPLAY names it. Skips where a program is missing."""
    absent = [name for name in NEEDED if shutil.which(name) is None]
    if absent:
        pytest.skip(f"this machine has no {', '.join(absent)}")
    read_end, write_end = os.pipe()
    made = Desk("")
    command = ["Xvfb", "-displayfd", str(write_end), "-screen", "0", "1024x768x24", "-nolisten", "tcp", "-noreset"]
    try:
        made.server = made.run(*command, pass_fds=(write_end,))
        os.close(write_end)
        with os.fdopen(read_end) as told:
            made.number = f":{told.readline().strip()}"
        if made.number == ":":
            pytest.skip("Xvfb does not start here")
        for name in ("WAYLAND_DISPLAY", "XDG_SESSION_TYPE", "XDG_SESSION_ID"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("DISPLAY", made.number)
        made.manager = made.run("openbox")
        until(made.is_managed)  # a window that shows before would be forgotten
        yield made
    finally:
        made.close()
