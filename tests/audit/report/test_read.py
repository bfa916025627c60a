"""Bad files: one sentence that names the file, and no report."""

import json
import os
import shutil
from pathlib import Path

import pytest

from reticent.audit.report import read
from reticent.audit.report.read import read_run
from reticent.errors import FormatError, InputError, NewerFormatError, StateError
from tests.audit.report.samples import Values


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(folder, tmp_path / "run")


FILES = (
    "config.yaml",
    "rounds.jsonl",
    "privacy.json",
    "results.json",
    "simulation/privacy.json",
    "simulation/rounds.jsonl",
)
OBJECTS = ("privacy.json", "results.json", "audit.json", "simulation/results.json")


def refused(folder: Path, file: str, kind: type[InputError]) -> str:
    """The sentence of the refusal, which is of exactly this kind."""
    with pytest.raises(kind) as caught:
        read_run(folder)
    assert type(caught.value) is kind
    sentence = str(caught.value)
    assert Path(file).name in sentence
    assert "\n" not in sentence
    assert len(sentence) < 500
    return sentence


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_is_named(run: Path, file: str) -> None:
    (run / file).unlink()
    assert "no report was written" in refused(run, file, StateError)


@pytest.mark.parametrize("file", [*FILES, "audit.json"])
def test_a_link_or_a_folder_or_a_pipe_in_its_place_is_refused(run: Path, file: str) -> None:
    (run / file).unlink()
    (run / file).symlink_to("/etc/hostname")
    refused(run, file, StateError)
    (run / file).unlink()
    (run / file).mkdir()
    refused(run, file, StateError)
    (run / file).rmdir()
    os.mkfifo(run / file)
    refused(run, file, StateError)


@pytest.mark.parametrize("file", OBJECTS)
@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"7", b"\xff\xfe", b"[" * 100_000, b'{"version": 1}', b"{}\n{}"]
)
def test_what_is_not_such_an_object_is_refused(run: Path, file: str, content: bytes) -> None:
    (run / file).write_bytes(content)
    refused(run, file, FormatError)


@pytest.mark.parametrize("content", [b"", b"\n", b"{}\n", b'{"round": 1', b"\xff\n", b"null\n"])
def test_what_is_no_journal_is_refused(run: Path, content: bytes) -> None:
    (run / "rounds.jsonl").write_bytes(content)
    refused(run, "rounds.jsonl", FormatError)


def test_a_line_that_is_cut_off_is_refused_wherever_it_is(run: Path) -> None:
    path = run / "rounds.jsonl"
    data = path.read_bytes()
    path.write_bytes(data[:-40])
    assert "cut off in its last line" in refused(run, "rounds.jsonl", FormatError)
    lines = data.split(b"\n")
    path.write_bytes(b"\n".join([lines[0], lines[1][:50], *lines[2:]]))
    assert "line 2 of" in refused(run, "rounds.jsonl", FormatError)


@pytest.mark.parametrize("poison", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("file", ["privacy.json", "results.json", "rounds.jsonl"])
def test_a_number_that_is_not_finite_is_refused(run: Path, file: str, poison: str) -> None:
    name = {"privacy.json": "delta", "results.json": "top1", "rounds.jsonl": "seconds"}[file]
    path = run / file
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[-1][name] = "@"
    path.write_text("".join(json.dumps(line).replace('"@"', poison) + "\n" for line in lines))
    refused(run, file, FormatError)


@pytest.mark.parametrize("file", OBJECTS)
def test_a_newer_version_is_refused_as_that(run: Path, file: str) -> None:
    value = json.loads((run / file).read_text())
    (run / file).write_text(json.dumps({"version": 2, "strange": value}))
    assert "version 2" in refused(run, file, NewerFormatError)


CHANGES: dict[str, tuple[str, Values]] = {
    "an epsilon below zero": (
        "privacy.json",
        {"by_round": [{"round": 0, "employee": {"server": -1.0}, "example": {}}]},
    ),
    "an unknown adversary": ("privacy.json", {"by_round": [{"round": 0, "employee": {"nobody": 1.0}, "example": {}}]}),
    "an unknown mode": ("privacy.json", {"mode": "none"}),
    "a word for a truth": ("privacy.json", {"simulated": "no"}),
    "a number for a truth": ("privacy.json", {"simulated": 0}),
    "a delta of one": ("privacy.json", {"delta": 1.0}),
    "no people": ("privacy.json", {"people": 0}),
    "half a person": ("privacy.json", {"people": 1.5}),
    "a limit of nothing": ("privacy.json", {"limits": {"employee": 0.0, "example": 8.0}}),
    "a truth for a version": ("privacy.json", {"version": True}),
    "a version of zero": ("results.json", {"version": 0}),
    "a fraction above one": ("results.json", {"top1": 1.5}),
    "a word for a number": ("results.json", {"top1": "0.6"}),
    "a quantile that is none": ("results.json", {"per_person": {"top1": {"many": 0.5}}}),
    "a quantile above one": ("results.json", {"per_person": {"top1": {"1.5": 0.5}}}),
    "a quantile that is not a number": ("results.json", {"per_person": {"top1": {"nan": 0.5}}}),
    "endless text": ("results.json", {"model": "x" * 3_000}),
    "a ledger without a verdict": ("audit.json", {"ledgers": [{"name": "device-1", "lines": []}]}),
}


@pytest.mark.parametrize("claim", CHANGES)
def test_a_wrong_value_is_refused_by_its_field(claim: str, run: Path) -> None:
    file, change = CHANGES[claim]
    value = json.loads((run / file).read_text())
    (run / file).write_text(json.dumps(value | change))
    (field,) = change
    assert field in refused(run, file, FormatError)


@pytest.mark.parametrize("field", ["noise_multiplier", "sampling_rate", "steps", "rounds"])
@pytest.mark.parametrize("value", [0, -1, True, "1", None])
def test_an_event_that_no_mechanism_has_is_refused(field: str, value: object, run: Path) -> None:
    privacy = json.loads((run / "privacy.json").read_text())
    privacy["events"][0][field] = value
    (run / "privacy.json").write_text(json.dumps(privacy))
    assert f"events.0.{field}" in refused(run, "privacy.json", FormatError)


def test_rounds_of_two_plans_or_out_of_order_are_refused(run: Path) -> None:
    path = run / "rounds.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:2], lines[3], lines[2]]))
    assert "out of order" in refused(run, "rounds.jsonl", FormatError)
    other = json.dumps(json.loads(lines[3]) | {"plan_id": "another"}) + "\n"
    path.write_text("".join([*lines[:3], other]))
    assert "several plans" in refused(run, "rounds.jsonl", FormatError)


def test_a_giant_file_is_refused_before_it_is_read_whole(run: Path) -> None:
    for file, limit in (("config.yaml", read.CONFIG_LIMIT_BYTES), ("rounds.jsonl", read.ROUNDS_LIMIT_BYTES),
                        ("privacy.json", read.LIMIT_BYTES)):  # fmt: skip
        kept = (run / file).read_bytes()
        with (run / file).open("wb") as sparse:
            sparse.truncate(limit + 1)
        refused(run, file, FormatError)
        (run / file).write_bytes(kept)
    read_run(run)


def test_a_simulation_that_says_it_was_none_is_refused(run: Path) -> None:
    for name, change in (("privacy", {"simulated": False}), ("results", {"engine": "superlink"})):
        path = run / "simulation" / f"{name}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert "simulation" in refused(run, "privacy.json", FormatError)


def test_what_is_read_is_frozen(run: Path) -> None:
    found = read_run(run)
    for record, name in ((found, "config"), (found.privacy, "delta"), (found.rounds[0], "round")):
        with pytest.raises((AttributeError, ValueError)):
            setattr(record, name, 1)


def test_fields_that_this_release_does_not_know_are_left_out(run: Path) -> None:
    path, before = run / "results.json", read_run(run)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"gpu_hours": 3}))
    assert read_run(run).results == before.results
