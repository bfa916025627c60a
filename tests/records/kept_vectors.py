"""Vectors of what is kept in files and never signed: a recording, a run's checkpoint and model, a vault's key and rows."""

import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from reticent.actions.action import Action, Frame, Session
from reticent.actions.events import Button, EventKind, InputEvent, KeyClass
from reticent.actions.vocabulary import FRAME_HEIGHT, FRAME_WIDTH, PATCH_SIDE, ActionKind
from reticent.aggregate.checkpoint import Checkpoint, write_checkpoint
from reticent.aggregate.optimiser import ServerState
from reticent.capture.vault import Vault
from reticent.model.catalogue import parameters
from reticent.model.checkpoint_file import SavedWeights, write_weights
from reticent.recordings.archive import RecordedSession, write_archive
from reticent.records.canonical import digest
from tests.records.samples import PLAN

FRAME = Frame(
    thumbnail=np.tile(np.arange(FRAME_WIDTH, dtype=np.uint8), (FRAME_HEIGHT, 1)),
    patch=np.full((PATCH_SIDE, PATCH_SIDE), 200, dtype=np.uint8),
)
RECORDED = RecordedSession(
    person="p01",
    events=(
        InputEvent(t_ms=1_000, kind=EventKind.BUTTON_DOWN, key=KeyClass.NONE, button=Button.LEFT, x=0.25, y=0.5),
        InputEvent(t_ms=1_080, kind=EventKind.BUTTON_UP, key=KeyClass.NONE, button=Button.LEFT, x=0.25, y=0.5),
        InputEvent(t_ms=2_500, kind=EventKind.KEY_DOWN, key=KeyClass.LETTER, button=Button.NONE, x=0.25, y=0.5),
    ),
    frames={0: FRAME, 2: Frame(thumbnail=FRAME.thumbnail, patch=None)},
    aspect=1.6,
)
STATE = ServerState(np.array([1.0, -0.5, 0.25], dtype=np.float32), {"velocity": np.array([0.125, 0.0, -2.0])})
CHECKPOINT = Checkpoint(plan_id=PLAN.id, round=0, state=STATE, line={"round": 0, "status": "applied"})
SAVED = SavedWeights(
    model="office-60k",
    trainable="heads",
    plan_id=PLAN.id,
    round=2,
    weights=np.zeros(parameters("office-60k", "heads"), dtype=np.float32),
)
VAULT_KEY = "reticent-vault-key 1 file " + "07" * 32
SESSION = Session(
    actions=(
        Action(kind=ActionKind.CLICK, cell=100, t_ms=1_000, gap_ms=0, start=0),
        Action(kind=ActionKind.TYPE, cell=101, t_ms=2_500, gap_ms=1_500, start=1),
    ),
    frames=(FRAME, Frame(thumbnail=FRAME.thumbnail, patch=None)),
)


def build() -> dict[str, Any]:
    """Return every kept format once; `_hex` stands for bytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_archive(folder / "recording", [RECORDED], title="two actions", datasheet="made by hand")
        write_archive(folder / "closed", [RECORDED], title="two actions", datasheet="made by hand", public=False)
        write_checkpoint(folder / "checkpoint", CHECKPOINT)
        write_weights(folder / "model", SAVED)
        applied = folder / "checkpoint" / "applied-0000001"
        model = (folder / "model").read_bytes()
        first, header, block = (folder / "recording").read_bytes().split(b"\n", 2)
        closed, closed_header, _ = (folder / "closed").read_bytes().split(b"\n", 2)
        return {
            "closed_recording": {"first_line": closed.decode(), "header": closed_header.decode()},
            "recording": {
                "first_line": first.decode(),
                "header": header.decode(),
                "block_hex": block.hex(),
                "events": [
                    [event.t_ms, event.kind, event.key, event.button, event.x, event.y] for event in RECORDED.events
                ],
                "frames": {
                    str(index): {
                        "thumbnail": digest(frame.thumbnail.tobytes()),
                        "patch": None if frame.patch is None else digest(frame.patch.tobytes()),
                    }
                    for index, frame in RECORDED.frames.items()
                },
            },
            "checkpoint": {
                "folder": applied.name,
                "checkpoint_json": (applied / "checkpoint.json").read_text(),
                "state_hex": (applied / "state.safetensors").read_bytes().hex(),
                "weights": STATE.weights.tolist(),
                "velocity": STATE.moments["velocity"].tolist(),
            },
            "model_file": {
                "header": model[8 : 8 + int.from_bytes(model[:8], "little")].decode(),
                "rest": f"{4 * SAVED.weights.size} zero bytes",
                "hash": digest(model),
            },
            "vault_key": VAULT_KEY,
            "vault": vault(folder / "vault.db"),
        }


def vault(path: Path) -> dict[str, Any]:
    """The tables of a vault, and its one row, unpacked."""
    with Vault.create(path, key=bytes([7]) * 32, now=lambda: 1_800_000_000) as made:
        made.add(SESSION)
        (schema,) = made._connection.execute("SELECT sql FROM sqlite_master").fetchall()
        row = made._connection.execute("SELECT stored_at, count, actions, frames FROM session").fetchone()
        pragmas = {
            name: made._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version")
        }
    return {
        "schema": schema[0],
        "pragmas": pragmas,
        "stored_at": row[0],
        "count": row[1],
        "actions_hex": zlib.decompress(row[2]).hex(),
        "frames": digest(zlib.decompress(row[3])),
    }
