"""`reticent audit report` as people and scripts meet it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reticent.cli import main


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> Path:
    place = shutil.copytree(folder, tmp_path / "run")
    (place / "report.html").unlink()
    return place


def called(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["audit", "report", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_page_is_written_beside_the_run_and_its_path_printed(
    run: Path, html: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(capsys, run) == (0, f"{run / 'report.html'}\n", "")
    assert (run / "report.html").read_text() == html


def test_out_names_another_place(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(capsys, run, "--out", tmp_path / "other.html") == (0, f"{tmp_path / 'other.html'}\n", "")
    assert not (run / "report.html").exists()


def test_a_bad_file_ends_with_2_and_one_sentence_and_keeps_the_old_page(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "report.html").write_text("the old page")
    (run / "privacy.json").write_text("{")
    code, out, err = called(capsys, run)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "privacy.json" in err
    assert (run / "report.html").read_text() == "the old page"


def test_another_file_of_the_run_is_never_overwritten(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run / "results.json").read_bytes()
    code, _, err = called(capsys, run, "--out", run / "results.json")
    assert code == 2
    assert "must end in .html" in err
    assert (run / "results.json").read_bytes() == before


@pytest.mark.parametrize("target", ["missing/report.html", "folder.html/report.html"])
def test_a_place_that_can_t_be_written_is_one_sentence(
    target: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.html").write_text("")
    code, out, err = called(capsys, run, "--out", tmp_path / target)
    assert (code, out, len(err.splitlines())) == (2, "", 1)


@pytest.mark.parametrize("missing", ["matplotlib", "jinja2"])
def test_without_the_research_extra_a_sentence_says_how_to_install_it(
    missing: str, run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("reticent.audit.report")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    code, out, err = called(capsys, run)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert missing in err
    assert "pip install 'reticent[research]'" in err
    assert not (run / "report.html").exists()


def test_no_learning_and_no_pyplot_is_imported_to_make_a_report(run: Path) -> None:
    program = (
        "import sys; from reticent.cli import main; code = main(sys.argv[1:]);"
        "print(code, *({'torch', 'flwr', 'opacus', 'matplotlib.pyplot'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, "audit", "report", str(run)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[-1] == "0"
