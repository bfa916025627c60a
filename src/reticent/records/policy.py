"""What a person accepted: the terms no plan may exceed, and when changed terms need their yes again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    model_validator,
)

from reticent.errors import FormatError, PolicyViolation, SettingError, SignatureError
from reticent.privacy.events import Mode
from reticent.privacy.mechanism import check_grid
from reticent.records.canonical import LIMIT_BYTES, canonical, parse_canonical
from reticent.records.keys import Domain, PublicKey, SigningKey
from reticent.records.plan import LocalTraining, Plan
from reticent.records.record import Budget, Count, Hash, Key, Name, Noise, Positive, Rate, Record, Version1, Version2
from reticent.records.signed import Signed, sign

CLOCK_SKEW_S = 300
"""How far a device's clock may lag behind the operator's."""

DAY_S = 86_400


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) != len(values):
        raise ValueError("the names must be distinct")
    return values


Distinct = AfterValidator(_distinct)
OneOrMore = Field(min_length=1, max_length=64)


class Policy(Record):
    """An organisation's terms.

    purposes, models, trainable, modes: what a plan may name; "nothing" in trainable lets plans measure, and makes it version 2.
    epsilon_employee, epsilon_example, delta: lifetime budgets.
    max_clip_norm, min_noise_multiplier: of the update (employee level).
    sampling_rate, expected_batch, steps, max_example_clip_norm, min_example_noise_multiplier: of training (example
    level); the first three are exact.
    max_rounds: of one plan. min_cohort: devices a round. max_plan_days: from issue to expiry.
    retention_days: how long captures are kept.
    receipt_key: counter-signs ledger heads. council_key: must approve looser terms; None where there is no council.
    """

    TITLE: ClassVar[str] = "policy"
    KNOWN: ClassVar[int] = 2

    version: Version2 = 1
    organisation: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+\z")]
    purposes: Annotated[tuple[Name, ...], OneOrMore, Distinct]
    models: Annotated[tuple[Name, ...], OneOrMore, Distinct]
    trainable: Annotated[tuple[Literal["heads", "all", "nothing"], ...], OneOrMore, Distinct]
    modes: Annotated[tuple[Mode, ...], OneOrMore, Distinct]
    delta: Annotated[float, Field(ge=1e-30, le=0.01)]
    epsilon_employee: Budget
    epsilon_example: Budget
    max_clip_norm: Positive
    min_noise_multiplier: Noise
    sampling_rate: Rate
    expected_batch: Count
    steps: Count
    max_example_clip_norm: Positive
    min_example_noise_multiplier: Noise
    max_rounds: Count
    min_cohort: Count
    max_plan_days: Annotated[int, Field(ge=1, le=3660)]
    retention_days: Annotated[int, Field(ge=1, le=3660)]
    receipt_key: Key
    council_key: Key | None

    @model_validator(mode="after")
    def _version_fits(self) -> Self:
        if (self.version == 2) != ("nothing" in self.trainable):
            raise ValueError("a policy with nothing among trainable is of version 2, and any other of version 1")
        return self


def check_plan(plan: Plan, policy: Policy, *, round: int, now: int) -> None:  # noqa: A002  # the wire's own word
    """Pass if `policy` allows round `round` of `plan` at the time `now` (Unix seconds). Looks at no data.

    Whether `parameters` fits the model is the model catalogue's to say; whether it can be paid, `check_budget`'s.
    Raises: PolicyViolation, naming the field, what was asked and what is allowed.
    """
    release, training = plan.release, plan.training
    _among("purpose", plan.purpose, policy.purposes)
    _among("model", plan.model, policy.models)
    _among("trainable", plan.trainable, policy.trainable)
    if training is None:
        _among("training", "nothing", policy.trainable)
    else:
        _check_training(training, policy)
    _among("release.mode", release.mode.value, policy.modes)
    if release.mode is not Mode.LOCAL:
        raise _refusal("release.mode", release.mode.value, "local; devices don't speak secure aggregation yet")
    _at_most("release.clip_norm", release.clip_norm, policy.max_clip_norm)
    _at_least("release.noise_multiplier", release.noise_multiplier, policy.min_noise_multiplier)
    _at_least("min_cohort", plan.min_cohort, policy.min_cohort)
    _at_most("rounds", plan.rounds, policy.max_rounds)
    _at_least("round", round, 0)
    _at_most("round", round, plan.rounds - 1)
    _at_most("expires_at - issued_at", plan.expires_at - plan.issued_at, policy.max_plan_days * DAY_S)
    if not plan.issued_at <= now + CLOCK_SKEW_S:
        raise _refusal("issued_at", plan.issued_at, f"{now + CLOCK_SKEW_S} at the latest by this device's clock")
    if not now < plan.expires_at:
        raise _refusal("expires_at", plan.expires_at, f"later than {now}, this device's time")
    try:
        check_grid(
            clip_norm=release.clip_norm,
            grid=release.grid,
            noise_multiplier=release.noise_multiplier,
            parameters=plan.parameters,
        )
    except SettingError as error:
        raise PolicyViolation(f"the plan's release.grid is {release.grid:g}, which does not do: {error}") from None


def _check_training(training: LocalTraining, policy: Policy) -> None:
    _exactly("training.sampling_rate", training.sampling_rate, policy.sampling_rate)
    _exactly("training.expected_batch", training.expected_batch, policy.expected_batch)
    _exactly("training.steps", training.steps, policy.steps)
    _at_most("training.clip_norm", training.clip_norm, policy.max_example_clip_norm)
    _at_least("training.noise_multiplier", training.noise_multiplier, policy.min_example_noise_multiplier)


def _refusal(field: str, asked: object, allowed: str) -> PolicyViolation:
    return PolicyViolation(f"the plan's {field} is {asked}; allowed is {allowed}; nothing was sent or charged")


def _among(field: str, asked: str, allowed: tuple[str, ...]) -> None:
    if asked not in allowed:
        raise _refusal(field, asked, " or ".join(str(value) for value in allowed))


# Written as "not within", so that a NaN, should one ever get here, is refused too.
def _at_most(field: str, asked: float, limit: float) -> None:
    if not asked <= limit:
        raise _refusal(field, asked, f"{limit} at most")


def _at_least(field: str, asked: float, limit: float) -> None:
    if not asked >= limit:
        raise _refusal(field, asked, f"{limit} at least")


def _exactly(field: str, asked: float, constant: float) -> None:
    if not asked == constant:
        raise _refusal(field, asked, f"exactly {constant}")


def _subset(new: tuple[str, ...], old: tuple[str, ...]) -> bool:
    return set(new) <= set(old)


def _no_more(new: float, old: float) -> bool:
    return new <= old


def _no_less(new: float, old: float) -> bool:
    return new >= old


# A field that isn't here (version, organisation, keys, the exact constants) may not change at all without a yes.
_STRICTER: dict[str, Callable[[Any, Any], bool]] = {
    "purposes": _subset,
    "models": _subset,
    "trainable": _subset,
    "modes": _subset,
    "delta": _no_more,
    "epsilon_employee": _no_more,
    "epsilon_example": _no_more,
    "max_clip_norm": _no_more,
    "min_noise_multiplier": _no_less,
    "max_example_clip_norm": _no_more,
    "min_example_noise_multiplier": _no_less,
    "max_rounds": _no_more,
    "min_cohort": _no_less,
    "max_plan_days": _no_more,
    "retention_days": _no_more,
}


def loosened(new: Policy, old: Policy) -> tuple[str, ...]:
    """Return the fields by which `new` is looser than `old`, or can't be compared.

    Guarantee: where this is empty, `check_plan` admits nothing under `new` that it refuses under `old`, and neither a
    budget nor the retention grew.
    """
    names = []
    for name in Policy.model_fields:
        ours, theirs = getattr(new, name), getattr(old, name)
        if ours != theirs and not (name in _STRICTER and _STRICTER[name](ours, theirs)):
            names.append(name)
    return tuple(names)


class Approval(Record):
    """A council's yes to one policy of one operator; the same text under another operator's key is another policy."""

    TITLE: ClassVar[str] = "council's approval"

    version: Version1 = 1
    policy_hash: Hash
    operator_key: Key


@dataclass(frozen=True, slots=True)
class PolicyOffer:
    """A policy file: the policy signed by the operator, and the council's signed approval where there is one."""

    policy: Signed
    council: Signed | None

    @property
    def hash(self) -> str:
        """The policy's hash, by which ledgers name it."""
        return self.policy.id

    @property
    def operator(self) -> PublicKey:
        """The key that the policy says signed it; `read_policy` checks."""
        return PublicKey(self.policy.key)

    def to_json(self) -> dict[str, JsonValue]:
        """Return `{"council": signed or null, "policy": signed}`."""
        return {"policy": self.policy.to_json(), "council": self.council.to_json() if self.council else None}

    @classmethod
    def from_json(cls, value: JsonValue) -> Self:
        """Read what `to_json` made; verifies nothing.

        Raises: FormatError.
        """
        if not isinstance(value, dict) or value.keys() != {"policy", "council"}:
            raise FormatError("a policy file has exactly policy and council; nothing was read")
        council = value["council"]
        return cls(
            policy=Signed.from_json(value["policy"]),
            council=None if council is None else Signed.from_json(council),
        )

    def to_bytes(self) -> bytes:
        """Return the canonical form of `to_json`."""
        return canonical(self.to_json())

    @classmethod
    def from_bytes(cls, data: bytes, *, limit_bytes: int = LIMIT_BYTES) -> Self:
        """Read what `to_bytes` made; verifies nothing.

        Raises: FormatError.
        """
        return cls.from_json(parse_canonical(data, limit_bytes=limit_bytes))


def _read_offer(value: Any) -> PolicyOffer:
    try:
        return value if isinstance(value, PolicyOffer) else PolicyOffer.from_json(value)
    except FormatError as error:
        raise ValueError(str(error)) from None  # what pydantic expects of a validator


PolicyOfferField = Annotated[PolicyOffer, PlainValidator(_read_offer), PlainSerializer(PolicyOffer.to_json)]
"""A `PolicyOffer` inside a record."""


def sign_policy(policy: Policy, key: SigningKey) -> Signed:
    """Sign a policy as the operator; its hash is the result's `id`."""
    return sign(Domain.POLICY, policy.to_value(), key)


def approve(policy: Signed, key: SigningKey) -> Signed:
    """Co-sign a policy as the council."""
    return sign(Domain.COUNCIL, Approval(policy_hash=policy.id, operator_key=policy.key).to_value(), key)


def read_policy(signed: Signed, operator: PublicKey) -> Policy:
    """Return the policy, if the operator signed it.

    Raises: SignatureError, FormatError, NewerFormatError.
    """
    signed.check(Domain.POLICY, operator)
    return Policy.from_bytes(signed.body)


def check_acceptance(offer: PolicyOffer, *, accepted: PolicyOffer | None, fresh_yes: bool) -> Policy:
    """Return the offered policy, if the device may put it in force.

    Without a yes: only terms at least as strict, from the operator whose terms are in force. Anything else needs the
    person's `fresh_yes` and, where a council is named, its approval: by the key in the ACCEPTED policy, so that an
    operator can't bring its own; by the offered one's where nothing was accepted yet.
    Raises: PolicyViolation, SignatureError, FormatError, NewerFormatError; the accepted policy stays in force.
    """
    policy = read_policy(offer.policy, offer.operator)
    looser: tuple[str, ...] = ("everything: it is the first",)
    if accepted is None:
        council_key = policy.council_key
    else:
        old = read_policy(accepted.policy, accepted.operator)
        council_key, looser = old.council_key, loosened(policy, old)
        if offer.operator != accepted.operator:
            looser = ("the operator's key", *looser)
    if not looser:
        return policy
    if not fresh_yes:
        raise PolicyViolation(
            f"the offered policy is looser in {', '.join(looser)}; that needs a fresh yes; "
            "the accepted policy stays in force"
        )
    if council_key is not None:
        _check_approval(offer, PublicKey(council_key))
    return policy


def _check_approval(offer: PolicyOffer, council: PublicKey) -> None:
    if offer.council is None:
        raise PolicyViolation(
            f"looser terms need the approval of the council with key {council.hex[:16]}; the offer has none; "
            "the accepted policy stays in force"
        )
    offer.council.check(Domain.COUNCIL, council)
    approval = Approval.from_bytes(offer.council.body)
    if (approval.policy_hash, approval.operator_key) != (offer.hash, offer.operator.hex):
        raise SignatureError(
            "the council approved another policy, or another operator's, than the offered one; the accepted policy stays in force"
        )
