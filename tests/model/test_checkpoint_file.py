"""A file of weights is believed only as far as it was checked, and is never half written."""

import errno
import json
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load, save

from reticent.errors import FormatError, InputError, NewerFormatError, SettingError, StateError
from reticent.model import catalogue
from reticent.model.checkpoint_file import SavedWeights, read_weights, write_weights

MODEL = "office-60k"
HEADS = catalogue.parameters(MODEL, "heads")
PLAN = "ab" * 32


def saved(trainable: str = "heads", **changes: object) -> SavedWeights:
    size = catalogue.parameters(MODEL, trainable)
    values: dict[str, object] = {
        "model": MODEL,
        "trainable": trainable,
        "plan_id": PLAN,
        "round": 3,
        "weights": np.random.default_rng(0).standard_normal(size).astype(np.float32),
    }
    return SavedWeights(**(values | changes))  # type: ignore[arg-type]


def written(path: Path, *, metadata: dict[str, str] | None = None, **tensors: np.ndarray) -> Path:
    """A file as another tool might write it: with these metadata changed and these tensors replaced."""
    write_weights(path, saved())
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    known = json.loads(data[8 : 8 + length])["__metadata__"]
    path.write_bytes(save({**load(data), **tensors}, metadata={**known, **(metadata or {})}))
    return path


@pytest.mark.parametrize("trainable", ["heads", "all"])
def test_what_is_written_is_read_back(trainable: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_weights(path, saved(trainable))
    found = read_weights(path)
    np.testing.assert_array_equal(found.weights, saved(trainable).weights)
    assert (found.model, found.trainable, found.plan_id, found.round) == (MODEL, trainable, PLAN, 3)


def test_any_safetensors_reader_finds_names_shapes_and_metadata(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_weights(path, saved())
    with safe_open(path, framework="numpy") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    assert shapes == dict(catalogue.shapes(MODEL, "heads"))
    assert metadata == {"version": "1", "model": MODEL, "trainable": "heads", "plan_id": PLAN, "round": "3"}


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_weights(tmp_path / name, saved())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@given(cut=st.integers(0, 4 * HEADS))
@settings(max_examples=60, deadline=None)
def test_a_file_that_ends_early_is_refused(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("cut") / "model.safetensors"
    write_weights(path, saved())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(FormatError):
        read_weights(path)


@given(place=st.integers(0, 900), bit=st.integers(0, 7))
@settings(max_examples=200, deadline=None)
def test_a_flipped_bit_in_the_header_is_refused_or_leaves_weights_that_fit(
    place: int, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("flip") / "model.safetensors"
    write_weights(path, saved())
    data = bytearray(path.read_bytes())
    data[place] ^= 1 << bit
    path.write_bytes(data)
    with suppress(InputError):
        assert read_weights(path).weights.shape == (HEADS,)


@given(data=st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_arbitrary_bytes_are_refused_in_one_sentence(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("junk") / "model.safetensors"
    path.write_bytes(data)
    with pytest.raises(FormatError, match="nothing was loaded"):
        read_weights(path)


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 60_000,
        b'{"__metadata__": 3}',
        b'{"__metadata__": {"version": 1}}',
        b"null",
        b'{"__metadata__": {"version": "1"}, "x": {"dtype": "F32", "shape": [99999999999999999999], "data_offsets": [0, 4]}}',
        b'{"__metadata__": {"version": "1"}, "x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}}',
        b'{"__metadata__": {"version": "1"}, "x": 7}',
    ],
    ids=["deep", "metadata is a number", "a number in metadata", "null", "astronomical", "negative", "no tensor"],
)
def test_a_hostile_header_is_refused(header: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(64))
    with pytest.raises(FormatError):
        read_weights(path)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_neither_read_nor_written(poison: float, tmp_path: Path) -> None:
    bias = np.zeros(12, dtype=np.float32)
    bias[5] = poison
    with pytest.raises(FormatError, match="NaN or infinite"):
        read_weights(written(tmp_path / "read", **{"heads.kind.bias": bias}))
    weights = saved().weights.copy()
    weights[7] = poison
    with pytest.raises(SettingError, match="nothing was written"):
        saved(weights=weights)


def test_a_newer_version_is_named_and_not_guessed_at(tmp_path: Path) -> None:
    with pytest.raises(NewerFormatError, match="version 2"):
        read_weights(written(tmp_path / "new", metadata={"version": "2", "model": "office-900b"}))


@pytest.mark.parametrize(
    "metadata",
    [
        {"version": "0"},
        {"version": "one"},
        {"model": "office-61k"},
        {"model": ""},
        {"trainable": "all"},
        {"trainable": "trunk"},
        {"plan_id": "../../etc"},
        {"round": "-1"},
        {"round": "1e9"},
        {"round": "9" * 40},
        {"extra": "1"},
    ],
    ids=lambda metadata: "-".join(*metadata.items())[:20],
)
def test_metadata_that_no_run_writes_are_refused(metadata: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="nothing was"):
        read_weights(written(tmp_path / "model.safetensors", metadata=metadata))


@pytest.mark.parametrize(
    "tensors",
    [
        {"heads.kind.bias": np.zeros(13, dtype=np.float32)},
        {"heads.kind.bias": np.zeros((1, 12), dtype=np.float32)},
        {"heads.kind.bias": np.zeros(12, dtype=np.float64)},
        {"heads.kind.bias": np.zeros(12, dtype=np.int32)},
        {"heads.other": np.zeros(1, dtype=np.float32)},
    ],
    ids=["longer", "another shape", "float64", "int32", "one more"],
)
def test_tensors_of_another_shape_name_or_type_are_refused(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    with pytest.raises(FormatError):
        read_weights(written(tmp_path / "model.safetensors", **tensors))


def test_a_file_larger_than_any_model_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a sparse terabyte
    with pytest.raises(FormatError, match="larger"):
        read_weights(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(StateError, match="nothing was loaded"):
            read_weights(path)


def test_a_full_disk_leaves_the_old_file_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    write_weights(path, saved())
    old = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match="the old file is untouched"):
        write_weights(path, saved(round=4))
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_values_that_no_run_has_are_refused_before_writing() -> None:
    for changes in ({"plan_id": "x"}, {"round": -1}, {"model": "x"}, {"weights": np.zeros(3, dtype=np.float32)}):
        with pytest.raises(SettingError):
            saved(**changes)
