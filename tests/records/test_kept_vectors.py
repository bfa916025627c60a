"""What docs/formats.md says of files that are kept: read back by this package, and by readers that follow the page alone."""

import json
import lzma
from hashlib import sha256
from pathlib import Path

import numpy as np

from reticent.aggregate.checkpoint import read_checkpoint
from reticent.capture.vault_key import load_key
from reticent.model.checkpoint_file import read_weights
from reticent.recordings.archive import parse_archive
from tests.records.kept_vectors import CHECKPOINT, FRAME, RECORDED, SAVED, SESSION, vault

DOCS = Path(__file__).parents[2] / "docs"
VECTORS = json.loads((DOCS / "formats-vectors.json").read_text("utf-8"))
SPECIFICATION = (DOCS / "formats.md").read_text("utf-8")
RECORDING = VECTORS["recording"]
BLOCK = bytes.fromhex(RECORDING["block_hex"])


def test_the_recording_comes_back_as_it_was():
    data = f"{RECORDING['first_line']}\n{RECORDING['header']}\n".encode() + BLOCK
    (session,) = parse_archive(data).sessions("p01")
    assert session.events == RECORDED.events
    assert session.aspect == RECORDED.aspect
    assert session.frames.keys() == RECORDED.frames.keys()
    for index, frame in session.frames.items():
        np.testing.assert_array_equal(frame.thumbnail, RECORDED.frames[index].thumbnail)
        assert (frame.patch is None) == (RECORDED.frames[index].patch is None)


def test_the_recording_of_people_who_are_not_public_has_another_header_and_the_same_block():
    closed = VECTORS["closed_recording"]
    archive = parse_archive(f"{closed['first_line']}\n{closed['header']}\n".encode() + BLOCK)
    assert not archive.public
    assert archive.sessions("p01")[0].events == RECORDED.events
    assert json.loads(closed["header"]) == json.loads(RECORDING["header"]) | {"public": False}
    assert closed["first_line"].split(" ")[:2] == ["reticent-recording", "2"]


def test_a_reader_that_follows_the_page_reads_the_recording():
    """Section 11 and nothing of this package."""
    marker, version, said = RECORDING["first_line"].split(" ")
    body = RECORDING["header"].encode() + b"\n" + BLOCK
    assert (marker, version, said) == ("reticent-recording", "1", sha256(body).hexdigest())
    (person,) = json.loads(RECORDING["header"])["people"]
    assert person["bytes"] == len(BLOCK)
    (session,) = person["block"]["sessions"]
    raw = lzma.decompress(BLOCK, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 2**23}])
    at = 0

    def take(size):
        nonlocal at
        at += size
        return raw[at - size : at]

    def integers(count):
        planes = [take(count) for _ in range(4)]
        values, last = [], 0
        for number in range(count):
            last += int.from_bytes(bytes(plane[number] for plane in planes), "little", signed=True)
            values.append(last)
        return values

    def pictures(count, width, height):
        modes, before, found = take(count), bytes(width * height), []
        for mode in modes:
            pixels = bytearray(take(width * height))
            for place in range(len(pixels)):
                left = pixels[place - 1] if place % width else 0
                pixels[place] = (pixels[place] + (left if mode == 1 else before[place])) % 256
            before = bytes(pixels)
            found.append(sha256(before).hexdigest())
        return found

    events, frames = session["events"], session["frames"]
    positions = np.frombuffer(take(8 * person["block"]["positions"]), dtype="<f8").tolist()
    times, kinds, keys, buttons = integers(events), take(events), take(events), take(events)
    xs, ys = integers(events), integers(events)
    indices, thumbnail_of, patch_of = integers(frames), integers(frames), integers(frames)
    thumbnails = pictures(person["block"]["thumbnails"], 64, 48)
    patches = pictures(person["block"]["patches"], 16, 16)
    assert at == len(raw)
    places = [[positions[x], positions[y]] for x, y in zip(xs, ys, strict=True)]
    rows = zip(times, kinds, keys, buttons, places, strict=True)
    assert [[t, kind, key, button, *place] for t, kind, key, button, place in rows] == RECORDING["events"]
    shown = {
        str(index): {"thumbnail": thumbnails[t - 1], "patch": patches[p - 1] if p else None}
        for index, t, p in zip(indices, thumbnail_of, patch_of, strict=True)
    }
    assert shown == RECORDING["frames"]


def test_the_checkpoint_comes_back_as_it_was(tmp_path):
    vector = VECTORS["checkpoint"]
    applied = tmp_path / vector["folder"]
    applied.mkdir()
    (applied / "checkpoint.json").write_text(vector["checkpoint_json"])
    (applied / "state.safetensors").write_bytes(bytes.fromhex(vector["state_hex"]))
    read = read_checkpoint(tmp_path, plan_id=CHECKPOINT.plan_id, parameters=3, optimiser=CHECKPOINT.optimiser)
    assert (read.round, read.line) == (CHECKPOINT.round, CHECKPOINT.line)
    np.testing.assert_array_equal(read.state.weights, np.array(vector["weights"], dtype=np.float32))
    np.testing.assert_array_equal(read.state.moments["velocity"], vector["velocity"])


def test_the_model_file_is_its_header_and_its_numbers(tmp_path):
    vector = VECTORS["model_file"]
    header = vector["header"].encode()
    zeros = bytes(int(vector["rest"].split(" ")[0]))
    data = len(header).to_bytes(8, "little") + header + zeros
    assert sha256(data).hexdigest() == vector["hash"]
    (tmp_path / "model.safetensors").write_bytes(data)
    read = read_weights(tmp_path / "model.safetensors")
    assert (read.model, read.trainable, read.plan_id, read.round) == ("office-60k", "heads", SAVED.plan_id, 2)
    np.testing.assert_array_equal(read.weights, SAVED.weights)


def test_the_key_file_is_one_line(tmp_path):
    (tmp_path / "vault.key").write_text(VECTORS["vault_key"] + "\n")
    assert load_key(tmp_path / "vault.key") == bytes([7]) * 32


def test_the_vault_s_one_table_is_the_one_on_the_page_and_holds_what_it_says(tmp_path):
    """An SQLCipher file has a random salt, so the vector is what stands in it."""
    vector = VECTORS["vault"]
    assert vault(tmp_path / "vault.db") == vector
    assert vector["schema"] in SPECIFICATION
    row = np.dtype([("kind", "u1"), ("cell", "<u2"), ("t_ms", "<i8"), ("gap_ms", "<i8")])
    rows = np.frombuffer(bytes.fromhex(vector["actions_hex"]), dtype=row).tolist()
    assert rows == [(action.kind, action.cell, action.t_ms, action.gap_ms) for action in SESSION.actions]
    thumbnail, patch = FRAME.thumbnail.tobytes(), FRAME.patch.tobytes()
    assert vector["frames"] == sha256(thumbnail + b"\1" + patch + thumbnail + b"\0" + bytes(256)).hexdigest()
