"""Folders of runs that never were, as `reticent train` writes them. Nobody's data: every number is drawn here.

`real`: four devices, three rounds, mode local, audited; `simulation`: 150 people, 40 rounds, mode secure.
"""

import json
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from reticent.aggregate.journal import RoundLine, Status
from reticent.privacy.events import Adjacency, Mode, PrivacyEvent, Unit
from reticent.privacy.gaussian import composed_mu
from reticent.privacy.grid import release_epsilon
from reticent.privacy.guarantees import guarantees

DELTA = 1e-6
CONFIG = """seed: {seed}
data: office                # recorded sessions of scripted people
model: {{name: office-60k, trainable: heads}}
learn: {{sampling_rate: 0.2, expected_batch: 20, steps: 4, learning_rate: 1.0, clip_norm: 1.0, noise_multiplier: 2.0}}
privacy: {{mode: {mode}, clip_norm: 0.05, noise_multiplier: {noise}, delta: 1.0e-06}}
server: {{min_cohort: {min_cohort}, rounds: {rounds}}}
engine: {engine}
"""

# Of `reticent privacy epsilon --noise-multiplier 2 --sampling-rate 0.2 --steps 4 * rounds --delta 1e-6`, and for 9 windows.
EXAMPLE = {3: (2.0539524615267015, 27.1520217839893), 40: (7.278324437016994, 138.38020282897483)}

Values = dict[str, Any]


@dataclass
class Sample:
    """One run's files as plain values, to be changed and written."""

    config: str
    rounds: list[Values]
    privacy: Values
    results: Values
    audit: Values | None = None
    simulation: "Sample | None" = None
    files: dict[str, bytes] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(self.config)
        (folder / "rounds.jsonl").write_text("".join(json.dumps(line, sort_keys=True) + "\n" for line in self.rounds))
        for name in ("privacy", "results", "audit"):
            if getattr(self, name) is not None:
                (folder / f"{name}.json").write_text(json.dumps(getattr(self, name)))
        if self.simulation:
            self.simulation.write(folder / "simulation")
        return folder


def real(*, rounds: int = 3, simulation: bool = True) -> Sample:
    """Four devices, mode local; the figures are those of scripts/quickstart."""
    found = _sample(
        people=4,
        rounds=rounds,
        noise=1.2,
        mode=Mode.LOCAL,
        honest_devices=3,
        limit=8.0,
        simulated=False,
        top1=lambda done: 0.629 if done == 0 else 0.628,
        cell=lambda done: (0.502, 0.501, 0.504, 0.504)[min(done, 3)],
        seconds=lambda number: (5.7, 3.8, 3.0)[min(number, 2)],
    )
    found.audit = {
        "ledgers": [
            {"name": f"device-{number}", "holds": True, "lines": ["charged 3 rounds", "released 3"]}
            for number in range(1, 5)
        ],
        "reconciled": True,
        "lines": ["4 devices, 12 charges, 12 releases, 12 receipts"],
    }
    found.simulation = simulated() if simulation else None
    return found


def simulated(*, rounds: int = 40) -> Sample:
    """150 drawn people, mode secure: the same plan with shares of noise that add up."""
    dice = random.Random(7)
    return _sample(
        people=150,
        rounds=rounds,
        noise=0.69,
        mode=Mode.SECURE,
        honest_devices=120,
        limit=4.0,
        simulated=True,
        top1=lambda done: 0.629 + 0.041 * (1 - math.exp(-done / 12)) + (dice.gauss(0, 0.0015) if done else 0),
        cell=lambda done: 0.502 + 0.058 * (1 - math.exp(-done / 15)) + (dice.gauss(0, 0.002) if done else 0),
        seconds=lambda number: 1.42 + 0.05 * dice.random(),
    )


def _sample(
    *,
    people: int,
    rounds: int,
    noise: float,
    mode: Mode,
    honest_devices: int,
    limit: float,
    simulated: bool,
    top1: Callable[[int], float],
    cell: Callable[[int], float],
    seconds: Callable[[int], float],
) -> Sample:
    scores = [_scores(top1(done), cell(done)) for done in range(rounds + 1)]
    size = 50_546 * people
    lines = [
        RoundLine(plan_id=_hash("plan", people), round=-1, status=Status.START, weights_hash=_hash("w", 0),
                  new_weights_hash=_hash("w", 0), metrics=scores[0]),
        *(
            RoundLine(
                plan_id=_hash("plan", people), round=number, status=Status.APPLIED, weights_hash=_hash("w", number),
                new_weights_hash=_hash("w", number + 1), asked=people, joined=people, released=people,
                bytes_received=size, seconds_join=0.4, seconds_train=seconds(number) - 0.4, seconds=seconds(number),
                metrics=scores[number + 1],
            )
            for number in range(rounds)
        ),
    ]  # fmt: skip
    privacy = _privacy(people=people, rounds=rounds, noise=noise, mode=mode, honest_devices=honest_devices,
                       limit=limit, simulated=simulated)  # fmt: skip
    spent = {
        (one["unit"], one["adversary"], one["adjacency"]): one["epsilon"] for one in reversed(privacy["guarantees"])
    }
    both = {adversary: {near: spent["employee", adversary, near] for near in ("zero_out", "replace_one")}
            for adversary in ("server", "recipient", "solo")}  # fmt: skip
    results = {
        "version": 1, "engine": "inprocess" if simulated else "superlink", "data": "office", "model": "office-60k",
        "trainable": "heads", "seed": 0, "rounds": rounds, "people": people, "cohort": people, **scores[-1],
        "scored": {"part": "test", "people": 70, "examples": 4_000}, "start": scores[0],
        "baselines": {"majority": _scores(0.302, 0.113), "markov1": _scores(0.561, 0.381),
                      "markov2": _scores(0.598, 0.402), "markov3": _scores(0.604, 0.397)},
        "within_person": _scores(scores[-1]["top1"] + 0.012, scores[-1]["cell_top1"] + 0.02),
        "within_person_baselines": {"majority": _scores(0.311, 0.12), "markov3": _scores(0.612, 0.403)},
        "per_person": {name: _quantiles(scores[-1][name]) for name in ("top1", "top3", "cell_top1", "cell_top3")},
        "screen": [[round(0.9 - 0.05 * abs(x - 7) - 0.04 * y, 3) if (x + 2 * y) % 5 else None for x in range(16)] for y in range(12)],
        "epsilon": {"employee": both, "example": {"server": {"zero_out": spent["example", "server", "zero_out"]}}},
        "seconds_per_round": sum(line.seconds for line in lines) / rounds,
        "clients_per_second": people * rounds / sum(line.seconds for line in lines),
        "bytes_per_round": size, "peak_rss_mb": 812.0 if simulated else 486.0, "device": "cpu",
    }  # fmt: skip
    config = CONFIG.format(seed=0, mode=mode.value, noise=noise, min_cohort=honest_devices, rounds=rounds,
                           engine=results["engine"])  # fmt: skip
    return Sample(config=config, rounds=[line.to_json() for line in lines], privacy=privacy, results=results)


def _privacy(
    *, people: int, rounds: int, noise: float, mode: Mode, honest_devices: int, limit: float, simulated: bool
) -> Values:
    event = PrivacyEvent(
        unit=Unit.EMPLOYEE,
        adjacency=Adjacency.ZERO_OUT,
        mode=mode,
        clip_norm=0.05,
        noise_multiplier=noise,
        steps=rounds,
    )
    found = [
        {"unit": one.unit.value, "adversary": one.adversary, "adjacency": one.adjacency.value, "epsilon": one.epsilon,
         "delta": DELTA, "windows": None, "note": one.note}
        for one in guarantees([event], delta=DELTA, honest_devices=honest_devices)
    ]  # fmt: skip
    window, action = EXAMPLE.get(rounds, (7.9, 150.0))
    for windows, epsilon in ((1, window), (9, action)):
        note = "one window" if windows == 1 else f"the {windows} windows that share one action"
        found.append(
            {"unit": "example", "adversary": "server", "adjacency": "zero_out", "epsilon": epsilon, "delta": DELTA,
             "windows": windows, "note": f"{note}; holds against everybody outside the device and trusts nobody"}
        )  # fmt: skip
    secure = mode is Mode.SECURE
    return {
        "version": 1, "mode": mode.value, "simulated": simulated,
        "assumptions": [
            "secure aggregation was assumed and not run: the server is taken to see sums only",
            f"at least {honest_devices} devices of every round add their noise and keep it secret",
        ] if secure else ["the server is taken to keep every release"],
        "delta": DELTA, "people": people, "cohort": people, "min_cohort": honest_devices,
        "honest_devices": honest_devices, "rounds_of_one_person": rounds,
        "events": [
            {"unit": "employee", "adjacency": "zero_out", "mode": mode.value, "clip_norm": 0.05,
             "noise_multiplier": noise, "sampling_rate": 1.0, "steps": 1, "rounds": rounds},
            {"unit": "example", "adjacency": "zero_out", "mode": mode.value, "clip_norm": 1.0,
             "noise_multiplier": 2.0, "sampling_rate": 0.2, "steps": 4, "rounds": rounds},
        ],
        "limits": {"employee": limit, "example": 8.0},
        "guarantees": found,
        "by_round": list(_by_round(rounds, noise, honest_devices, secure=secure, window=window)),
    }  # fmt: skip


def _by_round(rounds: int, noise: float, honest: int, *, secure: bool, window: float) -> Iterator[Values]:
    """The employee level exactly; the example level grows like a square root, near enough for a picture."""
    every = set(range(rounds)) if rounds <= 50 else set(range(0, rounds, 25))
    last: Values = {}
    for number in range(rounds):
        if number in every:
            alone = _spent(noise, number + 1)
            together = _spent(noise * math.sqrt(honest), number + 1)
            last = {"server": together if secure else alone, "recipient": together, "solo": alone}
        share = math.sqrt((number + 1) / rounds)
        yield {"round": number, "employee": last, "example": {"server": window * share}}


@cache
def _spent(noise: float, rounds: int) -> float:
    return release_epsilon(composed_mu([(noise, rounds)]), delta=DELTA)


def _scores(top1: float, cell: float) -> Values:
    return {
        "top1": top1, "top3": min(1.0, top1 + 0.24), "perplexity": 1 + 2.9 * (1 - top1), "cell_top1": cell,
        "cell_top3": min(1.0, cell + 0.17), "cell_distance": 4.4 * (1 - cell), "cell_distance_median": 1.0,
        "examples": 4_000,
    }  # fmt: skip


def _quantiles(middle: float) -> Values:
    return {
        str(at): middle + shift for at, shift in ((0.1, -0.13), (0.25, -0.06), (0.5, 0.0), (0.75, 0.05), (0.9, 0.1))
    }


def _hash(*parts: object) -> str:
    return random.Random(repr(parts)).randbytes(32).hex()
