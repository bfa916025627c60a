"""The courier's wall where the kernel has no Landlock: a file tree in which the keeper's folder doesn't exist."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reticent.walls import bubble
from tests.courier.device import Device
from tests.courier.organisation import wait_until

pytestmark = pytest.mark.skipif(not bubble.available(), reason="bubblewrap isn't installed or may not run here")

LOOK = """
import json, sys
from pathlib import Path
from reticent.courier import settings
root = Path(sys.argv[1])
def tried(call):
    try:
        call()
    except OSError as error:
        return type(error).__name__
    return "DONE"
(root / "spool/inbox/answers").write_text(json.dumps({
    "keeper": (root / "keeper").exists(),
    "home": Path.home().exists() and sorted(path.name for path in Path.home().iterdir()),
    "processes": sum(path.name.isdigit() for path in Path("/proc").iterdir()),
    "outbox": tried(lambda: (root / "spool/outbox/x").write_text("x")),
    "key": tried(lambda: (root / "courier/node.key").write_text("x")),
    "reply": (root / "spool/outbox/a").read_text(),
}))
sys.exit(5)
"""


def test_in_the_bubble_there_is_python_the_courier_s_own_and_nothing_else(tmp_path: Path) -> None:
    for name in ("keeper", "courier", "spool/inbox", "spool/outbox"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "courier/node.key").write_text("key")
    (tmp_path / "spool/outbox/a").write_text("reply")
    code = (
        "import sys; from pathlib import Path; from reticent.walls import bubble; root = Path(sys.argv[1])\n"
        "sys.exit(bubble.run([sys.executable, '-c', sys.argv[2], str(root)], writable=[root / 'spool/inbox'],"
        " readable=[root / 'courier', root / 'spool/outbox'], names=False))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), LOOK], capture_output=True, text=True, check=False
    )
    assert done.returncode == 5, done.stderr
    seen = json.loads((tmp_path / "spool/inbox/answers").read_text())
    assert seen["keeper"] is False
    assert seen["processes"] == 1
    assert (seen["outbox"], seen["key"], seen["reply"]) == ("OSError", "OSError", "reply")
    assert not seen["home"] or set(seen["home"]) <= {".pyenv", ".local"}  # where the interpreter itself lies there


def test_a_courier_in_a_bubble_works_says_so_and_ends_when_told(stranger: Device) -> None:
    started = stranger.start("--wall", "bubblewrap")
    wait_until(lambda: stranger.report is not None and stranger.report.state == "refused", what="it reached the server")
    assert stranger.report is not None
    assert stranger.report.wall.startswith("bubblewrap+")
    started.popen.send_signal(signal.SIGTERM)
    assert started.wait() == 0
    assert "Traceback" not in stranger.log
