"""The README's first command, as a user runs it."""

import json
import re
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import psutil
import pytest
import yaml

from reticent.audit.report.wording import epsilon
from reticent.recordings import source
from tests.e2e.federation import ENVIRONMENT, ROOT, reticent, until

pytestmark = pytest.mark.timeout(600)

RUNS = ("run", "run/simulation")


def start(*arguments: str, folder: Path) -> "subprocess.Popen[str]":
    """scripts/quickstart.py: what scripts/quickstart runs once .venv stands. Its temporary folder lies in `folder`."""
    with (folder / "said").open("w") as said:
        return subprocess.Popen(
            [sys.executable, str(ROOT / "scripts" / "quickstart.py"), *arguments],
            env=ENVIRONMENT | {"TMPDIR": str(folder)},
            cwd=folder,
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
        )


def folders(place: Path) -> list[Path]:
    return sorted(place.glob("reticent-quickstart-*"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the quickstarts of this file make their folders: the first one's is kept, the others run beside it."""
    return tmp_path_factory.mktemp("quickstarts")


@pytest.fixture(scope="module")
def kept(place: Path) -> tuple[Path, str]:
    """The folder that a whole run with --keep left, and what it said."""
    child = start("--keep", folder=place)
    assert child.wait(500) == 0, (place / "said").read_text()
    (folder,) = folders(place)
    return folder, (place / "said").read_text()


def test_it_ends_in_an_audited_table(kept: tuple[Path, str]) -> None:
    _, said = kept
    assert "4 of 4 ledgers hold, and they agree with the receipts" in said
    number = r"([\d.]+)"
    row = rf"^ +(start|\d+|simulated) +([\d-]+) +0\.\d{{3}} +0\.\d{{3}} +{number} +{number} +([\d,-]+)$"
    rows = re.findall(row, said, re.MULTILINE)
    assert [one[:2] for one in rows[:-1]] == [("start", "-"), ("1", "4"), ("2", "4"), ("3", "4")]
    spent = [float(one[2]) for one in rows]
    assert spent[:-1] == sorted(spent[:-1])
    assert 0 < spent[-2] <= 8
    assert 0 < spent[-1] <= 8
    assert "can't give" in said


def test_scale_is_shown_with_the_devices_own_settings_and_everybody_embedded(kept: tuple[Path, str]) -> None:
    folder, said = kept
    real, larger = (yaml.safe_load((folder / place / "config.yaml").read_text()) for place in RUNS)
    for name in ("learn", "model", "data"):
        assert larger[name] == real[name]
    assert larger["privacy"]["delta"] == real["privacy"]["delta"]
    results = json.loads((folder / "run/simulation/results.json").read_text())
    assert results["people"] == len(source.clients("office", people=None))
    assert re.search(rf"^ +simulated +{results['people']} +{results['top1']:.3f} ", said, re.MULTILINE)


def test_the_report_stays_where_the_quickstart_was_called_and_shows_devices_audits_and_simulation(
    place: Path, kept: tuple[Path, str]
) -> None:
    folder, said = kept
    report = place / "quickstart-report.html"
    assert f"to read: {report}" in said
    assert report.read_bytes() == (folder / "run/report.html").read_bytes()
    text = re.sub(r"\s+", " ", report.read_text())
    assert "4 of 4 ledgers hold, and they agree with the server's receipts" in text.replace("&#39;", "'")
    assert "4 devices, 12 charges, 12 releases received" in text
    assert not re.search(r"(?:src|href)=[\"']?https?:", text)


def test_keep_leaves_what_it_says_and_names_the_folder(kept: tuple[Path, str]) -> None:
    folder, said = kept
    assert f"everything lies in {folder}:" in said
    for pattern in re.findall(r"^  ((?:run|server|device)\S+) ", said.partition("everything lies in")[2], re.MULTILINE):
        assert list(folder.glob(pattern.rstrip("/"))), pattern


def test_an_auditor_of_a_kept_ledger_reads_the_table_s_figures(kept: tuple[Path, str]) -> None:
    """The same epsilon against a model's recipient, for the same number of honest devices."""
    folder, said = kept
    found = json.loads(reticent("audit", "verify", folder / "device-1", "--json"))
    mine = {
        (one["unit"], one["adversary"], one["adjacency"], one["windows"]): one["epsilon"] for one in found["guarantees"]
    }
    told = re.search(r"who sees the model, (\d+) and \d+ honest \(min_cohort\) +([\d.]+) / ([\d.]+) ", said)
    assert told is not None
    assert found["honest_devices"] == int(told[1])
    pair = [mine["employee", "recipient", adjacency, None] for adjacency in ("zero_out", "replace_one")]
    assert [epsilon(one) for one in pair] == [told[2], told[3]]


@pytest.mark.parametrize(
    ("number", "line", "code"),
    [(signal.SIGINT, "device run", 130), (signal.SIGHUP, "device init", 130), (signal.SIGKILL, "3. training", -9)],
    ids=["Ctrl-C", "a closed terminal", "kill -9"],
)
def test_a_second_run_comes_as_far_and_its_end_in_the_middle_leaves_no_process(
    number: int, line: str, code: int, place: Path, kept: tuple[Path, str]
) -> None:
    """Beside a kept folder, which stays as it is. Only kill -9 leaves a folder: nobody was left to remove it."""
    before = contents(kept[0])
    child = start(folder=place)
    until(lambda: line in (place / "said").read_text() or child.poll() is not None, f"it comes to {line!r}")
    begun = psutil.Process(child.pid).children(recursive=True)
    assert len(begun) > 3
    child.send_signal(number)
    assert child.wait(120) == code
    _, alive = psutil.wait_procs(begun, timeout=60)
    assert not alive, alive
    assert "Traceback" not in (place / "said").read_text()
    left = [folder for folder in folders(place) if folder != kept[0]]
    assert len(left) == (number == signal.SIGKILL)
    for folder in left:
        shutil.rmtree(folder)
    assert contents(kept[0]) == before
