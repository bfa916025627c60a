"""The README's first command, as a user runs it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.e2e.federation import ENVIRONMENT, ROOT, until

pytestmark = pytest.mark.timeout(600)


def start(*arguments: str, folder: Path) -> "subprocess.Popen[str]":
    """scripts/quickstart.py: what scripts/quickstart runs once .venv stands. Its temporary folder lies in `folder`."""
    with (folder / "said").open("w") as said:
        return subprocess.Popen(
            [sys.executable, str(ROOT / "scripts" / "quickstart.py"), *arguments],
            env=ENVIRONMENT | {"TMPDIR": str(folder)},
            cwd="/",
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
        )


def test_it_ends_in_an_audited_table_and_leaves_nothing_behind(tmp_path: Path) -> None:
    child = start(folder=tmp_path)
    assert child.wait(500) == 0, (tmp_path / "said").read_text()
    said = (tmp_path / "said").read_text()
    assert "4 of 4 ledgers hold" in said
    rounds = re.findall(r"^ +(start|\d) +0\.\d{3} +0\.\d{3} +([\d.]+) +([\d.]+) +([\d,]+)$", said, re.MULTILINE)
    assert [row[0] for row in rounds] == ["start", "1", "2", "3"]
    spent = [float(row[1]) for row in rounds]
    assert spent == sorted(spent)
    assert 0 < spent[-1] <= 8
    assert "can't give" in said
    assert not list(tmp_path.glob("reticent-quickstart-*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=["Ctrl-C", "a closed terminal"])
def test_an_end_in_the_middle_leaves_no_process_and_no_folder(number: int, tmp_path: Path) -> None:
    child = start(folder=tmp_path)
    until(lambda: "device run" in (tmp_path / "said").read_text(), "the first device starts")
    begun = psutil.Process(child.pid).children(recursive=True)
    assert len(begun) > 3
    child.send_signal(number)
    assert child.wait(120) == 130
    gone, alive = psutil.wait_procs(begun, timeout=20)
    assert not alive, alive
    assert "Traceback" not in (tmp_path / "said").read_text()
    assert not list(tmp_path.glob("reticent-quickstart-*"))
    assert os.getpid() not in {process.pid for process in gone}
