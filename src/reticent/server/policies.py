"""The terms: a YAML file becomes a signed policy that devices are asked to accept."""

from pathlib import Path

from pydantic import JsonValue

from reticent.errors import FormatError, NewerFormatError, SettingError, StateError
from reticent.model import catalogue
from reticent.privacy.accountants import epsilon
from reticent.privacy.events import Adjacency, Mode, PrivacyEvent, Unit
from reticent.records.files import naming, replace_private
from reticent.records.keys import Domain, PublicKey, SigningKey
from reticent.records.plan import LARGEST_STEPS
from reticent.records.policy import Approval, Policy, PolicyOffer, read_policy, sign_policy
from reticent.records.signed import LIMIT_BYTES
from reticent.server.documents import read_signed, read_yaml
from reticent.server.settings import ServerPaths, read_capped

_MODELS_AND_TERMS = "the values that a policy must have are explained in the policy.yaml that `init` wrote"


def read_draft(path: Path, *, receipt_key: PublicKey) -> Policy:
    """The policy that a YAML file describes. A missing receipt key becomes the server's own.

    Raises: SettingError naming the field that is missing, unknown or out of range; FormatError for anything but YAML.
    """
    draft = read_yaml(path)
    trainable = draft.get("trainable")
    values: dict[str, JsonValue] = {
        "version": 2 if isinstance(trainable, list) and "nothing" in trainable else 1,
        "receipt_key": receipt_key.hex,
        "council_key": None,
        **draft,
    }
    try:
        return Policy.from_value(values)
    except NewerFormatError:
        raise
    except FormatError as error:
        raise SettingError(f"{path}: {error}; {_MODELS_AND_TERMS}") from None


def publish(paths: ServerPaths, draft: Path, *, council: Path | None) -> tuple[PolicyOffer, Policy]:
    """Sign a draft and put it in force as policy.json; tickets carry it from now on.

    council: a file with the works council's signed approval of exactly this policy.
    Raises: what `read_draft` does; SettingError for terms under which every plan would be refused; SignatureError or
    SettingError for an approval that doesn't fit. The old policy stays then.
    """
    policy = read_draft(draft, receipt_key=SigningKey.load(paths.receipt_key).public)
    _check_usable(policy, draft)
    signed = sign_policy(policy, SigningKey.load(paths.operator_key))
    approval = None
    if council is not None:
        if policy.council_key is None:
            raise SettingError("an approval was given, but the policy names no council_key; nothing was signed")
        approval = read_signed(council, what="a council's approval")
        with naming(council):
            approval.check(Domain.COUNCIL, PublicKey(policy.council_key))
            approved = Approval.from_bytes(approval.body, limit_bytes=LIMIT_BYTES)
        if (approved.policy_hash, approved.operator_key) != (signed.id, signed.key):
            raise SettingError(
                f"the council approved policy {approved.policy_hash[:16]} of operator {approved.operator_key[:16]}, "
                f"this is {signed.id[:16]} of {signed.key[:16]}; nothing was signed"
            )
    offer = PolicyOffer(policy=signed, council=approval)
    replace_private(paths.policy, offer.to_bytes())
    return offer, policy


def _check_usable(policy: Policy, draft: Path) -> None:
    """Refuse terms under which no device could ever take part.

    Raises: SettingError.
    """
    if not set(policy.models) & set(catalogue.names()):
        why = f"models names none that devices know; they know {', '.join(catalogue.names())}"
    elif Mode.LOCAL not in policy.modes:
        why = "modes allows secure alone, which devices refuse until secure aggregation exists; local is needed"
    elif max(policy.expected_batch, policy.steps) > LARGEST_STEPS:
        why = f"expected_batch and steps are exact, and no plan can have more than {LARGEST_STEPS:,} of either"
    else:
        return
    raise SettingError(f"{draft}: every device would refuse every plan under these terms: {why}; nothing was signed")


def warnings(policy: Policy) -> tuple[str, ...]:
    """What an operator may not have meant: terms that can be signed, and what devices will refuse of them."""
    found = []
    unknown = [name for name in policy.models if name not in catalogue.names()]
    if unknown:
        found.append(f"devices of this release don't know {', '.join(unknown)} and refuse every plan that names it")
    if Mode.SECURE in policy.modes:
        found.append("devices refuse every plan of mode secure until secure aggregation exists")
    if policy.min_cohort == 1:
        found.append(
            "min_cohort 1 lets a round be one device's alone, and the model then hides it no better than its reply"
        )
    return tuple(found)


def current(paths: ServerPaths) -> tuple[PolicyOffer, Policy]:
    """The policy in force. Raises StateError if none was signed yet."""
    try:
        data = read_capped(paths.policy, limit_bytes=2 * LIMIT_BYTES)
    except FileNotFoundError:
        raise StateError(
            f"no policy is signed yet; `reticent server policy {paths.root} {paths.policy_draft}` does it"
        ) from None
    with naming(paths.policy):
        offer = PolicyOffer.from_bytes(data, limit_bytes=2 * LIMIT_BYTES)
        return offer, read_policy(offer.policy, SigningKey.load(paths.operator_key).public)


def summary(offer: PolicyOffer, policy: Policy) -> str:
    """What the operator should read before handing it to anybody."""
    if policy.council_key is None:
        council = "no council"
    elif offer.council is not None:
        council = f"approved by the council with key {policy.council_key[:16]}"
    else:
        council = f"NOT yet approved by the council with key {policy.council_key[:16]}; devices refuse it until it is"
    spent = epsilon(_longest_plan(policy), delta=policy.delta, adjacency=Adjacency.ZERO_OUT, names=("exact",)).epsilon
    return "\n".join(
        (
            f"policy   {offer.hash}",
            f"for      {policy.organisation}: {', '.join(policy.purposes)}",
            f"models   {', '.join(policy.models)} ({', '.join(policy.trainable)}; {', '.join(policy.modes)} noise)",
            f"person   epsilon {policy.epsilon_employee:g} at delta {policy.delta:g}, for life; "
            f"clip norm {policy.max_clip_norm:g} at most, noise {policy.min_noise_multiplier:g} at least",
            f"window   epsilon {policy.epsilon_example:g}; "
            f"exactly {policy.steps} steps of rate {policy.sampling_rate:g} and batch {policy.expected_batch}; "
            f"clip norm {policy.max_example_clip_norm:g} at most, "
            f"noise {policy.min_example_noise_multiplier:g} at least",
            f"plans    at most {policy.max_rounds} rounds and {policy.max_plan_days} days, "
            f"at least {policy.min_cohort} devices; one that uses all of this costs a person epsilon {spent:.2f}",
            f"keeps    captures for {policy.retention_days} days, on the device",
            f"council  {council}",
            *(f"warning  {sentence}" for sentence in warnings(policy)),
        )
    )


def _longest_plan(policy: Policy) -> tuple[PrivacyEvent, ...]:
    return (
        PrivacyEvent(
            unit=Unit.EMPLOYEE,
            adjacency=Adjacency.ZERO_OUT,
            mode=Mode.LOCAL,
            clip_norm=policy.max_clip_norm,
            noise_multiplier=policy.min_noise_multiplier,
            steps=policy.max_rounds,
        ),
    )
