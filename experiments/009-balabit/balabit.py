"""Eight people, mouse only: what does each of them get from training together, at which epsilon? Writes results.csv.

Everybody trains on their earlier sessions and is scored on their last third. Nobody is named: people are numbered by how well the
public start does for them. Usage: python experiments/009-balabit/balabit.py BALABIT.recording
"""

import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reticent.actions.pool import Pool
from reticent.aggregate.optimiser import Momentum
from reticent.client import Task, answer
from reticent.evaluate.baselines import baselines
from reticent.evaluate.metrics import Metrics, Scorer
from reticent.evaluate.private_counts import PrivateCounts
from reticent.learn.train import Learner
from reticent.model import catalogue
from reticent.model.pools import together
from reticent.model.public import initial
from reticent.model.tensors import Floats
from reticent.privacy.calibration import noise_multiplier
from reticent.privacy.events import Mode
from reticent.privacy.mechanism import grid_for
from reticent.privacy.noise import NoiseSource, SeededNoise
from reticent.recordings import source
from reticent.records.plan import LocalTraining, Plan, Release

MODEL = "history"
CLIP_NORMS = {4.0: 0.117, 32.0: 0.5, 100_000.0: 0.5}
"""By epsilon of mode secure; the last stands for none. At 4 by the rule of experiment 004: norm x rounds x noise_over_path = 14.4."""
NONE = 100_000.0
ROUNDS, DELTA, SEEDS = 10, 1e-5, 3
TRAINING = LocalTraining(
    sampling_rate=0.02, expected_batch=32, steps=1, learning_rate=2.0, clip_norm=1.0, noise_multiplier=1e-6
)


def plan(epsilon: float, *, people: int) -> Plan:
    """Everybody is asked in each round; their shares add up to the noise."""
    share = noise_multiplier(epsilon=epsilon, delta=DELTA, steps=ROUNDS) / people**0.5
    parameters = catalogue.parameters(MODEL, "heads")
    clip_norm = CLIP_NORMS[epsilon]
    grid = grid_for(clip_norm=clip_norm, noise_multiplier=share, parameters=parameters)
    return Plan(
        purpose="next-action",
        model=MODEL,
        parameters=parameters,
        trainable="heads",
        training=TRAINING,
        release=Release(mode=Mode.SECURE, clip_norm=clip_norm, noise_multiplier=share, grid=grid),
        min_cohort=people,
        rounds=ROUNDS,
        issued_at=0,
        expires_at=1,
    )


class Person:
    """One person's earlier sessions, and their features."""

    def __init__(self, pool: Pool, learner: Learner) -> None:
        self.pool, self._ready, self._learner = pool, learner.prepare(pool), learner

    def examples(self) -> Pool:
        return self.pool

    def learn(
        self, pool: Pool, weights: Floats, *, model: str, trainable: str, training: LocalTraining, noise: NoiseSource
    ) -> Floats:
        return self._learner.update(self._ready, weights, training=training, noise=noise)


def trained(everybody: Sequence[Person], asked: Plan, *, seed: int, whom: Sequence[int]) -> Floats:
    """The weights after all rounds of `whom`, by the client's own function."""
    optimiser = Momentum()
    state = optimiser.start(initial(MODEL, "heads"))
    for number in range(ROUNDS):
        total = np.zeros(asked.parameters, dtype=np.int64)
        for person in whom:
            one, noise = everybody[person], SeededNoise(1 + seed * 10**6 + number * 1_000 + person)
            task = Task(plan=asked, plan_id="0" * 64, round=number)
            total += answer(task, state.weights, one.examples, noise, learn=one.learn).values
        state = optimiser.step(state, total * asked.release.grid / len(whom), step=number, steps=ROUNDS)
    return state.weights


def private_counts(times: Sequence[source.PersonTime], epsilon: float, *, seed: int) -> Iterator[Metrics]:
    """For each person, of one release of counts by everybody, with the whole budget; which counts is chosen on drawn people, for nobody else is left."""
    share = noise_multiplier(epsilon=epsilon, delta=DELTA, steps=1) / len(times) ** 0.5
    counts = PrivateCounts(noise_multiplier=share, noise=SeededNoise(seed))
    for time in times:
        counts.add(time.earlier)
    chosen_on = together(source.pool("drawn", person) for person in source.split("drawn").validation[:20])
    for time in times:
        yield counts.best(chosen_on, time.later)[1]


def main(recording: str) -> None:
    """One line for each person, epsilon and seed, and for what they are compared with."""
    name = source.of_file(Path(recording))
    times = [source.split_time(name, person) for person in source.people(name)]
    learner = Learner(MODEL, "heads")
    everybody = [Person(time.earlier, learner) for time in times]
    scorers = [Scorer(MODEL, "heads", time.later) for time in times]
    start = initial(MODEL, "heads")
    order = np.argsort([scorer.score(start).top1 for scorer in scorers])
    everyone = range(len(times))
    rows: list[list[Any]] = []

    def keep(what: str, epsilon: float | str, seed: int | str, person: int, figures: Metrics) -> None:
        place = int(np.flatnonzero(order == person)[0]) + 1
        row = [what, epsilon, seed, place]
        rows.append([*row, *(f"{value:.4f}" for value in (figures.top1, figures.perplexity, figures.cell_top1))])

    counted = together(time.earlier for time in times)
    for person, time in enumerate(times):
        keep("public start", "", "", person, scorers[person].score(start))
        for label, figures in baselines(counted, time.later).items():
            keep(f"{label}, everybody's counts", "", "", person, figures)
        keep("markov3, own counts", "", "", person, baselines(time.earlier, time.later)["markov3"])
    for epsilon in CLIP_NORMS:
        asked = plan(epsilon, people=len(times))
        for seed in range(SEEDS):
            weights = trained(everybody, asked, seed=seed, whom=everyone)
            for person in everyone:
                keep("together", epsilon, seed, person, scorers[person].score(weights))
            for person, figures in enumerate(private_counts(times, epsilon, seed=seed)):
                keep("private counts", epsilon, seed, person, figures)
    alone = plan(NONE, people=1)
    for seed in range(SEEDS):
        for person in everyone:
            weights = trained(everybody, alone, seed=seed, whom=[person])
            keep("alone, nothing leaves", "", seed, person, scorers[person].score(weights))
    rows.sort(key=lambda row: (row[0], str(row[1]), str(row[2]), row[3]))
    with (Path(__file__).parent / "results.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["what", "epsilon", "seed", "person", "top1", "perplexity", "cell_top1"])
        writer.writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1])
