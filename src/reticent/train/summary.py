"""What a person reads at the end of a run, and in the line of each round."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reticent.audit.report.wording import HUGE, simulated
from reticent.audit.report.wording import epsilon as rounded_up

_COLUMNS = {
    "top1": "top-1",
    "top3": "top-3",
    "perplexity": "perplexity",
    "cell_top1": "cell top-1",
    "cell_top3": "cell top-3",
}
DROWNED = 1.0
"""From here on the noise is longer than the way that people could move the model if all pulled alike, which they never do."""


def note(sentence: str) -> None:
    """What whoever started a run should know, and no figure says."""
    print(f"note        {sentence}", file=sys.stderr, flush=True)


def describe(line: Mapping[str, Any]) -> str:
    """One line of rounds.jsonl."""
    scores = "".join(
        f"   {title} {line['metrics'][name]:.3f}"
        for name, title in _COLUMNS.items()
        if line.get("metrics") and line["metrics"].get(name) is not None
    )
    if line["round"] < 0:
        return f"start       the public weights          {scores}"
    if line["status"] == "resumed":
        return f"resumed     with round {line['round'] + 1}: {line['reason']}"
    if line["status"] == "aborted":
        return f"round {line['round'] + 1:<5} not applied: {line['reason']}"
    return f"round {line['round'] + 1:<5} {line['released']:>6,} people {line['seconds_train']:>8.2f} s {scores}"


def summary(results: Mapping[str, Any], root: Path) -> str:
    """Metrics beside baselines, epsilon by unit and adversary, and where everything lies."""
    scored = results["scored"]
    devices = results["engine"] == "superlink"
    whom = "devices" if devices else "simulated people"
    epsilon = f"epsilon, delta {results['delta']:g}"
    lines = [
        f"{results['model']} ({results['trainable']}), {results['rounds']:,} rounds, {results['cohort']:,} of "
        f"{results['people']:,} {whom} a round; scored on {scored['examples']:,} actions of {scored['people']:,} {scored['part']} people",
        *(
            []
            if devices
            else [f"{simulated(secure=results['mode'] == 'secure')}; noise came from the seed and protects nobody."]
        ),
        "",
        " " * 14 + "".join(f"{title:>12}" for title in _COLUMNS.values()),
        _row("this run", results),
        _row("public start", results["start"]),
        *(_row(name.replace("_", " "), figures) for name, figures in results["baselines"].items()),
        "",
        f"{epsilon:24}{'zero-out':>12}{'replace-one':>13}",
    ]
    measured = results.get("measured")
    if measured is not None:
        known = measured["top1"] is not None
        said = f"top-1 {measured['top1']:.3f}, noise {measured['deviation']:.3f}" if known else "drowned in noise"
        lines.insert(
            -2,
            f"measured by {measured['people']:,} people on what they have, at epsilon {rounded_up(measured['epsilon'])}: {said}",
        )
    for unit, adversaries in results["epsilon"].items():
        for adversary, figures in adversaries.items():
            name = f"{unit}, {adversary}"
            other = figures.get("replace_one")
            lines.append(
                f"{name:24}{rounded_up(figures['zero_out']):>12}{'-' if other is None else rounded_up(other):>13}"
            )
    if results["noise_over_path"] >= DROWNED:
        lines += [
            "",
            f"The noise of all rounds is {results['noise_over_path']:,.1f} times as long as the longest way that the updates could go: "
            "expect little from these people at this epsilon, and harm from a clip norm that is too large.",
        ]
    lines += [
        "",
        f"{results['seconds_per_round']:.2f} s a round, {results['clients_per_second']:,.0f} people/s, "
        f"{results['peak_rss_mb']:,.0f} MB; what each figure rests on: {root / 'report.html'}",
    ]
    return "\n".join(lines)


def _row(name: str, figures: Mapping[str, Any]) -> str:
    return f"{name:14}" + "".join(
        f"{figures[column]:12.3f}" if figures[column] < HUGE else f"{figures[column]:12.1e}" for column in _COLUMNS
    )
