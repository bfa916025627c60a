"""scripts/record-office, for real and as short as it goes: one person, one session, real pixels and real X input."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from reticent.recordings.archive import read_archive, session

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("Xvfb", "openbox", "xdotool", "xterm", "mousepad", "chromium", "chromedriver")
MISSING = [name for name in NEEDED if shutil.which(name) is None]


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short name: the browser keeps a socket below it, whose path may have 107 characters."""
    with tempfile.TemporaryDirectory(prefix="office") as folder:
        yield Path(folder)


@pytest.mark.timeout(900)
@pytest.mark.skipif(bool(MISSING), reason=f"this machine has no {', '.join(MISSING)}")
def test_one_person_is_recorded_at_work_with_real_pixels_and_input(tmp_path: Path, short: Path) -> None:
    out = tmp_path / "one.recording"
    done = subprocess.run(
        [ROOT / "scripts" / "record-office", "--people", "1", "--sessions", "1", "--seed", "8", "--out", out],
        cwd=short,
        env=os.environ | {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=850,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    archive = read_archive(out)
    (person,) = archive.people
    (recorded,) = archive.sessions(person)
    actions = session(recorded).actions
    assert len(actions) >= 10
    assert len({action.kind for action in actions}) >= 2
    thumbnails = [frame.thumbnail for frame in recorded.frames.values()]
    assert all(len(np.unique(thumbnail)) > 8 for thumbnail in thumbnails)  # a screen, not one colour
    assert len({thumbnail.tobytes() for thumbnail in thumbnails}) > 5
    assert archive.datasheet
