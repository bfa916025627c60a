"""A device measures as it trains: only where its person's policy says so, charged first, once, in one form whatever it holds."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from reticent.keeper.state import opened
from reticent.privacy.events import Unit
from reticent.recordings import drawn
from reticent.records.entries import Charge
from reticent.records.messages import Abstain, JoinReply, ReleaseReply, decode_reply
from reticent.records.plan import MEASURES
from tests.keeper.test_daemon import WEIGHTS, Bench
from tests.world import LARGEST, Organisation, enrolled, measuring_plan, plan, reply_header

ALLOWS = {"version": 2, "trainable": ("heads", "nothing")}


@pytest.fixture
def organisation() -> Organisation:
    return Organisation()


@pytest.fixture
def bench_of(tmp_path: Path, organisation: Organisation) -> Iterator[Callable[..., Bench]]:
    benches = []

    def make(*, people: int = 0, **policy: object) -> Bench:
        sessions = drawn.sessions(drawn.name(0)) if people else ()
        root = enrolled(tmp_path / f"{len(benches)}", organisation, sessions=sessions, **(ALLOWS | policy))
        entered = opened(root)
        bench = Bench(entered.__enter__(), organisation)
        benches.append((bench, entered))
        return bench

    yield make
    for _, entered in benches:
        entered.__exit__(None, None, None)


@pytest.mark.parametrize("people", [0, 1])
def test_a_device_measures_through_the_door_and_answers_in_one_form_whatever_it_holds(people, bench_of):
    bench = bench_of(people=people)
    reply = bench.round(bench.organisation.signed(measuring_plan()))
    header, payload = decode_reply(reply, limit_bytes=LARGEST, device_key=None)
    assert isinstance(header, ReleaseReply)
    assert (header.parameters, len(payload)) == (len(MEASURES), 4 * len(MEASURES))
    assert bench.kinds()[-3:] == ["charge", "receipt", "release"]


def test_it_is_charged_before_it_measures_as_two_events_of_which_one_is_a_window_s(bench_of):
    bench = bench_of()
    asked = measuring_plan()
    signed = bench.organisation.signed(asked)
    assert isinstance(reply_header(bench.join(signed)), JoinReply)
    charged = next(entry.body for entry in bench.state.payment.ledger.entries if isinstance(entry.body, Charge))
    assert tuple(charged.events) == asked.events()
    assert [event.unit for event in charged.events] == [Unit.EMPLOYEE, Unit.EXAMPLE]
    assert bench.charges() == 1


def test_training_and_measuring_spend_one_budget(bench_of):
    """At noise 2 each release costs mu 0.5; three of them fit into epsilon 5, a fourth doesn't, whatever it is for."""
    bench = bench_of(epsilon_employee=4.6)
    trains = bench.organisation.signed(plan())
    for number in range(3):
        assert isinstance(reply_header(bench.round(trains, number=number)), ReleaseReply)
    assert isinstance(reply_header(bench.join(bench.organisation.signed(measuring_plan()))), Abstain)


def test_where_the_policy_does_not_say_so_it_abstains_as_for_anything_else(bench_of):
    asks, unknown = measuring_plan(), measuring_plan(model="office-170k")
    strict = bench_of(version=1, trainable=("heads",))
    signed = strict.organisation.signed(asks)
    refused = strict.join(signed)
    assert isinstance(reply_header(refused), Abstain)
    assert strict.charges() == 0
    open_ = bench_of()
    assert isinstance(reply_header(open_.join(strict.organisation.signed(unknown))), Abstain)
    with_other_weights = open_.join(signed, weights=WEIGHTS)
    assert isinstance(reply_header(with_other_weights), JoinReply)
    assert len(refused) == len(strict.join(strict.organisation.signed(plan(trainable="all"))))


def test_two_devices_that_hold_different_things_differ_in_noise_alone(bench_of):
    sizes, spreads = set(), []
    for people in (0, 1):
        bench = bench_of(people=people)
        data = bench.round(bench.organisation.signed(measuring_plan()))
        header, payload = decode_reply(data, limit_bytes=LARGEST, device_key=None)
        sizes.add((len(payload), type(header)))
        spreads.append(np.abs(np.frombuffer(payload, dtype="<i4")).max())
    asked = measuring_plan().release
    assert len(sizes) == 1
    assert max(spreads) < (1 + 6 * asked.noise_multiplier) * asked.clip_norm / asked.grid
