"""Epsilon for whom, against whom? Every figure that a report prints, each with what it rests on."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from reticent.errors import SettingError
from reticent.privacy.accountants import epsilon
from reticent.privacy.composition import Part, compose
from reticent.privacy.events import Adjacency, Mode, PrivacyEvent, Unit, require_count, require_delta
from reticent.privacy.gaussian import composed_mu, gaussian_epsilon
from reticent.privacy.grid import release_epsilon
from reticent.privacy.pld import group_epsilon

Adversary = Literal["server", "recipient", "solo"]

_MAX_DEVICES = 1_000_000_000
_MAX_WINDOWS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarantee:
    """(epsilon, delta)-DP for `unit` against `adversary`, under `adjacency`; `note` says what that rests on.

    adversary: `server` sees what devices send in the mode they ran in; `recipient` gets models only; `solo` is a server before
        which no other device's noise counts.
    windows: example level only: how many windows are hidden together.
    """

    unit: Unit
    adversary: Adversary
    adjacency: Adjacency
    epsilon: float
    delta: float
    note: str
    windows: int | None = None


def guarantees(
    events: Sequence[PrivacyEvent],
    *,
    delta: float,
    honest_devices: int,
    windows_per_action: int | None = None,
    implied_only: bool = False,
) -> tuple[Guarantee, ...]:
    """Every guarantee that follows from what one device did.

    events: of one device, both units. The two are separate guarantees and are never added up.
    honest_devices: how many devices of each round, this one included, add their noise as agreed and keep it secret.
    windows_per_action: if given, the example level is also stated for that many windows that share one action.
    implied_only: people learnt without an example level, so a window has what the employee level implies and nothing else, whatever
        events of the example level there are beside.
    Returns: for the employee unit every adversary under both adjacencies, then the example unit; nothing for a unit without events.
    The example unit's figure is that of DP-SGD, or what the employee level implies where that is less: whoever's whole data can
    be swapped unnoticed can have any window swapped. In mode secure it is stated for `solo` too: what holds if aggregation fails.
    Raises: SettingError.
    """
    require_delta(delta)
    require_count("honest_devices", honest_devices, _MAX_DEVICES)
    if windows_per_action is not None:
        require_count("windows_per_action", windows_per_action, _MAX_WINDOWS)
    example = [event for event in events if event.unit is Unit.EXAMPLE and not implied_only]
    employee = tuple(
        _employee(
            [event for event in events if event.unit is Unit.EMPLOYEE], delta=delta, honest_devices=honest_devices
        )
    )
    secure = any(event.mode is Mode.SECURE for event in events)
    implied: dict[Adversary, Guarantee] = {
        one.adversary: one
        for one in employee
        if one.adjacency is Adjacency.REPLACE_ONE
        and (one.adversary == "server" or (secure and one.adversary == "solo"))
    }
    if not example and not (implied_only and implied):
        return employee
    return (*employee, *_example(example, implied, delta=delta, windows_per_action=windows_per_action))


def _employee(events: Sequence[PrivacyEvent], *, delta: float, honest_devices: int) -> Iterator[Guarantee]:
    if not events:
        return
    secure = any(event.mode is Mode.SECURE for event in events)
    adversaries: tuple[Adversary, ...] = ("server", "recipient", "solo")
    for adversary in adversaries:
        mu = composed_mu(
            (event.noise_multiplier * math.sqrt(_shares(event, adversary, honest_devices)), event.steps)
            for event in events
        )
        for adjacency, sensitivity in ((Adjacency.ZERO_OUT, 1), (Adjacency.REPLACE_ONE, 2)):
            yield Guarantee(
                unit=Unit.EMPLOYEE,
                adversary=adversary,
                adjacency=adjacency,
                epsilon=release_epsilon(sensitivity * mu, delta=delta),
                delta=delta,
                note=_note(adversary, secure=secure, honest_devices=honest_devices),
            )


def _shares(event: PrivacyEvent, adversary: Adversary, honest_devices: int) -> int:
    """How many devices' noise stands between this adversary and one device's update.

    A sum of discrete Gaussians of at least 1,000 grid units each is discrete Gaussian up to exp(-10**7)
    (Kairouz, Liu, Steinke 2021, arXiv:2102.06387, theorem 1).
    """
    if adversary == "recipient" or (adversary == "server" and event.mode is Mode.SECURE):
        return honest_devices
    return 1


def _note(adversary: Adversary, *, secure: bool, honest_devices: int) -> str:
    conditional = (
        f"if at least {honest_devices} devices of every round, this one included, add their noise and keep it secret"
    )
    if adversary == "solo":
        return "this device's own noise alone; trusts nobody"
    if adversary == "recipient":
        return f"whoever sees only models, {conditional}, and the server shows nobody a single release"
    if secure:
        return f"secure aggregation shows the server sums only, {conditional}; solo is what stands without that"
    return "the server sees each release as it was sent; trusts nobody"


def _example(
    events: Sequence[PrivacyEvent],
    implied: Mapping[Adversary, Guarantee],
    *,
    delta: float,
    windows_per_action: int | None,
) -> Iterator[Guarantee]:
    """implied: the employee level's replace-one figures, of each adversary to be stated."""
    adversaries: tuple[Adversary, ...] = tuple(implied) or ("server",)
    for windows in dict.fromkeys((1, windows_per_action or 1)):
        own, how = _window_epsilon(events, windows=windows, delta=delta)
        covers = "one window" if windows == 1 else f"the {windows} windows that share one action"
        for adversary in adversaries:
            figure, note = own, f"{how}; holds against everybody outside the device and trusts nobody"
            better = implied.get(adversary)
            if better is not None and better.epsilon < own:
                figure, note = better.epsilon, f"implied by the employee level, replace-one: {better.note}"
            yield Guarantee(
                unit=Unit.EXAMPLE,
                adversary=adversary,
                adjacency=Adjacency.ZERO_OUT,
                epsilon=figure,
                delta=delta,
                note=f"{covers}; {note}",
                windows=windows,
            )


def _window_epsilon(events: Sequence[PrivacyEvent], *, windows: int, delta: float) -> tuple[float, str]:
    """An upper bound, and where it is from. That nothing was sampled is always a sound thing to pretend."""
    if not events:
        return math.inf, "no example level"
    ran = compose(events, adjacency=Adjacency.ZERO_OUT)
    unsampled = composed_mu((event.noise_multiplier, event.steps) for event in events)
    if not ran.sampled:
        return gaussian_epsilon(windows * unsampled, delta=delta), "DP-SGD without sampling, exact"
    counted = _sampled(events, delta=delta) if windows == 1 else _sampled_group(ran.parts, windows=windows, delta=delta)
    return counted or (gaussian_epsilon(windows * unsampled, delta=delta), "DP-SGD, sampling not counted")


def _sampled(events: Sequence[PrivacyEvent], *, delta: float) -> tuple[float, str] | None:
    """Of one window; None where no accountant can answer."""
    try:
        spent = epsilon(events, delta=delta, adjacency=Adjacency.ZERO_OUT, names=("pld", "rdp"))
    except SettingError:
        return None
    return spent.epsilon, f"DP-SGD, accountant {spent.record}"


def _sampled_group(parts: Sequence[Part], *, windows: int, delta: float) -> tuple[float, str] | None:
    """Of several windows; None where the accountant can't answer."""
    answer = group_epsilon(parts, members=windows, delta=delta)
    if isinstance(answer, str):
        return None
    return answer, "DP-SGD, each window sampled by itself, privacy loss distribution"
