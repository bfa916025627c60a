"""THE DOOR: the one place where an update becomes something that may leave this machine.

`seal` alone makes a `SealedRelease`: it looks up the charge and its counter-signed receipt in the device's ledger, clips, rounds
to the integer grid, adds discrete Gaussian noise from the operating system's entropy, and signs. The spool's outbox takes
a `SealedRelease`, or a protocol message that does not depend on captures, and nothing else. This guards against mistakes; hostile
code inside this process is out of scope (docs/threat-model.md).
"""

import hmac
import secrets
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from reticent.errors import ForgeryError, LedgerError
from reticent.privacy.mechanism import release_vector
from reticent.privacy.noise import SeededNoise, SystemNoise
from reticent.records.canonical import digest
from reticent.records.keys import SigningKey
from reticent.records.ledger import Ledger
from reticent.records.messages import Abstain, JoinReply, ReleaseReply, encode_reply
from reticent.records.plan import Plan

FloatVector = npt.NDArray[np.float32]
IntVector = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Update:
    """What local training changed: new minus old weights, shape (P,), float32; may hold non-finite numbers."""

    plan: Plan
    plan_id: str
    round: int
    weights_hash: str
    delta: FloatVector

    def __repr__(self) -> str:
        return f"<Update of {self.delta.size} parameters>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Whose budget pays, and who signs: the device's open ledger and its key."""

    ledger: Ledger
    key: SigningKey


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SimulatedRelease:
    """The same arithmetic with seeded noise, shape (P,), grid units. The outbox refuses it."""

    values: IntVector


_SEAL = secrets.token_bytes(32)


@final
class SealedRelease:
    """Bytes that were clipped, noised, paid for and signed. Read-only; can't be made, copied or pickled elsewhere."""

    __slots__ = ("_data", "_seal", "payload_hash")
    _data: bytes
    _seal: bytes
    payload_hash: str

    def _refused(self, *_: Any, **__: Any) -> Any:
        raise ForgeryError(
            "only egress.seal makes a sealed release, and nothing copies or alters one; nothing was sent"
        )

    __new__ = __init_subclass__ = __setattr__ = __delattr__ = _refused
    __copy__ = __deepcopy__ = __replace__ = __reduce__ = __reduce_ex__ = __getstate__ = __setstate__ = _refused

    def __repr__(self) -> str:
        return "<SealedRelease>"

    def data(self) -> bytes:
        """The exact bytes to send. Raises: ForgeryError, if the door did not make this object."""
        data, seal_ = getattr(self, "_data", b""), getattr(self, "_seal", b"")
        if not hmac.compare_digest(seal_, hmac.digest(_SEAL, data, "sha256")):
            self._refused()
        return bytes(data)


Outgoing = SealedRelease | JoinReply | Abstain


def seal(update: Update, *, payment: Payment, noise: SystemNoise) -> SealedRelease:
    """Turn a paid update into the one thing that may leave.

    Guarantee: zero-concentrated DP with rho = 1 / (2 * noise_multiplier**2) for the employee unit under zero-out adjacency,
    charged beforehand; whether the update was finite is not shown.
    Raises: LedgerError, if this plan, round and weights were not charged exactly so, or the charge has no receipt, or a release
    was already made; ForgeryError, if the noise is not the operating system's.
    """
    if type(noise) is not SystemNoise:
        raise ForgeryError("a device's release needs the operating system's entropy; nothing was sent")
    ledger, plan = payment.ledger, update.plan
    charge = ledger.charge(update.plan_id, update.round)
    if charge is None or charge.weights_hash != update.weights_hash or tuple(charge.events) != plan.events():
        raise LedgerError(f"round {update.round} was not charged as asked; nothing was sent")
    if ledger.release(update.plan_id, update.round) is not None:
        raise LedgerError(f"round {update.round} was already released once; nothing was sent")
    if ledger.receipt(update.plan_id, update.round) is None:
        raise LedgerError(f"the charge of round {update.round} has no counter-signed receipt; nothing was sent")
    payload = _values(update, noise).astype("<i4").tobytes()
    header = ReleaseReply(
        device=payment.key.public.device_id,
        plan_id=update.plan_id,
        round=update.round,
        weights_hash=update.weights_hash,
        index=ledger.head.index + 1,  # of the release entry, appended before the bytes can be seen
        parameters=plan.parameters,
        payload_hash=digest(payload),
    )
    data = encode_reply(header, payload, payment.key)
    release: SealedRelease = object.__new__(SealedRelease)
    object.__setattr__(release, "_data", data)
    object.__setattr__(release, "_seal", hmac.digest(_SEAL, data, "sha256"))
    object.__setattr__(release, "payload_hash", header.payload_hash)
    return release


def simulate(update: Update, *, noise: SeededNoise) -> SimulatedRelease:
    """The same arithmetic for research on one machine; no guarantee, nothing leaves."""
    return SimulatedRelease(values=_values(update, noise))


def _values(update: Update, noise: SystemNoise | SeededNoise) -> IntVector:
    settings = update.plan.release
    return release_vector(
        update.delta,
        clip_norm=settings.clip_norm,
        noise_multiplier=settings.noise_multiplier,
        grid=settings.grid,
        noise=noise,
    )
