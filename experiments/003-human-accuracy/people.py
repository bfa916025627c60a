#!/usr/bin/env python3
"""How far do the shares of the gap rest on which people happen to test? Intervals over resampled test people.

    python experiments/003-human-accuracy/people.py RECORDING CENTRAL RUN [RUN ...] > people.json

CENTRAL: where ceiling.py --keep left its weights. RUN: folders of `reticent train`, the same settings by several seeds. The lower end of the gap is
Markov-3, counted on all clients; the upper one trunk and heads trained centrally. A resampling draws as many test people, with replacement, and
measures all three on them.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from ceiling import MODEL, kept

from reticent.actions.vocabulary import KINDS
from reticent.evaluate.baselines import MarkovChain
from reticent.evaluate.metrics import Hits, Scorer
from reticent.model.checkpoint_file import read_weights
from reticent.model.pools import together
from reticent.recordings import source

RESAMPLED = 2_000
INTERVAL = (2.5, 97.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recording", type=Path)
    parser.add_argument("central", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = source.of_file(arguments.recording)
    split = source.split(data)
    counted = together(source.split_time(data, person).earlier for person in split.client)
    tested = [pool for person in split.test if len(pool := source.pool(data, person))]
    everything = together(tested)
    every = np.arange(len(everything))
    chances = MarkovChain(counted.kinds, counted.next_kind, order=3, symbols=KINDS).probabilities(everything.kinds)
    heads, whole = Scorer(MODEL, "heads", everything), Scorer(MODEL, "all", everything)
    private = [heads.hits(read_weights(run / "model.safetensors").weights) for run in arguments.runs]
    central = [whole.hits(weights) for weights in kept(arguments.central, "all")]
    per_window = {
        "markov3": (chances.argmax(axis=1) == everything.next_kind, np.log(chances[every, everything.next_kind])),
        "private": means(private),
        "central": means(central),
    }
    sizes = np.array([len(pool) for pool in tested])
    starts = np.cumsum(sizes) - sizes
    of_people = {name: np.stack([np.add.reduceat(one, starts) for one in two]) for name, two in per_window.items()}
    drawn = np.random.default_rng(0).integers(len(tested), size=(RESAMPLED, len(tested)))
    whole_gap, gaps = shares(of_people, sizes, np.arange(len(tested))), shares(of_people, sizes, drawn)
    lines = {
        name: {"share": float(whole_gap[name]), "interval": [float(end) for end in np.percentile(gaps[name], INTERVAL)]}
        for name in whole_gap
    }
    print(json.dumps({"people": len(tested), "runs": len(private), **lines}))


def means(runs: Sequence[Hits]) -> tuple[np.ndarray, np.ndarray]:
    """Over seeds, for each window: right or not, and the log likelihood of what came."""
    return np.mean([run.kind_rank < 1 for run in runs], axis=0), np.mean([run.log_likelihood for run in runs], axis=0)


def shares(of_people: dict[str, np.ndarray], sizes: np.ndarray, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Of the gap, by metric. rows: (..., n) people."""
    windows = sizes[rows].sum(axis=-1)
    top1, perplexity = (
        {name: sums[metric][rows].sum(axis=-1) / windows for name, sums in of_people.items()} for metric in (0, 1)
    )
    perplexity = {name: np.exp(-value) for name, value in perplexity.items()}
    return {
        metric: (values["private"] - values["markov3"]) / (values["central"] - values["markov3"])
        for metric, values in (("top1", top1), ("perplexity", perplexity))
    }


if __name__ == "__main__":
    main()
