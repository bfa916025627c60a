"""The keeper answers everything: rightly asked, it charges and releases once; wrongly asked, it abstains, always alike."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from reticent import spool
from reticent.actions.pool import Pool
from reticent.client import MOST_UNFINISHED, Task, answer
from reticent.keeper import enrolment, outbox
from reticent.keeper.daemon import REMEMBERED_S, Keeper
from reticent.keeper.state import DeviceState, accepted_terms, opened
from reticent.privacy.noise import SeededNoise
from reticent.recordings import drawn
from reticent.records.entries import Charge, Released
from reticent.records.keys import SigningKey
from reticent.records.messages import Abstain, JoinReply, ReleaseReply
from reticent.records.plan import Plan, sign_plan
from reticent.records.signed import Signed
from reticent.records.terms import Terms
from tests.world import (
    NOW,
    Organisation,
    P,
    enrolled,
    join_request,
    plan,
    release,
    reply_header,
    train_request,
    training,
)

WEIGHTS = np.zeros(P, dtype="<f4").tobytes()


class Bench:
    """One device with an empty vault, asked through its real spool."""

    def __init__(self, state: DeviceState, organisation: Organisation) -> None:
        self.state = state
        self.organisation = organisation
        self.keeper = Keeper(state, walls={"keeper": "none", "courier": "none"}, now=lambda: NOW)
        self.spool = state.folder.spool

    def ask(self, stage: str, request: bytes, weights: bytes | None = None) -> bytes:
        name = spool.deliver(self.spool, stage=stage, request=request, weights=weights)
        self.keeper.answer_waiting()
        reply = spool.collect(self.spool, name)
        assert reply is not None
        assert spool.arrivals(self.spool) == ()
        return reply

    def join(self, signed: Signed, *, number: int = 0, weights: bytes = WEIGHTS, last: Signed | None = None) -> bytes:
        return self.ask("join", join_request(signed, weights, number=number, last=last).to_bytes())

    def train(self, signed: Signed, receipt: Signed, *, number: int = 0, weights: bytes = WEIGHTS) -> bytes:
        return self.ask("train", train_request(signed, weights, receipt, number=number).to_bytes(), weights)

    def round(self, signed: Signed, *, number: int = 0, weights: bytes = WEIGHTS) -> bytes:
        joined = reply_header(self.join(signed, number=number, weights=weights))
        assert isinstance(joined, JoinReply)
        return self.train(signed, self.organisation.receipt(joined), number=number, weights=weights)

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.state.payment.ledger.entries]

    def charges(self) -> int:
        return sum(isinstance(entry.body, Charge) for entry in self.state.payment.ledger.entries)


@pytest.fixture
def organisation() -> Organisation:
    return Organisation()


@pytest.fixture
def bench(tmp_path: Path, organisation: Organisation) -> Iterator[Bench]:
    with opened(enrolled(tmp_path / "device", organisation)) as state:
        yield Bench(state, organisation)


def test_a_round_is_charged_counter_signed_released_in_that_order(bench: Bench) -> None:
    data = bench.round(bench.organisation.signed(plan()))
    header = reply_header(data)
    assert isinstance(header, ReleaseReply)
    assert bench.kinds() == ["genesis", "consent", "charge", "receipt", "release"]
    released = bench.state.payment.ledger.entries[-1]
    assert isinstance(released.body, Released)
    assert (released.index, released.body.payload_hash) == (header.index, header.payload_hash)


def test_asking_twice_gets_the_same_bytes_and_one_charge(bench: Bench) -> None:
    signed = bench.organisation.signed(plan())
    first = bench.round(signed)
    assert bench.round(signed) == first
    assert bench.charges() == 1


def test_other_weights_for_a_charged_round_are_refused_before_and_after_the_release(bench: Bench) -> None:
    signed = bench.organisation.signed(plan())
    other = np.ones(P, dtype="<f4").tobytes()
    bench.join(signed)
    assert isinstance(reply_header(bench.join(signed, weights=other)), Abstain)
    bench.round(signed)
    assert isinstance(reply_header(bench.join(signed, weights=other)), Abstain)
    assert bench.charges() == 1


def hostile(**changes: object) -> Callable[[Organisation], Signed]:
    return lambda organisation: organisation.signed(plan(**changes))


def raw(field: str, value: object) -> Callable[[Organisation], Signed]:
    """A plan that our own types would not let anyone write, signed by the operator all the same."""
    from reticent.records.keys import Domain
    from reticent.records.signed import sign

    def make(organisation: Organisation) -> Signed:
        body = plan().to_value()
        where = body
        *path, last = field.split(".")
        for part in path:
            where = where[part]  # type: ignore[assignment]
        where[last] = value  # type: ignore[assignment]
        return sign(Domain.PLAN, body, organisation.operator)

    return make


HOSTILE_PLANS: dict[str, Callable[[Organisation], Signed]] = {
    "no noise": raw("release.noise_multiplier", 0),
    "negative noise": raw("release.noise_multiplier", -1.0),
    "too little noise": hostile(release=release(noise_multiplier=0.9)),
    "a clip norm of 1e9": raw("release.clip_norm", 1e9),
    "a clip norm above the policy": hostile(release=release(clip_norm=0.6)),
    "a coarse grid": hostile(release=release(grid=0.01)),
    "no example-level noise": raw("training.noise_multiplier", 0),
    "less example-level noise": hostile(training=training(noise_multiplier=0.5)),
    "an example-level clip norm of 1e9": raw("training.clip_norm", 1e9),
    "another sampling rate": hostile(training=training(sampling_rate=1.0)),
    "another divisor": hostile(training=training(expected_batch=1)),
    "more steps": hostile(training=training(steps=50)),
    "an unknown model": hostile(model="leaky-net"),
    "a known model of another size": hostile(parameters=P + 1),
    "everything trainable": hostile(trainable="all"),
    "another purpose": hostile(purpose="rank-people"),
    "a cohort of one": hostile(min_cohort=1),
    "10,000 rounds": hostile(rounds=10_000),
    "secure mode": raw("release.mode", "secure"),
    "expired": hostile(issued_at=NOW - 7200, expires_at=NOW - 3600),
    "not yet issued": hostile(issued_at=NOW + 3600, expires_at=NOW + 7200),
    "a life of ten years": hostile(expires_at=NOW + 10 * 365 * 86400),
    "an unknown field": raw("callback", "http://127.0.0.1"),
    "a newer version": raw("version", 2),
    "noise as text": raw("release.noise_multiplier", "2.0"),
    "another signer": lambda organisation: sign_plan(plan(), SigningKey.generate()),
    "no signature": lambda organisation: dataclasses.replace(organisation.signed(plan()), signature="0" * 128),
}


@pytest.mark.parametrize("attack", HOSTILE_PLANS)
def test_a_hostile_plan_is_refused_with_bytes_that_tell_nothing(attack: str, bench: Bench) -> None:
    signed = HOSTILE_PLANS[attack](bench.organisation)
    answer = bench.join(signed)
    header = reply_header(answer)
    assert header == Abstain(device=bench.state.device, plan_id=signed.id, round=0)
    assert bench.charges() == 0
    assert bench.train(signed, bench.organisation.signed(plan())) == answer  # the same bytes at the other stage


def test_refusals_of_one_plan_are_byte_identical_whatever_their_cause(
    tmp_path: Path, organisation: Organisation
) -> None:
    """Policy, budget, replay and a missing consent: one plan, one device key, one answer."""
    asked, signed = plan(), organisation.signed(plan())
    root = enrolled(tmp_path / "device", organisation)
    answers = []
    with opened(root) as state:
        for terms in (
            None,
            changed_terms(state, organisation, min_cohort=100),
            changed_terms(state, organisation, epsilon_employee=0.01),
            changed_terms(state, organisation, purposes=("other",)),
        ):
            bench = Bench(dataclasses.replace(state, terms=terms), organisation)
            for path in (bench.spool / "outbox").iterdir():
                path.unlink()
            answers.append(bench.join(signed))
    assert asked.rounds == 3
    assert len(set(answers)) == 1
    assert isinstance(reply_header(answers[0]), Abstain)


def changed_terms(state: DeviceState, organisation: Organisation, **changes: object) -> Terms:
    assert state.terms is not None
    return dataclasses.replace(state.terms, policy=organisation.policy(**changes))


@pytest.mark.parametrize(
    "weights",
    [
        np.full(P, np.nan, dtype="<f4").tobytes(),
        np.full(P, np.inf, dtype="<f4").tobytes(),
        np.zeros(P + 1, dtype="<f4").tobytes(),
        np.zeros(P, dtype="<f8").tobytes(),
        b"",
        b"\x00" * 3,
    ],
    ids=["NaN", "inf", "one too many", "float64", "empty", "three bytes"],
)
def test_weights_that_are_not_the_model_s_are_refused(weights: bytes, bench: Bench) -> None:
    signed = bench.organisation.signed(plan())
    assert isinstance(reply_header(bench.round(signed, weights=weights)), Abstain)
    assert "release" not in bench.kinds()


def test_gigabytes_of_weights_do_not_reach_the_keeper(bench: Bench) -> None:
    from reticent.errors import SettingError

    with pytest.raises(SettingError, match="bytes"):
        spool.deliver(bench.spool, stage="train", request=b"{}", weights=bytes(spool.LARGEST_WEIGHTS_BYTES + 1))


def test_weights_of_1e38_give_a_release_of_the_same_form_and_noise(bench: Bench) -> None:
    signed = bench.organisation.signed(plan())
    usual = bench.round(signed, number=0)
    extreme = bench.round(signed, number=1, weights=np.full(P, 1e38, dtype="<f4").tobytes())
    assert isinstance(reply_header(extreme), ReleaseReply)
    spreads = [np.std(np.frombuffer(data.split(b"\n", 1)[1], dtype="<i4")) for data in (usual, extreme)]
    assert 0.9 < spreads[0] / spreads[1] < 1.1


def test_a_train_request_without_a_charge_is_refused(bench: Bench) -> None:
    signed = bench.organisation.signed(plan())
    joined = JoinReply(
        device=bench.state.device, plan_id=signed.id, round=0, weights_hash="0" * 64, index=1, head="0" * 64
    )
    assert isinstance(reply_header(bench.train(signed, bench.organisation.receipt(joined))), Abstain)


def test_a_receipt_of_another_key_or_another_round_pays_for_nothing(bench: Bench) -> None:
    signed = bench.organisation.signed(plan())
    zero, one = (reply_header(bench.join(signed, number=number)) for number in (0, 1))
    assert isinstance(zero, JoinReply)
    assert isinstance(one, JoinReply)
    assert isinstance(reply_header(bench.train(signed, Organisation().receipt(zero), number=0)), Abstain)
    assert isinstance(reply_header(bench.train(signed, bench.organisation.receipt(one), number=1)), ReleaseReply)
    swapped = bench.organisation.signed(plan(rounds=2))
    bench.join(swapped)
    assert isinstance(reply_header(bench.train(swapped, bench.organisation.receipt(one))), Abstain)


def test_the_budget_ends_the_rounds_for_good(tmp_path: Path, organisation: Organisation) -> None:
    with opened(enrolled(tmp_path / "device", organisation, epsilon_employee=4.0)) as state:
        bench = Bench(state, organisation)
        signed = organisation.signed(plan(rounds=10))
        kinds = []
        for number in range(6):
            joined = reply_header(bench.join(signed, number=number))
            kinds.append(joined.kind)
            if isinstance(joined, JoinReply):
                bench.train(signed, organisation.receipt(joined), number=number)
        assert kinds[0] == "join"
        assert kinds[-1] == "abstain"
        assert kinds == sorted(kinds, key="join abstain".index)
        again = organisation.signed(plan(rounds=9))
        assert reply_header(bench.join(again)).kind == "abstain"


def test_rounds_that_are_charged_and_never_finished_end_the_plan(bench: Bench) -> None:
    signed = bench.organisation.signed(plan(rounds=10, release=release(noise_multiplier=20.0)))
    kinds = [reply_header(bench.join(signed, number=number)).kind for number in range(5)]
    assert kinds == ["join"] * MOST_UNFINISHED + ["abstain"] * (5 - MOST_UNFINISHED)
    assert bench.charges() == MOST_UNFINISHED


def test_what_was_charged_under_looser_terms_is_not_sent_under_stricter_ones(bench: Bench) -> None:
    signed = bench.organisation.signed(plan())
    joined = reply_header(bench.join(signed))
    assert isinstance(joined, JoinReply)
    enrolment.accept_policy(bench.state, bench.organisation.offer(epsilon_employee=7.0), fresh_yes=False)
    terms = accepted_terms(bench.state.folder, bench.state.payment.ledger.entries)
    later = Bench(dataclasses.replace(bench.state, terms=terms), bench.organisation)
    assert isinstance(reply_header(later.train(signed, bench.organisation.receipt(joined))), Abstain)
    assert "release" not in bench.kinds()


def test_rubbish_does_not_fill_the_disk_and_nothing_else_is_forgotten(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MOST_ABSTENTIONS", 5)
    release_bytes = bench.round(bench.organisation.signed(plan()))
    for number in range(12):
        bench.ask("join", b"rubbish %d" % number)
    kept = [path.read_bytes() for path in (bench.spool / "outbox").iterdir()]
    assert len(kept) == 2 + 5  # the join, the release, and the newest abstentions
    assert release_bytes in kept
    again = Bench(bench.state, bench.organisation)  # a restart counts what lies there
    again.ask("join", b"one more")
    assert len(list((bench.spool / "outbox").iterdir())) == 2 + 5


def test_a_request_that_vanishes_again_does_not_end_the_keeper(bench: Bench) -> None:
    bench.keeper.answer("0" * 32)
    assert list((bench.spool / "outbox").iterdir()) == []


@pytest.mark.parametrize("failure", [MemoryError, RuntimeError, ValueError])
def test_a_training_that_fails_is_noised_like_one_on_an_empty_pool(
    failure: type[Exception], bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """At both levels: what enters the door is a noised update, never a bare zero."""

    def broken() -> Pool:
        raise failure("secret-42")

    task = Task(plan=plan(), plan_id="0" * 64, round=0)
    weights = np.zeros(P, dtype=np.float32)
    failed = answer(task, weights, broken, SeededNoise(5))
    empty = answer(task, weights, Pool.empty, SeededNoise(5))
    assert failed.values.tobytes() == empty.values.tobytes()
    assert "secret-42" not in caplog.text


def test_features_are_remembered_between_rounds_and_forgotten_in_a_pause(
    tmp_path: Path, organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed, clock = organisation.signed(plan()), [float(NOW)]
    with opened(enrolled(tmp_path / "device", organisation, sessions=drawn.sessions(drawn.name(0)))) as state:
        bench = Bench(state, organisation)
        keeper = bench.keeper = Keeper(state, walls={"keeper": "none", "courier": "none"}, now=lambda: clock[0])
        bench.round(signed)
        remembered = len(keeper._memory)
        assert remembered == state.vault.actions() > 0
        clock[0] += REMEMBERED_S - 1
        keeper.forget_unused()
        monkeypatch.setattr("reticent.learn.memory.Learner", None)  # the one at hand serves the next round too
        bench.round(signed, number=1)
        assert len(keeper._memory) == remembered
        clock[0] += REMEMBERED_S
        keeper.forget_unused()
        assert len(keeper._memory) == 0


@pytest.mark.parametrize("garbage", [b"", b"{}", b"\xff" * 1000, b'{"plan":1}', b"[" * 60_000])
@pytest.mark.parametrize("stage", ["join", "train"])
def test_garbage_gets_an_abstention_too(garbage: bytes, stage: str, bench: Bench) -> None:
    assert isinstance(reply_header(bench.ask(stage, garbage, b"x" if stage == "train" else None)), Abstain)
    assert bench.kinds() == ["genesis", "consent"]


def test_a_restored_state_folder_is_noticed_by_the_server_s_last_receipt(
    tmp_path: Path, organisation: Organisation
) -> None:
    import shutil

    root = enrolled(tmp_path / "device", organisation)
    shutil.copytree(root, tmp_path / "snapshot")
    signed = organisation.signed(plan())
    with opened(root) as state:
        bench = Bench(state, organisation)
        joined = reply_header(bench.join(signed, number=0))
        assert isinstance(joined, JoinReply)
        last = organisation.receipt(joined)
    with opened(tmp_path / "snapshot") as state:
        bench = Bench(state, organisation)
        assert isinstance(reply_header(bench.join(signed, number=1, last=last)), Abstain)
        assert bench.charges() == 0


def test_the_plan_s_rounds_are_its_own(bench: Bench) -> None:
    asked: Plan = plan()
    signed = bench.organisation.signed(asked)
    assert isinstance(reply_header(bench.join(signed, number=asked.rounds)), Abstain)
    assert isinstance(reply_header(bench.join(signed, number=asked.rounds - 1)), JoinReply)
