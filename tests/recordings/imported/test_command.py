"""`reticent data import`: a recording like any other, or one sentence and nothing left behind."""

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress

import pytest

from reticent.cli import main
from reticent.recordings import source
from reticent.recordings.archive import read_archive
from tests.recordings.imported.made import (
    MOUSE_ACTIONS,
    MOUSE_KINDS,
    SOME,
    click,
    demonstration,
    name,
    write,
    write_mouse,
    write_mouse_table,
    write_tables,
)

PEOPLE = 6


def assignment(number):
    return f"3{number:029d}"


@pytest.fixture
def demonstrations(tmp_path):
    for number in range(PEOPLE):
        write(tmp_path / "demos", demonstration(SOME), assignment=assignment(number))
        write(tmp_path / "demos", demonstration(click(500, 9, 9 * number)), assignment=assignment(number), number=2)
    write(tmp_path / "demos", b"", number=3)
    return tmp_path / "demos"


def run(capsys, *words):
    code = main(["data", "import", *(str(word) for word in words)])
    return code, *capsys.readouterr()


def test_an_import_says_what_it_took_and_what_not(demonstrations, tmp_path, capsys):
    out = tmp_path / "human.recording"
    code, said, err = run(capsys, "miniwob", demonstrations, out)
    assert (code, err) == (0, "")
    first, second, last = said.splitlines()
    assert first.startswith(f"wrote {out}: 36 actions in 12 sittings of 6 people, ")
    assert first.endswith("; none of them is public")
    assert second == "skipped 1 of 13 demonstrations: 1 damaged gzip"
    assert last == f"what is in it: reticent data describe {out}"


def test_a_terminal_sees_how_far_an_import_is(demonstrations, tmp_path):
    ours, theirs = pty.openpty()
    words = ["data", "import", "miniwob", str(demonstrations), str(tmp_path / "human.recording")]
    ran = subprocess.run(
        [sys.executable, "-m", "reticent.cli", *words], stdout=subprocess.PIPE, stderr=theirs, check=True
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # the end, on a terminal
        while some := os.read(ours, 1 << 16):
            shown += some
    os.close(ours)
    assert b"100%" in shown
    assert b"%" not in ran.stdout


def test_the_recording_is_a_source_like_any_other_with_nobody_public(demonstrations, tmp_path, capsys):
    out = tmp_path / "human.recording"
    code, said, _ = run(capsys, "miniwob", demonstrations, out, "--json")
    assert code == 0
    made = json.loads(said)
    assert made["bytes"] == out.stat().st_size
    assert (made["people"], made["sittings"], made["actions"], made["public"]) == (6, 12, 36, False)
    assert (made["skipped"], made["left_out"]) == ({"damaged gzip": 1}, {})
    groups = source.split(source.of_file(out))
    assert (len(groups.public), len(groups.client), len(groups.test)) == (0, 4, 2)
    assert all(len(source.pool(source.of_file(out), person)) == 6 for person in groups.client)
    assert main(["data", "describe", str(out), "--json", "--contact-sheet", str(tmp_path / "sheet.png")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["people"], found["sessions"], found["actions"]) == (6, 12, 36)
    assert found["actions_per_person"] == {"min": 6, "median": 6, "max": 6}
    assert found["title"].startswith("MiniWoB++ demonstrations")
    assert (tmp_path / "sheet.png").stat().st_size > 100


def test_its_datasheet_tells_whose_it_is_how_it_was_made_and_what_may_be_done_with_it(demonstrations, tmp_path, capsys):
    assert run(capsys, "miniwob", demonstrations, tmp_path / "a.recording")[0] == 0
    page = read_archive(tmp_path / "a.recording").datasheet
    for said in (
        "6 people",
        "Nobody in it is public",
        "no licence file\nupstream",
        "don't redistribute",
        "sessions as clients",
        "skipped 1 of 13 demonstrations: 1 damaged gzip",
        "reticent data import miniwob",
    ):
        assert said in page


def test_people_are_public_only_where_that_is_asked_for(demonstrations, tmp_path, capsys):
    out = tmp_path / "human.recording"
    code, said, _ = run(capsys, "miniwob", demonstrations, out, "--public")
    assert code == 0
    assert "some of them are public" in said
    assert "may be public" in read_archive(out).datasheet
    groups = source.split(source.of_file(out))
    assert (len(groups.public), len(groups.client), len(groups.test)) == (2, 2, 2)


def test_the_same_source_gives_the_same_bytes_in_whatever_order_it_was_made(demonstrations, tmp_path, capsys):
    for number in reversed(range(PEOPLE)):
        write(tmp_path / "z", demonstration(click(500, 9, 9 * number)), assignment=assignment(number), number=2)
        write(tmp_path / "z", demonstration(SOME), assignment=assignment(number))
    write(tmp_path / "z", b"", number=3)
    outs = [tmp_path / "one.recording", tmp_path / "two.recording"]
    for where, out in zip((demonstrations, tmp_path / "z"), outs, strict=True):
        assert run(capsys, "miniwob", where, out)[0] == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()


@pytest.mark.parametrize("shape", ["files", "table"])
def test_mice_are_described_too(tmp_path, capsys, shape):
    for user in ("user7", "user9", "user12"):
        write_mouse(tmp_path / "files", user=user)
    write_mouse_table(tmp_path / "table", {(user, "s"): MOUSE_ACTIONS for user in ("user7", "user9", "user12")})
    out = tmp_path / "mice.recording"
    assert run(capsys, "balabit", tmp_path / shape, out)[0] == 0
    assert main(["data", "describe", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["people"], found["actions"]) == (3, 3 * len(MOUSE_KINDS))
    assert (found["distinct_frames"], found["frames_with_patch"]) == (1, 0)
    page = read_archive(out).datasheet
    assert "cite Fulop" in page
    assert ("the events of each action were made up again" in page) == (shape == "table")


def refused(capsys, tmp_path, *words, says):
    before = sorted(tmp_path.rglob("*"))
    code, said, err = run(capsys, *words)
    assert (code, said) == (2, "")
    assert len(err.splitlines()) == 1
    assert says in err
    assert "nothing was" in err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", ["miniwob", "balabit"])
def test_a_source_that_is_none_is_one_sentence_and_nothing_is_left_behind(tmp_path, capsys, kind):
    out, empty, file = tmp_path / "x.recording", tmp_path / "empty", tmp_path / "file"
    empty.mkdir()
    file.write_bytes(b"x")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"x")
    for where, says in (
        (tmp_path / "none", "no folder"),
        (file, "no folder"),
        (empty, "holds neither"),
        (tmp_path / "images", "holds neither"),
    ):
        refused(capsys, tmp_path, kind, where, out, says=says)


def test_a_source_with_nobody_in_it_is_one_sentence(tmp_path, capsys):
    write(tmp_path / "a", b"")
    write(tmp_path / "b", demonstration(SOME), file="click-it_1.json")
    out = tmp_path / "x.recording"
    refused(capsys, tmp_path, "miniwob", tmp_path / "a", out, says="nobody who did anything (skipped 1 of 1 demo")
    refused(capsys, tmp_path, "miniwob", tmp_path / "b", out, says="1 no session")


def test_a_broken_table_is_one_sentence(tmp_path, capsys):
    where = write_tables(tmp_path / "t", {("s", "d"): SOME})
    (where / "events.parquet").write_bytes(b"PAR1")
    refused(capsys, tmp_path, "miniwob", where, tmp_path / "x.recording", says="events.parquet is no Parquet table")


def test_what_is_there_is_never_written_over(demonstrations, tmp_path, capsys):
    for out in (demonstrations / "2017-01-01_turk", next(demonstrations.rglob(name(assignment(0), 1)))):
        refused(capsys, tmp_path, "miniwob", demonstrations, out, says="exists already")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    refused(capsys, tmp_path, "miniwob", demonstrations, tmp_path / "link", says="exists already")
    refused(capsys, tmp_path, "miniwob", demonstrations, tmp_path / "no" / "x.recording", says="there is no folder")


def test_help_shows_an_example(capsys):
    for kind in ("miniwob", "balabit"):
        code, said, _ = run(capsys, kind, "--help")
        assert code == 0
        assert f"reticent data import {kind} " in said
