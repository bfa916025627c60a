"""The order of a device's two stages: policy, charge, receipt, training, door; and what each of them refuses."""

from collections.abc import Callable

import numpy as np
import pytest

from reticent import client
from reticent.actions.pool import Pool
from reticent.egress import Payment, SealedRelease
from reticent.errors import LedgerError, PolicyViolation, Refused, Replayed, SettingError, SignatureError
from reticent.privacy.noise import SystemNoise
from reticent.records.entries import Charge, Consent
from reticent.records.keys import SigningKey
from reticent.records.ledger import Ledger
from reticent.records.messages import JoinReply, JoinRequest, TrainRequest
from reticent.records.signed import Signed
from reticent.records.terms import Terms
from tests.world import NOW, Organisation, P, join_request, plan, release, train_request

WEIGHTS = np.zeros(P, dtype="<f4").tobytes()
WALLS = {"keeper": "seccomp", "courier": "landlock"}


class Device:
    """A device in memory whose person accepted the policy; `looked` counts how often its captures were asked for."""

    def __init__(self, **policy: object) -> None:
        self.organisation = Organisation()
        self.key = SigningKey.generate()
        self.ledger = Ledger.in_memory(self.key)
        self.payment = Payment(ledger=self.ledger, key=self.key)
        offer = self.organisation.offer(**policy)
        self.terms = Terms(
            policy=self.organisation.policy(**policy),
            policy_hash=offer.hash,
            operator=self.organisation.operator.public,
        )
        self.ledger.append(
            Consent(
                policy_hash=offer.hash,
                operator_key=self.organisation.operator.public.hex,
                receipt_key=self.organisation.receipts.public.hex,
            )
        )
        self.looked = 0

    def signed(self, **changes: object) -> Signed:
        return self.organisation.signed(plan(**changes))

    def join(self, request: JoinRequest, *, now: int = NOW) -> JoinReply:
        return client.join(request, terms=self.terms, payment=self.payment, now=now, walls=WALLS)

    def train(self, request: TrainRequest, weights: bytes = WEIGHTS, *, now: int = NOW) -> SealedRelease:
        return client.train(
            request, weights, terms=self.terms, payment=self.payment, pool=self.pool, noise=SystemNoise(), now=now
        )

    def pool(self) -> Pool:
        self.looked += 1
        return Pool.empty()

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.ledger.entries]


@pytest.fixture
def device() -> Device:
    return Device()


def test_a_join_charges_what_the_plan_costs_under_the_accepted_terms_and_shows_that_entry(device: Device) -> None:
    signed = device.signed()
    reply = device.join(join_request(signed, WEIGHTS, number=2))
    charged = device.ledger.entries[-1]
    assert isinstance(charged.body, Charge)
    assert (charged.body.plan_id, charged.body.round, charged.body.events) == (signed.id, 2, plan().events())
    assert (charged.body.policy_hash, charged.body.walls) == (device.terms.policy_hash, WALLS)
    assert (reply.device, reply.index, reply.head) == (device.key.public.device_id, charged.index, charged.hash)


def test_a_join_never_looks_at_captures_and_a_train_looks_once(device: Device) -> None:
    signed = device.signed()
    reply = device.join(join_request(signed, WEIGHTS))
    assert device.looked == 0
    sealed = device.train(train_request(signed, WEIGHTS, device.organisation.receipt(reply)))
    assert isinstance(sealed, SealedRelease)
    assert device.looked == 1
    assert device.kinds() == ["genesis", "consent", "charge", "receipt"]  # the release is the outbox's to record


def test_the_same_entry_is_shown_however_often_a_round_is_asked_for_and_whatever_came_after(device: Device) -> None:
    signed = device.signed()
    first = device.join(join_request(signed, WEIGHTS, number=0))
    device.join(join_request(signed, WEIGHTS, number=1))
    assert device.join(join_request(signed, WEIGHTS, number=0)) == first
    assert device.kinds().count("charge") == 2


REFUSED_JOINS: dict[str, tuple[Callable[[Device], JoinRequest], type[Exception]]] = {
    "a plan of another operator": (
        lambda device: join_request(Organisation().signed(plan()), WEIGHTS),
        SignatureError,
    ),
    "a plan that the policy forbids": (
        lambda device: join_request(device.signed(release=release(noise_multiplier=0.5)), WEIGHTS),
        PolicyViolation,
    ),
    "a model of another size": (
        lambda device: join_request(device.signed(parameters=P + 1), WEIGHTS),
        SettingError,
    ),
    "a round beyond the plan's": (lambda device: join_request(device.signed(), WEIGHTS, number=3), PolicyViolation),
    "a receipt for a head that this ledger doesn't hold": (
        lambda device: join_request(device.signed(), WEIGHTS, last=head_elsewhere(device)),
        LedgerError,
    ),
}


def head_elsewhere(device: Device) -> Signed:
    """The receipt for a head that another copy of this device's ledger has shown."""
    shown = JoinReply(
        device=device.key.public.device_id,
        plan_id="0" * 64,
        round=0,
        weights_hash="0" * 64,
        index=1,
        head="0" * 64,
    )
    return device.organisation.receipt(shown)


@pytest.mark.parametrize("what", REFUSED_JOINS)
def test_a_refused_join_charges_nothing(what: str, device: Device) -> None:
    make, error = REFUSED_JOINS[what]
    with pytest.raises(error):
        device.join(make(device))
    assert device.kinds() == ["genesis", "consent"]


def test_a_budget_that_would_be_passed_is_refused_and_charges_nothing() -> None:
    device = Device(epsilon_employee=0.5)
    with pytest.raises(Refused):
        device.join(join_request(device.signed(), WEIGHTS))
    assert device.kinds() == ["genesis", "consent"]


OTHER_WEIGHTS = np.ones(P, dtype="<f4").tobytes()


def test_a_charged_round_is_refused_for_other_weights(device: Device) -> None:
    signed = device.signed()
    device.join(join_request(signed, WEIGHTS))
    with pytest.raises(Replayed):
        device.join(join_request(signed, OTHER_WEIGHTS))
    assert device.kinds().count("charge") == 1


REFUSED_TRAINS: dict[str, tuple[Callable[[Device, Signed, Signed], tuple[TrainRequest, bytes]], type[Exception]]] = {
    "a round that was not charged": (
        lambda device, signed, receipt: (train_request(signed, WEIGHTS, receipt, number=1), WEIGHTS),
        Replayed,
    ),
    "other weights, and their hash": (
        lambda device, signed, receipt: (train_request(signed, OTHER_WEIGHTS, receipt), OTHER_WEIGHTS),
        Replayed,
    ),
    "other weights under the charged hash": (
        lambda device, signed, receipt: (train_request(signed, WEIGHTS, receipt), OTHER_WEIGHTS),
        Replayed,
    ),
    "a plan of another operator": (
        lambda device, signed, receipt: (
            train_request(Organisation().signed(plan()), WEIGHTS, receipt),
            WEIGHTS,
        ),
        SignatureError,
    ),
    "a receipt of another key": (
        lambda device, signed, receipt: (
            train_request(signed, WEIGHTS, Organisation().receipt(device.join(join_request(signed, WEIGHTS)))),
            WEIGHTS,
        ),
        SignatureError,
    ),
    "a receipt for another round": (
        lambda device, signed, receipt: (
            train_request(
                signed,
                WEIGHTS,
                device.organisation.receipt(device.join(join_request(signed, WEIGHTS, number=1))),
            ),
            WEIGHTS,
        ),
        Replayed,
    ),
}


@pytest.mark.parametrize("what", REFUSED_TRAINS)
def test_a_refused_train_looks_at_no_captures_and_leaves_the_charge(what: str, device: Device) -> None:
    make, error = REFUSED_TRAINS[what]
    signed = device.signed()
    receipt = device.organisation.receipt(device.join(join_request(signed, WEIGHTS)))
    request, weights = make(device, signed, receipt)
    before = device.kinds()
    with pytest.raises(error):
        device.train(request, weights)
    assert device.looked == 0
    assert device.kinds() == before


def test_an_expired_plan_is_not_trained_though_it_was_charged_in_time(device: Device) -> None:
    signed = device.signed()
    receipt = device.organisation.receipt(device.join(join_request(signed, WEIGHTS)))
    request = train_request(signed, WEIGHTS, receipt)
    with pytest.raises(PolicyViolation, match="expired"):
        device.train(request, now=plan().expires_at)
    assert isinstance(device.train(request, now=plan().expires_at - 1), SealedRelease)


def test_a_capture_that_can_t_be_read_is_released_like_an_empty_pool(
    device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    signed = device.signed()
    receipt = device.organisation.receipt(device.join(join_request(signed, WEIGHTS)))

    def broken() -> Pool:
        raise OSError("secret-42")

    device.pool = broken  # type: ignore[method-assign]
    sealed = device.train(train_request(signed, WEIGHTS, receipt))
    assert isinstance(sealed, SealedRelease)
    assert "secret-42" not in caplog.text
