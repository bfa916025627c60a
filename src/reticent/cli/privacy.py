"""`reticent privacy`: what a setting costs, and how much noise a budget needs. Nothing is read, stored or sent."""

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from reticent.privacy.accountants import Epsilon

STEPS = click.option("--steps", type=int, required=True, help="How often the mechanism runs.")
DELTA = click.option("--delta", type=float, required=True, help="Well below 1 / number of people.")
RATE = click.option(
    "--sampling-rate", type=float, default=1.0, show_default=True, help="Poisson rate; 1: nothing is sampled."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")

MEANING = {
    "exact": "exact composition of Gaussians",
    "pld": "dp-accounting, privacy loss distribution (upper bound)",
    "rdp": "dp-accounting, Rényi (looser upper bound)",
    "prv": "Opacus, privacy random variables (upper end of its bracket)",
}
WHY = {
    "exact": "nothing is sampled, so the composition is known exactly",
    "pld": "steps are sampled, and this is the tightest bound that errs upwards",
    "rdp": "steps are sampled and the tighter accountant can't answer, so the looser bound stands",
}


@click.group("privacy")
def privacy() -> None:
    """What a privacy setting costs, and how much noise a budget needs.

    Example: reticent privacy epsilon --noise-multiplier 5 --steps 50 --delta 1e-6
    """


@privacy.command()
@click.option("--noise-multiplier", type=float, required=True, help="Noise standard deviation / clip norm.")
@RATE
@STEPS
@DELTA
@JSON
def epsilon(noise_multiplier: float, sampling_rate: float, steps: int, delta: float, as_json: bool) -> None:
    """Epsilon of a (Poisson-sampled) Gaussian mechanism that runs several times, by four accountants.

    Zero-out adjacency: one person's, or one example's, contribution becomes zero. Exit 1 if the accountants contradict each other.

    Example: reticent privacy epsilon --noise-multiplier 1.1 --sampling-rate 0.01 --steps 1000 --delta 1e-5 --json
    """
    from reticent.errors import SettingError
    from reticent.privacy.accountants import epsilon as account
    from reticent.privacy.events import Adjacency, asked
    from reticent.privacy.gaussian import composed_mu
    from reticent.privacy.grid import release_epsilon

    event = asked(noise_multiplier=noise_multiplier, sampling_rate=sampling_rate, steps=steps)
    spent = account([event], delta=delta, adjacency=Adjacency.ZERO_OUT)
    reasons = dict(spent.reasons)
    replace_one = on_grid = None
    try:
        replace_one = account([event], delta=delta, adjacency=Adjacency.REPLACE_ONE, names=("exact",)).epsilon
        on_grid = release_epsilon(composed_mu([(noise_multiplier, steps)]), delta=delta)
    except SettingError as error:
        reasons["replace_one"] = str(error)
        reasons["on_grid"] = "only employee-level releases go through the integer grid, and they are never sampled"
    result: dict[str, Any] = {
        "epsilon": spent.epsilon,
        "record": spent.record,
        "accountants": spent.accountants,
        "reasons": reasons,
        "disagreements": list(spent.disagreements),
        "replace_one": replace_one,
        "on_grid": on_grid,
        "adjacency": Adjacency.ZERO_OUT.value,
        "noise_multiplier": noise_multiplier,
        "sampling_rate": sampling_rate,
        "steps": steps,
        "delta": delta,
    }
    click.echo(json.dumps(result, allow_nan=False) if as_json else _table(spent, result))
    if spent.disagreements:
        raise click.exceptions.Exit(1)


def _table(spent: "Epsilon", result: dict[str, Any]) -> str:
    sampled = "" if result["sampling_rate"] == 1 else f", sampling rate {result['sampling_rate']:g}"
    lines = [
        f"epsilon {spent.epsilon:.6g} at delta {result['delta']:g}"
        f"   (noise multiplier {result['noise_multiplier']:g}{sampled}, {result['steps']:,} steps)",
        f"of record: {spent.record}, because {WHY[spent.record]}",
        "",
    ]
    for name, figure in spent.accountants.items():
        shown = "unavailable" if figure is None else f"{figure:.6g}"
        about = MEANING[name] if figure is not None else spent.reasons[name]
        lines.append(f"  {'>' if name == spent.record else ' '} {name:<6} {shown:>12}   {about}")
    if result["replace_one"] is not None:
        lines.append(f"    replace {result['replace_one']:>11.6g}   the same under replace-one adjacency, exact")
        lines.append(
            f"    grid    {result['on_grid']:>11.6g}   the same for releases on the integer grid, slack included"
        )
    lines.extend(f"DISAGREEMENT, don't rely on these figures: {sentence}" for sentence in spent.disagreements)
    return "\n".join(lines)


@privacy.command()
@click.option("--epsilon", type=float, required=True, help="What all steps together may cost.")
@DELTA
@STEPS
@RATE
@JSON
def calibrate(epsilon: float, delta: float, steps: int, sampling_rate: float, as_json: bool) -> None:
    """The smallest noise multiplier that keeps all steps within epsilon and delta, never on the low side.

    Without sampling the slack of the integer grid is included, so a device with this limit lets all steps through.

    Example: reticent privacy calibrate --epsilon 4 --delta 1e-6 --steps 30
    """
    from reticent.privacy.accountants import epsilon as account
    from reticent.privacy.calibration import noise_multiplier
    from reticent.privacy.events import Adjacency, asked

    found = noise_multiplier(epsilon=epsilon, delta=delta, steps=steps, sampling_rate=sampling_rate)
    event = asked(noise_multiplier=found, sampling_rate=sampling_rate, steps=steps)
    spent = account([event], delta=delta, adjacency=Adjacency.ZERO_OUT, names=("exact", "pld", "rdp"))
    result = {
        "noise_multiplier": found,
        "epsilon": spent.epsilon,
        "epsilon_target": epsilon,
        "record": spent.record,
        "adjacency": Adjacency.ZERO_OUT.value,
        "sampling_rate": sampling_rate,
        "steps": steps,
        "delta": delta,
    }
    if as_json:
        click.echo(json.dumps(result, allow_nan=False))
        return
    sampled = "" if sampling_rate == 1 else f" at sampling rate {sampling_rate:g}"
    click.echo(f"noise multiplier {found:.9g}")
    click.echo(
        f"{steps:,} steps{sampled} cost epsilon {spent.epsilon:.6g} of {epsilon:g} at delta {delta:g} ({spent.record})"
    )
