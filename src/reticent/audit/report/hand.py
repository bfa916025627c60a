"""Commands that a reader can paste, with this run's numbers: nothing on the page has to be believed."""

import shlex
from dataclasses import dataclass

from reticent.audit.report.files import Adversary, Event, Figure, Privacy
from reticent.audit.report.read import Run
from reticent.audit.report.verdict import mu
from reticent.audit.report.wording import SHORT, epsilon, plain
from reticent.privacy.events import Adjacency, Mode, Unit


@dataclass(frozen=True, slots=True)
class Command:
    """command: as one pastes it. shows: what to look for in its output."""

    command: str
    shows: str


def ledger_commands(run: Run) -> tuple[Command, ...]:
    """Check ledgers and receipts; the names are the folders of this run's devices where an audit names them."""
    names = [_pasted(one.name) for one in run.audit.ledgers] if run.audit else []
    first, every = (names[0], " ".join(names)) if names else ("DEVICE_FOLDER", "DEVICE_FOLDER...")
    return (
        Command(
            f"reticent audit verify {first} --policy server/policy.json",
            "its last line is “holds”: chain, signatures, each charge within the accepted policy, ε computed anew",
        ),
        Command(
            f"reticent audit reconcile --server server {every}",
            "its last line is “holds”: what the server counter-signed and received is what the ledgers say",
        ),
    )


def epsilon_commands(privacy: Privacy) -> tuple[Command, ...]:
    """One command for each figure that one call of `reticent privacy epsilon` gives."""
    said: dict[str, list[str]] = {}
    for adversary, figures in _by_adversary(privacy):
        said.setdefault(_employee(privacy, adversary), []).append(_looked_for(figures))
    employee = [Command(command, " / ".join(shows)) for command, shows in said.items()]
    parts = [one for one in privacy.events if one.unit is Unit.EXAMPLE]
    figure = next((one for one in privacy.guarantees if one.unit is Unit.EXAMPLE and one.windows in (None, 1)), None)
    if (
        not parts
        or figure is None
        or any(one.unit is Unit.EMPLOYEE and one.epsilon == figure.epsilon for one in privacy.guarantees)
    ):
        return tuple(employee)  # nothing at the example level, or what the employee level implies
    if len({(one.noise_multiplier, one.sampling_rate) for one in parts}) > 1:
        shows = "a part of the example level; `reticent audit verify` composes all parts"
    else:
        shows = f"example, server: the first line says {epsilon(figure.epsilon)} or a little less"
    return (*employee, *(Command(_sampled(one, privacy.delta), shows) for one in _merged(parts)))


def snippet(privacy: Privacy) -> str | None:
    """The exact Gaussian in Python's standard library alone; prints a number that is at most δ. None: nobody was charged."""
    figure = next(
        (one for adversary, figures in _by_adversary(privacy) for one in figures if adversary is Adversary.SERVER), None
    )
    if figure is None:
        return None
    parts = [
        (one.noise_multiplier, one.runs, privacy.honest_devices if one.mode is Mode.SECURE else 1)
        for one in privacy.events
        if one.unit is Unit.EMPLOYEE
    ]
    return "\n".join(
        (
            "from math import erfc, exp, sqrt",
            f"parts = {parts!r}  # noise multiplier, rounds, honest devices whose noise adds up",
            "mu = sqrt(sum(rounds / (noise**2 * honest) for noise, rounds, honest in parts))",
            "phi = lambda x: erfc(-x / sqrt(2)) / 2",
            f"epsilon = {figure.epsilon!r}",
            "print(phi(-epsilon / mu + mu / 2) - exp(epsilon) * phi(-epsilon / mu - mu / 2))"
            f"  # at most {plain(figure.delta)}",
        )
    )


def _by_adversary(privacy: Privacy) -> list[tuple[Adversary, list[Figure]]]:
    found = [one for one in privacy.guarantees if one.unit is Unit.EMPLOYEE]
    found.sort(key=lambda one: one.adjacency is Adjacency.REPLACE_ONE)
    by = [(adversary, [one for one in found if one.adversary is adversary]) for adversary in Adversary]
    return [(adversary, figures) for adversary, figures in by if figures]


def _employee(privacy: Privacy, adversary: Adversary) -> str:
    """All rounds as one Gaussian of the same mu, so that different noise in different rounds is one command too."""
    composed = mu(privacy.events, adversary=adversary, honest_devices=privacy.honest_devices)
    parts = [one for one in privacy.events if one.unit is Unit.EMPLOYEE]
    steps = sum(one.runs for one in parts)
    noise = (steps**0.5) / composed
    return f"reticent privacy epsilon --noise-multiplier {noise:.12g} --steps {steps} --delta {privacy.delta!r}"


def _looked_for(figures: list[Figure]) -> str:
    said = [
        f"line “grid” says {epsilon(one.epsilon)}"
        if one.adjacency is Adjacency.ZERO_OUT
        else f"line “replace” {epsilon(one.epsilon)} or a little less"
        for one in figures
    ]
    return f"employee, {SHORT[figures[0].adversary]}: {'; '.join(said)}"


def _sampled(event: Event, delta: float) -> str:
    return (
        f"reticent privacy epsilon --noise-multiplier {event.noise_multiplier!r} --sampling-rate {event.sampling_rate!r} "
        f"--steps {event.runs} --delta {delta!r}"
    )


def _merged(events: list[Event]) -> list[Event]:
    """Events of the same noise and rate as one."""
    found: dict[tuple[float, float], Event] = {}
    for one in events:
        key = (one.noise_multiplier, one.sampling_rate)
        runs = one.runs + (found[key].runs if key in found else 0)
        found[key] = one.model_copy(update={"steps": runs, "rounds": 1})
    return list(found.values())


def _pasted(name: str) -> str:
    """A name of somebody else's choice as one harmless word of a shell: never an option, never a line of its own."""
    quoted = shlex.quote(name)
    return f"./{quoted}" if quoted.startswith(("-", "'-")) else quoted
