"""A device's state folder, as far as walls are concerned."""

from pathlib import Path

import pytest


@pytest.fixture
def state(tmp_path: Path) -> Path:
    root = tmp_path / "state"
    for name in ("keeper", "courier", "spool/inbox", "spool/outbox"):
        (root / name).mkdir(parents=True)
    for name in ("keeper/ledger.jsonl", "keeper/vault.db", "keeper/device.key", "courier/node.key", "spool/outbox/a"):
        (root / name).write_text("content")
    return root
