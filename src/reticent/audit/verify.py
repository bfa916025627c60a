"""Does one ledger hold by itself, and did it stay within what its person accepted?"""

import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from reticent.actions.vocabulary import HISTORY
from reticent.audit.finding import Finding
from reticent.audit.history import History, read_history
from reticent.errors import IntegrityError
from reticent.privacy.events import PrivacyEvent, Unit
from reticent.privacy.filters import admits
from reticent.privacy.guarantees import Guarantee, guarantees
from reticent.records.chain import Chain
from reticent.records.entries import Charge
from reticent.records.files import naming, read_regular
from reticent.records.layout import DeviceFolder
from reticent.records.policy import Policy, PolicyOffer, read_policy
from reticent.records.signed import LIMIT_BYTES

USUAL_DELTA = 1e-6
"""For the figures where no policy says another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A policy that the ledger was compared with.

    charges: those made under it, compared with its terms. Its limits were compared with the total of all charges.
    min_cohort: the fewest devices of a round that it allows.
    """

    policy: str
    charges: int
    min_cohort: int
    limits: tuple[tuple[Unit, float], ...]
    delta: float

    def to_json(self) -> dict[str, JsonValue]:
        return {
            "policy": self.policy,
            "charges": self.charges,
            "min_cohort": self.min_cohort,
            "limits": {unit.value: limit for unit, limit in self.limits},
            "delta": self.delta,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was checked and what was found.

    device: its id, or the path where not even the first entry holds. charged, receipted, released: entries of each kind.
    witnessed: entries that a counter-signed head covers; whoever restores an older copy can hide only later ones.
    torn_bytes: after the last newline. walls: what stood when it charged, each with the number of charges.
    policies: what the ledger was compared with. delta: for the figures, the smallest of the policies'.
    events: everything charged. notes: what was not compared, and nobody need answer for.
    """

    device: str
    path: Path
    entries: int
    head: str
    consents: int
    charged: int
    receipted: int
    released: int
    witnessed: int
    torn_bytes: int
    walls: tuple[tuple[str, int], ...]
    policies: tuple[Compared, ...]
    delta: float
    events: tuple[PrivacyEvent, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def guarantees(self) -> tuple[Guarantee, ...]:
        """Return what everything charged comes to, by unit and adversary, at `delta`. Takes seconds.

        Where other devices' noise counts too, `honest_devices` of each round are taken to be honest.
        Raises: SettingError, for noise so small that no figure can be given.
        """
        if not self.events:
            return ()
        return guarantees(
            self.events, delta=self.delta, honest_devices=self.honest_devices, windows_per_action=HISTORY + 1
        )

    @property
    def honest_devices(self) -> int:
        """The smallest min_cohort of the policies that the charges were made under; 1 where one of them is not known."""
        under = [one for one in self.policies if one.charges]
        if sum(one.charges for one in under) < self.charged:
            return 1
        return min((one.min_cohort for one in under), default=1)

    @property
    def assumption(self) -> str:
        """What `honest_devices` rests on, for a person."""
        if self.honest_devices > 1:
            return f"{self.honest_devices} honest devices a round, the smallest min_cohort of the policies it charged under"
        known = sum(one.charges for one in self.policies) == self.charged
        why = "the policy's min_cohort" if known else "no policy with its min_cohort was given for all charges"
        return f"1 honest device a round, this one: {why}"

    def to_json(self) -> dict[str, JsonValue]:
        return {
            "holds": self.holds,
            "device": self.device,
            "ledger": str(self.path),
            "entries": self.entries,
            "head": self.head,
            "consents": self.consents,
            "charged": self.charged,
            "receipted": self.receipted,
            "released": self.released,
            "witnessed": self.witnessed,
            "torn_bytes": self.torn_bytes,
            "walls": [{"walls": walls, "charges": charges} for walls, charges in self.walls],
            "policies": [one.to_json() for one in self.policies],
            "delta": self.delta,
            "honest_devices": self.honest_devices,
            "guarantees": [
                {
                    "unit": one.unit.value,
                    "adversary": one.adversary,
                    "adjacency": one.adjacency.value,
                    "windows": one.windows,
                    "epsilon": one.epsilon,
                    "delta": one.delta,
                    "note": one.note,
                }
                for one in self.guarantees()
            ],
            "findings": [finding.to_json() for finding in self.findings],
            "notes": list(self.notes),
        }


def verify(place: Path, *, policies: Sequence[PolicyOffer] = ()) -> Verification:
    """Check a ledger, given its file or a device's state folder: chain, signatures, rules, and the policies where there are any.

    policies: what the ledger is compared with; none takes the one in the state folder, if it is there. Charges are compared
    with the terms of the policy that they were made under, and the total of ALL charges with the limits of each policy.
    Everything up to the first entry that doesn't hold is counted and compared; later entries aren't looked at.
    Raises: StateError, FormatError, NewerFormatError, for input that can't be checked at all.
    """
    history = read_history(place)
    chain = history.chain
    findings = [history.broken] if history.broken else []
    compared: dict[str, Compared] = {}
    for offer in policies or _accepted_in(place):
        try:
            terms = read_policy(offer.policy, offer.operator)
        except IntegrityError as error:
            findings.append(Finding(subject="policy", kind="policy", sentence=str(error)))
            continue
        if offer.hash in compared:
            continue
        findings.extend(_against_policy(history, offer, terms))
        compared[offer.hash] = Compared(
            policy=offer.hash,
            charges=sum(charge.policy_hash == offer.hash for _, charge in chain.charges.values()),
            min_cohort=terms.min_cohort,
            limits=_limits(terms),
            delta=terms.delta,
        )
    return Verification(
        device=history.name,
        path=history.path,
        entries=len(chain.hashes),
        head=chain.hashes[-1] if chain.hashes else "",
        consents=len(chain.consents),
        charged=len(chain.charges),
        receipted=len(history.receipts),
        released=len(chain.releases),
        witnessed=chain.witnessed + 1,
        torn_bytes=history.torn_bytes,
        walls=_walls(chain),
        policies=tuple(compared.values()),
        delta=min((one.delta for one in compared.values()), default=USUAL_DELTA),
        events=chain.charged_events(),
        findings=tuple(findings),
        notes=tuple(_not_compared(chain, tuple(compared.values()))),
    )


def _accepted_in(place: Path) -> tuple[PolicyOffer, ...]:
    path = DeviceFolder(place).policy
    if not place.is_dir() or not path.exists():
        return ()
    return (read_offer(path),)


def _limits(terms: Policy) -> tuple[tuple[Unit, float], ...]:
    return ((Unit.EMPLOYEE, terms.epsilon_employee), (Unit.EXAMPLE, terms.epsilon_example))


def _not_compared(chain: Chain, compared: Sequence[Compared]) -> Iterator[str]:
    everything = len(chain.charges)
    others = everything - sum(one.charges for one in compared)
    if compared and others:
        yield f"{others} of {everything} charges are under other policies and were NOT compared with their terms"


def read_offer(path: Path) -> PolicyOffer:
    """Read a policy file; one newline at its end is allowed.

    Raises: StateError, FormatError.
    """
    data = read_regular(path, what="policy", limit_bytes=2 * LIMIT_BYTES)
    with naming(path):
        return PolicyOffer.from_bytes(data.removesuffix(b"\n"), limit_bytes=2 * LIMIT_BYTES)


def _walls(chain: Chain) -> tuple[tuple[str, int], ...]:
    stood = Counter(
        ", ".join(f"{name}: {wall}" for name, wall in sorted(charge.walls.items())) or "none"
        for _, charge in chain.charges.values()
    )
    return tuple(sorted(stood.items()))


def _against_policy(history: History, offer: PolicyOffer, terms: Policy) -> Iterator[Finding]:
    """Yield what disagrees with this policy: in the terms of the charges under it, in the total of all charges."""
    chain, name = history.chain, history.name
    consents = [consent for _, consent in chain.consents if consent.policy_hash == offer.hash]
    if not consents:
        said = f"its person never accepted policy {offer.hash[:16]}; no charge was compared with its terms"
        yield Finding(subject=name, kind="policy", sentence=said)
    if any((one.operator_key, one.receipt_key) != (offer.policy.key, terms.receipt_key) for one in consents):
        said = f"its consent to policy {offer.hash[:16]} names other keys than that policy"
        yield Finding(subject=name, kind="policy", sentence=said)
    charges = list(chain.charges.values())
    under = [number for number, (_, charge) in enumerate(charges) if charge.policy_hash == offer.hash]
    for number in under:
        index, charge = charges[number]
        for field, asked, allowed in _beyond(charge, terms):
            said = f"entry {index} charged {field} {asked:g}; policy {offer.hash[:16]} allows {allowed}"
            yield Finding(subject=name, kind="terms", sentence=said)
    yield from _over_budget(history, offer, terms)


def _beyond(charge: Charge, terms: Policy) -> Iterator[tuple[str, float, str]]:
    """Yield each number of a charge that the policy does not allow: its name, what was charged, what is allowed."""
    employee, example = charge.events
    rules: tuple[tuple[str, float, bool, str], ...] = (
        (
            "release.clip_norm",
            employee.clip_norm,
            employee.clip_norm <= terms.max_clip_norm,
            f"{terms.max_clip_norm:g} at most",
        ),
        (
            "release.noise_multiplier",
            employee.noise_multiplier,
            employee.noise_multiplier >= terms.min_noise_multiplier,
            f"{terms.min_noise_multiplier:g} at least",
        ),
        ("releases a round", employee.steps, employee.steps == 1, "exactly 1"),
        ("release.sampling_rate", employee.sampling_rate, employee.sampling_rate == 1, "exactly 1"),
        (
            "training.sampling_rate",
            example.sampling_rate,
            example.sampling_rate == terms.sampling_rate,
            f"exactly {terms.sampling_rate:g}",
        ),
        ("training.steps", example.steps, example.steps == terms.steps, f"exactly {terms.steps}"),
        (
            "training.clip_norm",
            example.clip_norm,
            example.clip_norm <= terms.max_example_clip_norm,
            f"{terms.max_example_clip_norm:g} at most",
        ),
        (
            "training.noise_multiplier",
            example.noise_multiplier,
            example.noise_multiplier >= terms.min_example_noise_multiplier,
            f"{terms.min_example_noise_multiplier:g} at least",
        ),
    )
    for name, asked, allowed, limit in rules:
        if not allowed:
            yield name, asked, limit
    if employee.mode not in terms.modes:
        yield f"release.mode {employee.mode} times", 1, " or ".join(terms.modes)


def _over_budget(history: History, offer: PolicyOffer, terms: Policy) -> Iterator[Finding]:
    """Yield each limit of this policy that all charges of the ledger together pass, whatever policy they were made under.

    By the device's own filter. Once passed, a limit stays passed, so the charge that passed it can be searched for.
    """
    charges = list(history.chain.charges.values())
    for unit, limit in _limits(terms):

        def passed(count: int, unit: Unit = unit, limit: float = limit) -> bool:
            events = [event for _, charge in charges[:count] for event in charge.events]
            return not admits(events, unit=unit, epsilon=limit, delta=terms.delta)

        if not passed(len(charges)):
            continue
        first = bisect.bisect_left(range(len(charges) + 1), True, key=passed)
        index, charge = charges[first - 1]
        others = sum(one.policy_hash != offer.hash for _, one in charges)
        late = sum(one.policy_hash == offer.hash for _, one in charges[first - 1 :])
        said = (
            f"all {len(charges)} charges together exceed the {unit} limit of epsilon {limit:g} (at delta {terms.delta:g}) in "
            f"policy {offer.hash[:16]}; {others} of them are under other policies; entry {index} (round {charge.round} of "
            f"plan {charge.plan_id[:16]}) is charge number {first} and passed it; from there on {late} charges are under "
            f"this policy{', and the device had to refuse them' if late else ', so other limits may have been in force'}"
        )
        yield Finding(subject=history.name, kind="budget", sentence=said)
