"""Captures stay as long as the accepted policy says, and a large vault costs no more memory than the newest part of it."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from reticent import client
from reticent.actions.action import Action, Frame, Session
from reticent.actions.pool import Pool
from reticent.actions.vocabulary import ActionKind
from reticent.keeper import daemon, enrolment
from reticent.keeper.daemon import Keeper
from reticent.keeper.state import opened
from reticent.keeper.status import read_status
from tests.world import Organisation, enrolled

DAY_S = 86_400
WALLS = {"keeper": "none", "courier": "none"}
FRAME = Frame(thumbnail=np.zeros((48, 64), dtype=np.uint8), patch=None)


def session(actions: int) -> Session:
    clicks = (Action(kind=ActionKind.CLICK, cell=1, t_ms=i, gap_ms=1, start=i) for i in range(actions))
    return Session(actions=tuple(clicks), frames=(FRAME,) * actions)


def passes(keeper: Keeper, count: int = 1) -> None:
    """Let the loop go round so often."""
    stops = iter([False] * count + [True])
    keeper.run(lambda: next(stops))


def test_sessions_older_than_the_accepted_policy_allows_are_deleted_at_the_start_and_then_by_the_hour(
    tmp_path: Path,
) -> None:
    root = enrolled(tmp_path / "d", Organisation(), sessions=(session(3), session(4)), retention_days=7)
    with opened(root) as state:
        stored = state.vault._connection.execute("SELECT max(stored_at) FROM session").fetchone()[0]
        now = stored + 7 * DAY_S - 1
        state.vault._now = lambda: now
        keeper = Keeper(state, walls=WALLS, now=lambda: now)
        passes(keeper)
        assert state.vault.count() == 2
        now += 3_599
        passes(keeper)
        assert state.vault.count() == 2  # too old, and it is not yet time to look again
        now += 1
        passes(keeper)
        assert state.vault.count() == 0
        assert len(keeper._pool()) == 0
    status = read_status(root)
    assert (status.retention_days, status.deleted_by_age) == (7, 2)
    assert dict(status.lines())["captures stay"] == "7 days; 2 sessions were deleted by age"
    with opened(root) as state:  # at a start, and the count goes on
        state.vault.add(session(1))
        state.vault._now = lambda: now + 30 * DAY_S
        passes(Keeper(state, walls=WALLS, now=lambda: now + 30 * DAY_S))
        assert state.vault.count() == 0
    assert read_status(root).deleted_by_age == 3


def test_a_clock_that_was_set_back_makes_the_keeper_look_again_at_once(tmp_path: Path) -> None:
    with opened(enrolled(tmp_path / "d", Organisation(), retention_days=7)) as state:
        now = 1_900_000_000.0
        keeper = Keeper(state, walls=WALLS, now=lambda: now)
        passes(keeper)
        now -= 10 * DAY_S
        state.vault._now = lambda: now - 8 * DAY_S
        state.vault.add(session(2))
        state.vault._now = lambda: now
        passes(keeper)
        assert state.vault.count() == 0


def test_before_a_policy_was_accepted_nothing_is_deleted(tmp_path: Path) -> None:
    enrolment.create(tmp_path / "d", sessions=(session(3),))
    with opened(tmp_path / "d") as state:
        state.vault._now = lambda: 4_000_000_000.0
        passes(Keeper(state, walls=WALLS, now=lambda: 4_000_000_000.0))
        assert state.vault.count() == 1


def test_the_ledger_says_nothing_of_what_was_deleted(tmp_path: Path) -> None:
    root = enrolled(tmp_path / "d", Organisation(), sessions=(session(3),), retention_days=1)
    with opened(root) as state:
        before = (root / "keeper" / "ledger.jsonl").read_bytes()
        state.vault._now = lambda: 4_000_000_000.0
        passes(Keeper(state, walls=WALLS, now=lambda: 4_000_000_000.0))
        assert state.vault.count() == 0
        assert (root / "keeper" / "ledger.jsonl").read_bytes() == before


def test_memory_has_a_bound_that_does_not_grow_with_the_vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty times as many examples as count: the pool is the newest ones, and costs what they cost."""
    for part in (client, daemon):
        monkeypatch.setattr(part, "LARGEST_POOL", 500)
    organisation = Organisation()
    peaks = {}
    for sessions in (2, 80):
        root = enrolled(tmp_path / f"d{sessions}", organisation, sessions=tuple(session(250) for _ in range(sessions)))
        with opened(root) as state:
            keeper = Keeper(state, walls=WALLS)
            tracemalloc.start()
            held = keeper._pool().newest(client.LARGEST_POOL)
            peaks[sessions] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert len(held) == 500
    assert peaks[80] < 1.1 * peaks[2]
    assert peaks[2] > 500 * 48 * 64  # the frames were counted, so the bound above means something


def test_the_cap_takes_the_newest_examples_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(client, "LARGEST_POOL", 3)

    def learn(examples: Pool, weights: np.ndarray, **_: object) -> np.ndarray:
        seen.append(examples)
        return weights

    from reticent.actions.examples import pool

    whole = pool([session(5), session(2)])
    client._learn(_Any(), np.zeros(1, dtype=np.float32), lambda: whole, _Any(), learn)  # type: ignore[arg-type]
    (used,) = seen
    assert np.array_equal(used.kinds, whole.kinds[-3:])
    assert np.array_equal(used.cells, whole.cells[-3:])  # the history before the cut is in the window still


class _Any:
    """Whatever is asked of it; it trains."""

    training = object()

    def __getattr__(self, name: str) -> object:
        return None
