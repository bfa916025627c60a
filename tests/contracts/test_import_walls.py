"""The import contracts catch what they claim to: each test plants one violation and sees it refused."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PLANTED = {
    "the keeper opens a socket": ("keeper/planted.py", "import socket"),
    "capture speaks HTTP": ("capture/planted.py", "def send() -> None:\n    import http.client"),
    "learning imports Flower": ("learn/planted.py", "import flwr"),
    "the door uses asyncio": ("egress_planted.py", None),
    "the client reaches a network library through another module": ("records/planted.py", "import urllib.request"),
    "the courier reads captures": ("courier/planted.py", "import reticent.capture"),
    "the courier listens to the keyboard": ("courier/planted.py", "import pynput"),
    "the courier imports torch": ("courier/planted.py", "import torch"),
    "the server trains": ("server/planted.py", "import reticent.learn"),
    "aggregation takes screenshots": ("aggregate/planted.py", "import mss"),
    "the report imports torch": ("audit/report/planted.py", "import torch"),
    "a lower layer imports an upper one": ("privacy/planted.py", "import reticent.records"),
    "siblings import each other": ("server/planted.py", "import reticent.courier"),
    "the keeper imports the courier": ("keeper/planted.py", "import reticent.courier"),
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def copy_of_the_project(folder: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("data", "__pycache__"))


def test_the_tree_itself_holds_every_contract(tmp_path: Path) -> None:
    copy_of_the_project(tmp_path)
    result = lint(tmp_path)
    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


@pytest.mark.parametrize("claim", PLANTED)
def test_a_planted_violation_is_caught(claim: str, tmp_path: Path) -> None:
    copy_of_the_project(tmp_path)
    place, line = PLANTED[claim]
    if line is None:
        door = tmp_path / "src/reticent/egress.py"
        door.write_text(door.read_text() + "\nimport asyncio\n")
    else:
        (tmp_path / "src/reticent" / place).write_text(line + "\n")
    result = lint(tmp_path)
    assert result.returncode == 1, result.stdout
    assert "BROKEN" in result.stdout
