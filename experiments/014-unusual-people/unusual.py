#!/usr/bin/env python3
"""What does differential privacy cost the person with unusual habits? Top-1 by how unusual people are, with and without noise.

    python experiments/014-unusual-people/unusual.py RECORDING CLEAR PRIVATE [PRIVATE ...] > unusual.csv

CLEAR and PRIVATE are folders of `reticent train`: the same settings, without noise to speak of, and with it, by several
seeds. People are those who test, and those who trained, on the last third of their time. Nobody is named or listed.
"""

import argparse
import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reticent.actions.pool import Pool
from reticent.actions.vocabulary import KINDS
from reticent.evaluate.baselines import MarkovChain
from reticent.evaluate.metrics import Scorer
from reticent.model.checkpoint_file import read_weights
from reticent.model.pools import together
from reticent.model.public import initial
from reticent.recordings import source

PARTS = 5  # as many groups of people, with equally many windows each
RESAMPLED = 2_000
INTERVAL = (2.5, 97.5)


@dataclass(frozen=True, kw_only=True)
class Group:
    """People as rows, by how unusual they are. right: windows right of each (start, clear, each private seed). windows: of each."""

    right: np.ndarray
    windows: np.ndarray
    surprise: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recording", type=Path)
    parser.add_argument("clear", type=Path)
    parser.add_argument("private", type=Path, nargs="+")
    arguments = parser.parse_args()
    data = source.of_file(arguments.recording)
    split = source.split(data)
    clients = [source.split_time(data, person) for person in split.client]
    usual = together(time.earlier for time in clients)
    people = {
        "test people": [source.pool(data, person) for person in split.test],
        "those who trained, later": [time.later for time in clients],
    }
    saved = [read_weights(folder / "model.safetensors") for folder in (arguments.clear, *arguments.private)]
    weights = [initial(saved[0].model, saved[0].trainable), *(one.weights for one in saved)]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(
        [
            "people",
            "part",
            "number",
            "windows",
            "surprise",
            "start",
            "clear",
            "private",
            "private_sd",
            "cost",
            "low",
            "high",
        ]
    )
    for name, pools in people.items():
        group = measured([pool for pool in pools if len(pool)], weights, usual, model=saved[0].model)
        for part, rows in enumerate(parts(group)):
            writer.writerow([name, part + 1, len(rows), *(f"{value:.4f}" for value in figures(group, rows))])


def measured(pools: list[Pool], weights: list[np.ndarray], usual: Pool, *, model: str) -> Group:
    """How unusual: mean surprise, in nats an action, of a second-order chain that counted everybody who trains."""
    chain = MarkovChain(usual.kinds, usual.next_kind, order=2, symbols=KINDS)
    everything = together(pools)
    chances = chain.probabilities(everything.kinds)[np.arange(len(everything)), everything.next_kind]
    scorer = Scorer(model, "heads", everything)
    hits = np.stack([scorer.hits(one).kind_rank < 1 for one in weights])
    sizes = np.array([len(pool) for pool in pools])
    ends = np.cumsum(sizes)[:-1]
    surprise = np.array([part.mean() for part in np.split(-np.log(chances), ends)])
    order = np.argsort(surprise)
    right = np.stack([part.sum(axis=1) for part in np.split(hits, ends, axis=1)])
    return Group(right=right[order], windows=sizes[order], surprise=surprise[order])


def parts(group: Group) -> list[np.ndarray]:
    """The most usual people first; each part has about the same number of windows."""
    place = np.cumsum(group.windows) / group.windows.sum() * PARTS
    return [np.flatnonzero(np.ceil(place - 1e-9).astype(int) == part + 1) for part in range(PARTS)]


def figures(group: Group, rows: np.ndarray) -> list[float]:
    right, windows = group.right[rows], group.windows[rows]
    shares = right.sum(axis=0) / windows.sum()
    private = shares[2:]
    drawn = np.random.default_rng(0).integers(len(rows), size=(RESAMPLED, len(rows)))
    costs = (right[:, 1] - right[:, 2:].mean(axis=1))[drawn].sum(axis=1) / windows[drawn].sum(axis=1)
    sd = float(private.std(ddof=1)) if len(private) > 1 else float("nan")
    surprise = float((group.surprise[rows] * windows).sum() / windows.sum())
    low, high = np.percentile(costs, INTERVAL)
    return [windows.sum(), surprise, shares[0], shares[1], private.mean(), sd, shares[1] - private.mean(), low, high]


if __name__ == "__main__":
    main()
