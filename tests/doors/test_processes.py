"""Doors that need a process of their own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.doors.place import contents, make


def test_a_port_of_the_system_is_one_sentence(tmp_path: Path) -> None:
    """As root without the right to it: what an account of the machine is."""
    if shutil.which("setpriv") is None:
        pytest.skip("this machine has no setpriv")
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 443:
        pytest.skip("on this machine every account may use port 443")
    place = make(tmp_path / "place")
    settings = place.server.settings
    settings.write_text(json.dumps(json.loads(settings.read_bytes()) | {"address": "127.0.0.1:443"}))
    before = contents(place.root)
    limits = ["--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"]
    child = subprocess.run(
        ["setpriv", *limits, sys.executable, "-m", "reticent.cli", "server", "serve", str(place.server.root)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert child.returncode == 2, child.stderr
    (said,) = child.stderr.splitlines()
    assert said == (
        "reticent: port 443 on 127.0.0.1, which the gateway needs, may not be used by this account: "
        "ports below 1024 are the system's; nothing was started"
    )
    assert contents(place.root) == before
