"""`reticent evaluate` on drawn people: a table, JSON, and one sentence for whatever is wrong."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from reticent.cli.evaluate import evaluate
from reticent.errors import FormatError, InputError, NewerFormatError, SettingError
from reticent.model.checkpoint_file import SavedWeights, write_weights
from reticent.model.public import initial
from reticent.model.tensors import encode
from reticent.recordings import source

MODEL = "office-60k"
PLAN = "ab" * 32


@pytest.fixture(autouse=True)
def few_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of drawn people may have any length; twelve are drawn in half a second."""
    monkeypatch.setattr(source, "DRAWN_PEOPLE", 12)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    weights = initial(MODEL, "heads")
    write_weights(path, SavedWeights(model=MODEL, trainable="heads", plan_id=PLAN, round=3, weights=weights))
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(evaluate, [str(argument) for argument in arguments])


def test_the_table_shows_the_model_and_every_baseline_side_by_side(checkpoint: Path) -> None:
    result = run(checkpoint, "--data", "drawn")
    assert result.exit_code == 0, result.output
    assert f"after 3 rounds of plan {PLAN[:12]}" in result.output
    rows = [line.split()[0] for line in result.output.splitlines() if line.strip()]
    assert [name for name in rows if name in ("model", "majority", "markov1", "markov2", "markov3")] == [
        "model",
        "majority",
        "markov1",
        "markov2",
        "markov3",
    ]


def test_json_holds_everything_and_a_models_name_stands_for_its_public_start(checkpoint: Path) -> None:
    trained = json.loads(run(checkpoint, "--data", "drawn", "--json").output)
    start = json.loads(run(MODEL, "--data", "drawn", "--json").output)
    assert (trained["plan_id"], trained["round"]) == (PLAN, 3)
    assert start["plan_id"] is None
    figures = (
        "top1",
        "top3",
        "perplexity",
        "cell_top1",
        "cell_top3",
        "cell_distance",
        "cell_distance_median",
        "examples",
    )
    for name in figures:
        assert trained[name] == start[name]  # the checkpoint holds the public start
        assert all(name in row for row in trained["baselines"].values())
    assert set(trained["baselines"]) == {"majority", "markov1", "markov2", "markov3"}
    assert trained["baselines"]["markov3"]["examples"] == trained["examples"]


def refused(result: Result, kind: type[InputError]) -> str:
    assert isinstance(result.exception, kind)
    assert result.output == ""
    sentence = str(result.exception)
    assert "nothing was" in sentence
    assert "\n" not in sentence
    return sentence


def test_what_is_neither_a_file_nor_a_model_is_named(tmp_path: Path) -> None:
    assert MODEL in refused(run(tmp_path / "nowhere", "--data", "drawn"), SettingError)


def test_unknown_data_are_named(checkpoint: Path) -> None:
    assert "drawn" in refused(run(checkpoint, "--data", "ofice"), SettingError)


def test_a_truncated_file_is_refused(checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    refused(run(checkpoint, "--data", "drawn"), FormatError)


def test_a_newer_file_is_refused(checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes().replace(b'"version":"1"', b'"version":"9"'))
    assert "version 9" in refused(run(checkpoint, "--data", "drawn"), NewerFormatError)


def test_another_shape_is_refused(checkpoint: Path) -> None:
    metadata = {"version": "1", "model": MODEL, "trainable": "heads", "plan_id": PLAN, "round": "0"}
    checkpoint.write_bytes(encode({"heads.kind.bias": np.zeros(12, dtype=np.float32)}, metadata))
    refused(run(checkpoint, "--data", "drawn"), FormatError)


def test_weights_that_are_not_finite_are_refused(checkpoint: Path) -> None:
    data = bytearray(checkpoint.read_bytes())
    data[-4:] = np.float32(np.nan).tobytes()
    checkpoint.write_bytes(data)
    refused(run(checkpoint, "--data", "drawn"), FormatError)


def test_a_recording_without_public_people_is_compared_with_counts_of_drawn_ones() -> None:
    report = json.loads(run(MODEL, "--data", "office", "--json").output)
    split = source.split("office")
    assert report["baselines_counted_on"] == ("office" if split.public else "drawn")
    assert report["test_people"] == len(split.test)
    assert report["examples"] == sum(len(source.pool("office", person)) for person in split.test)


def test_per_person_figures_are_of_held_out_time_sorted_and_without_names() -> None:
    done = CliRunner().invoke(evaluate, ["history", "--data", "drawn", "--per-person", "--json"])
    found = json.loads(done.output)["per_person"]
    people = {
        person: time
        for person in source.people("drawn")
        if len((time := source.split_time("drawn", person)).later) and len(time.earlier)
    }
    assert [one["person"] for one in found] == list(range(1, len(people) + 1))
    assert sorted(one["examples"] for one in found) == sorted(len(time.later) for time in people.values())
    assert [one["top1"] for one in found] == sorted(one["top1"] for one in found)
    told = CliRunner().invoke(evaluate, ["history", "--data", "drawn", "--per-person"]).output
    assert "person" in told
    assert not [person for person in people if person in told + done.output]
