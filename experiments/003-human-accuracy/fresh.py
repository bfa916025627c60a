#!/usr/bin/env python3
"""The chosen settings on sessions that nothing was fitted to and no number chosen by: those of a clone that the tables don't hold.

    python experiments/003-human-accuracy/fresh.py TABLES CLONE CENTRAL FOLDER [FOLDER ...]

TABLES, CLONE: recordings by `reticent data import miniwob`, of the extracted tables and of the whole upstream repository. CENTRAL: where ceiling.py
--keep left its weights. FOLDER: where
`reticent train -m +experiment=miniwob_secure_eps4 evaluate.tune_on=people data.path=TABLES seed=0,1,2 …` left its runs. What is held against them was counted or trained on
all clients of TABLES, private counts on the people who train, at the same epsilon. One JSON object a line; intervals as in people.py.
"""

import argparse
import json
import math
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ceiling import MODEL, kept
from omegaconf import OmegaConf
from people import INTERVAL, RESAMPLED, means, shares

import reticent
from reticent.actions.pool import Pool
from reticent.actions.vocabulary import KINDS
from reticent.evaluate.baselines import MarkovChain, baselines
from reticent.evaluate.metrics import Scorer, metrics
from reticent.evaluate.private_counts import PrivateCounts
from reticent.model.checkpoint_file import read_weights
from reticent.model.network import load, vector
from reticent.model.pools import together
from reticent.privacy.noise import SeededNoise
from reticent.recordings import source

NAMES = ("top1", "perplexity", "cell_top1")
SEEDS = (0, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tables", type=Path)
    parser.add_argument("clone", type=Path)
    parser.add_argument("central", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "fresh.jsonl")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    tables, clone = source.of_file(arguments.tables), source.of_file(arguments.clone)
    split, known = source.split(tables), set(source.people(tables))
    fresh = [source.pool(clone, person) for person in source.people(clone) if person not in known]
    fresh = [pool for pool in fresh if len(pool)]
    counted = together(source.split_time(tables, person).earlier for person in split.client)
    on = Fresh(fresh, counted, arguments.central)
    with arguments.out.open("w") as out:

        def tell(line: dict[str, Any]) -> None:
            print(json.dumps(line), file=out, flush=True)
            print(json.dumps(line))

        tell({"what": "fresh sessions", "people": len(fresh), "windows": len(on.everything)})
        for name, row in baselines(counted, on.everything).items():
            tell({"what": name} | rounded(row.as_dict()))
        tell({"what": "the public start"} | rounded(on.heads.score(vector(load(MODEL), "heads")).as_dict()))
        chosen_on = together(source.pool(tables, person) for person in split.validation)
        for folder in arguments.folders:
            runs = sorted(path.parent for path in folder.rglob("model.safetensors"))
            tell(on.runs(runs) | private_counts(runs[0], tables, chosen_on, on.everything))


class Fresh:
    """Sessions to be scored on, and what stands at both ends of the gap."""

    def __init__(self, fresh: list[Pool], counted: Pool, folder: Path) -> None:
        self.everything = together(fresh)
        self.heads, whole = Scorer(MODEL, "heads", self.everything), Scorer(MODEL, "all", self.everything)
        chain = MarkovChain(counted.kinds, counted.next_kind, order=3, symbols=KINDS)
        chances, every = chain.probabilities(self.everything.kinds), np.arange(len(self.everything))
        central = [whole.hits(weights) for weights in kept(folder, "all")]
        alone = [self.heads.score(weights).as_dict() for weights in kept(folder, "heads")]
        self._central_heads = {name: statistics.fmean(one[name] for one in alone) for name in NAMES}
        self._central = {name: statistics.fmean(metrics([one]).as_dict()[name] for one in central) for name in NAMES}
        right = chances.argmax(axis=1) == self.everything.next_kind
        self._ends = {
            "markov3": (right, np.log(chances[every, self.everything.next_kind])),
            "central": means(central),
        }
        self._sizes = np.array([len(pool) for pool in fresh])

    def runs(self, folders: list[Path]) -> dict[str, Any]:
        """Of the same settings by several seeds."""
        hits = [self.heads.hits(read_weights(folder / "model.safetensors").weights) for folder in folders]
        figures = [metrics([one]).as_dict() for one in hits]
        per_window = self._ends | {"private": means(hits)}
        starts = np.cumsum(self._sizes) - self._sizes
        of_people = {name: np.stack([np.add.reduceat(one, starts) for one in two]) for name, two in per_window.items()}
        people = len(self._sizes)
        drawn = np.random.default_rng(0).integers(people, size=(RESAMPLED, people))
        share, gaps = shares(of_people, self._sizes, np.arange(people)), shares(of_people, self._sizes, drawn)
        return {
            "what": "reticent train",
            "seeds": len(folders),
            **{name: round(statistics.fmean(one[name] for one in figures), 4) for name in NAMES},
            **{f"{name}_sd": round(statistics.stdev(one[name] for one in figures), 4) for name in NAMES},
            **{f"central_{name}": round(value, 4) for name, value in self._central.items()},
            **{f"central_heads_{name}": round(value, 4) for name, value in self._central_heads.items()},
            **{f"share_{name}": round(float(value), 3) for name, value in share.items()},
            **{
                f"share_{name}_interval": [round(float(end), 3) for end in np.percentile(gaps[name], INTERVAL)]
                for name in gaps
            },
        }


def private_counts(run: Path, tables: str, chosen_on: Pool, tested: Pool) -> dict[str, Any]:
    """Mean over seeds, of those who train in `run` and at its epsilon, in mode secure."""
    asked = OmegaConf.load(run / "config.yaml")
    epsilon, people = float(asked.privacy.epsilon), int(asked.data.people)
    share = reticent.calibrate(epsilon=epsilon, delta=float(asked.privacy.delta), steps=1) / math.sqrt(people)
    rows = []
    for seed in SEEDS:
        counts = PrivateCounts(noise_multiplier=share, noise=SeededNoise(seed))
        for person in source.split(tables).client[:people]:
            counts.add(source.split_time(tables, person).earlier)
        rows.append(counts.best(chosen_on, tested)[1].as_dict())
    figures = {f"private_ngram_{name}": round(statistics.fmean(row[name] for row in rows), 4) for name in NAMES}
    return {"people": people, "epsilon": epsilon} | figures


def rounded(figures: Any) -> dict[str, float]:
    return {name: round(figures[name], 4) for name in NAMES}


if __name__ == "__main__":
    main()
