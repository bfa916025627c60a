"""The door: only it makes a sealed release, only for what was paid, and only with the system's entropy."""

import copy
import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reticent import egress
from reticent.egress import Payment, SealedRelease, SimulatedRelease, Update, seal, simulate
from reticent.errors import ForgeryError, LedgerError
from reticent.privacy.noise import SeededNoise, SystemNoise
from reticent.records.canonical import digest
from reticent.records.entries import Charge, Consent, Receipted, Released
from reticent.records.keys import SigningKey
from reticent.records.ledger import Ledger
from reticent.records.messages import JoinReply, ReleaseReply, decode_reply
from reticent.records.plan import Plan
from tests.world import LARGEST, Organisation, P, plan, release

WEIGHTS = np.zeros(P, dtype=np.float32)
WEIGHTS_HASH = digest(WEIGHTS.tobytes())


class Paid:
    """A device in memory that has paid for one round, up to a step that a test may leave out."""

    def __init__(self, asked: Plan | None = None, *, charged: Plan | None = None, receipt: bool = True) -> None:
        self.plan = asked or plan()
        self.organisation = Organisation()
        self.key = SigningKey.generate()
        self.ledger = Ledger.in_memory(self.key)
        self.payment = Payment(ledger=self.ledger, key=self.key)
        offer = self.organisation.offer()
        self.ledger.append(
            Consent(
                policy_hash=offer.hash,
                operator_key=offer.operator.hex,
                receipt_key=self.organisation.receipts.public.hex,
            )
        )
        self.plan_id = self.organisation.signed(self.plan).id
        entry = self.ledger.append(
            Charge(
                plan_id=self.plan_id,
                round=0,
                weights_hash=WEIGHTS_HASH,
                policy_hash=offer.hash,
                events=(charged or self.plan).events(),
                walls={"keeper": "seccomp"},
            )
        )
        if receipt:
            shown = JoinReply(
                device=self.key.public.device_id,
                plan_id=self.plan_id,
                round=0,
                weights_hash=WEIGHTS_HASH,
                index=entry.index,
                head=entry.hash,
            )
            self.ledger.append(Receipted(receipt=self.organisation.receipt(shown)))

    def update(self, delta: np.ndarray | None = None, **changes: object) -> Update:
        values: dict[str, object] = {
            "plan": self.plan,
            "plan_id": self.plan_id,
            "round": 0,
            "weights_hash": WEIGHTS_HASH,
            "delta": np.full(P, 0.001, dtype=np.float32) if delta is None else delta,
        }
        return Update(**(values | changes))  # type: ignore[arg-type]

    def seal(self, **changes: object) -> SealedRelease:
        return seal(self.update(**changes), payment=self.payment, noise=SystemNoise())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def sealed() -> SealedRelease:
    return Paid().seal()


def values_of(release_: SealedRelease) -> np.ndarray:
    _, payload = decode_reply(release_.data(), limit_bytes=LARGEST, device_key=None)
    return np.frombuffer(payload, dtype="<i4")


def test_a_paid_update_leaves_signed_and_of_the_plan_s_shape() -> None:
    device = Paid()
    data = device.seal().data()
    header, payload = decode_reply(data, limit_bytes=LARGEST, device_key=device.key.public)
    assert isinstance(header, ReleaseReply)
    assert (header.parameters, len(payload)) == (P, 4 * P)
    assert header.index == device.ledger.head.index + 1
    device.ledger.append(
        Released(plan_id=header.plan_id, round=0, payload_hash=header.payload_hash, bytes=len(payload))
    )


@pytest.mark.parametrize(
    "forge",
    [
        lambda sealed: SealedRelease(),
        lambda sealed: SealedRelease(b"data", b"seal", "hash"),
        copy.copy,
        copy.deepcopy,
        lambda sealed: pickle.loads(pickle.dumps(sealed)),  # noqa: S301 - it must not come this far
        lambda sealed: dataclasses.replace(sealed, payload_hash="0" * 64),
        lambda sealed: setattr(sealed, "payload_hash", "0" * 64),
        lambda sealed: delattr(sealed, "payload_hash"),
        lambda sealed: type("Looser", (SealedRelease,), {}),
        lambda sealed: object.__new__(SealedRelease).data(),
    ],
    ids=["constructor", "arguments", "copy", "deepcopy", "pickle", "replace", "alter", "delete", "subclass", "new"],
)
def test_a_sealed_release_can_t_be_forged(forge: Callable[[SealedRelease], object], sealed: SealedRelease) -> None:
    with pytest.raises((ForgeryError, TypeError)):
        forge(sealed)


def test_bytes_put_into_an_empty_release_are_refused(sealed: SealedRelease) -> None:
    forged = object.__new__(SealedRelease)
    object.__setattr__(forged, "_data", sealed.data() + b"x")
    object.__setattr__(forged, "_seal", sealed._seal)
    with pytest.raises(ForgeryError):
        forged.data()


def test_without_a_charge_nothing_is_sealed() -> None:
    with pytest.raises(LedgerError, match="not charged"):
        Paid().seal(round=1)


def test_a_charge_for_other_weights_pays_for_nothing() -> None:
    with pytest.raises(LedgerError, match="not charged"):
        Paid().seal(weights_hash="0" * 64)


def test_a_charge_for_more_noise_does_not_pay_for_less() -> None:
    with pytest.raises(LedgerError, match="not charged"):
        Paid(plan(), charged=plan(release=release(noise_multiplier=3.0))).seal()


def test_without_a_counter_signed_receipt_nothing_is_sealed() -> None:
    with pytest.raises(LedgerError, match="receipt"):
        Paid(receipt=False).seal()


def test_a_round_that_was_released_is_not_sealed_again() -> None:
    device = Paid()
    sealed = device.seal()
    device.ledger.append(Released(plan_id=device.plan_id, round=0, payload_hash=sealed.payload_hash, bytes=4 * P))
    with pytest.raises(LedgerError, match="already released"):
        device.seal()


def test_seeded_noise_never_seals_and_system_noise_never_simulates() -> None:
    device = Paid()
    with pytest.raises(ForgeryError):
        seal(device.update(), payment=device.payment, noise=SeededNoise(1))  # type: ignore[arg-type]
    simulated = simulate(device.update(), noise=SeededNoise(1))
    assert isinstance(simulated, SimulatedRelease)
    assert not isinstance(simulated, SealedRelease)


def test_an_update_a_million_times_too_large_moves_the_release_no_further_than_the_ball() -> None:
    device = Paid()
    bound = device.plan.release.clip_norm / device.plan.release.grid
    noise = SeededNoise(7)
    huge = simulate(device.update(np.full(P, 1e6, dtype=np.float32)), noise=noise).values.astype(float)
    zero = simulate(device.update(np.zeros(P, dtype=np.float32)), noise=SeededNoise(7)).values.astype(float)
    moved = np.linalg.norm(huge - zero)
    assert 0.9 * bound < moved <= bound


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_a_poisoned_update_leaves_as_noised_zero(poison: float) -> None:
    device = Paid()
    delta = np.full(P, 1e3, dtype=np.float32)
    delta[17] = poison
    poisoned = simulate(device.update(delta), noise=SeededNoise(3))
    zero = simulate(device.update(np.zeros(P, dtype=np.float32)), noise=SeededNoise(3))
    assert np.array_equal(poisoned.values, zero.values)
    assert len(device.seal(delta=delta).data()) == len(device.seal(delta=np.zeros(P, dtype=np.float32)).data())


def test_two_seals_of_one_update_never_share_their_noise() -> None:
    device = Paid()
    first, second = values_of(device.seal()), values_of(device.seal())
    sigma = device.plan.release.noise_multiplier * device.plan.release.clip_norm / device.plan.release.grid
    spread = np.std(first.astype(float) - second.astype(float)) / (sigma * np.sqrt(2))
    assert 0.95 < spread < 1.05  # P of them: sd .006


def test_nothing_captured_shows_in_a_repr(sealed: SealedRelease) -> None:
    assert repr(Paid().update(np.full(P, 0.123, dtype=np.float32))) == f"<Update of {P} parameters>"
    assert repr(sealed) == "<SealedRelease>"


def test_the_door_stays_short_enough_to_read() -> None:
    assert 50 < len(Path(egress.__file__).read_text().splitlines()) < 150
