"""A clock that is a day off, on either side, refuses and never harms."""

from pathlib import Path

import pytest

from reticent import spool
from reticent.keeper.daemon import Keeper
from reticent.keeper.state import opened
from reticent.keeper.status import read_status
from reticent.records.messages import Abstain
from tests.keeper.test_daemon import WEIGHTS
from tests.world import NOW, Organisation, enrolled, join_request, plan, reply_header

DAY_S = 86_400


@pytest.mark.parametrize(("off_s", "field"), [(-DAY_S, "issued_at"), (DAY_S, "expires_at")], ids=["behind", "ahead"])
@pytest.mark.parametrize("side", ["device", "server"])
def test_a_device_whose_clock_is_a_day_off_abstains_and_is_not_charged(
    side: str, off_s: int, field: str, tmp_path: Path
) -> None:
    """A server's clock that is off the other way is the same difference: its plans come from the future or the past."""
    organisation = Organisation()
    off = off_s if side == "device" else 0
    shift = 0 if side == "device" else -off_s
    signed = organisation.signed(plan(issued_at=NOW - 10 + shift, expires_at=NOW + 3600 + shift))
    root = enrolled(tmp_path / "d", organisation)
    with opened(root) as state:
        before = state.folder.ledger.read_bytes()
        keeper = Keeper(state, walls={}, now=lambda: NOW + off)
        place = state.folder.spool
        name = spool.deliver(place, stage="join", request=join_request(signed, WEIGHTS).to_bytes(), weights=None)
        keeper.answer_waiting()
        assert isinstance(reply_header(spool.collect(place, name) or b""), Abstain)
        assert state.folder.ledger.read_bytes() == before
    refused = read_status(root).last_refusal
    assert refused is not None
    assert refused.startswith(f"the plan's {field} is ")
    assert "this device's" in refused
    assert refused.endswith("nothing was sent or charged")
