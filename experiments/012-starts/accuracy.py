"""What does the start bring? Human web tasks under privacy, from starts that know nothing, drawn people, web pages, or pilots.

    python experiments/012-starts/accuracy.py RECORDING [--only NAME]

RECORDING: what `reticent data import miniwob CLONE RECORDING` wrote. A row that accuracy.csv has already is not run again.
"""

import argparse
import os
import sys
import tempfile
from itertools import product
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))  # workers import the trunk's module from here, too
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (sys.path[0], os.environ.get("PYTHONPATH"))))

sys.path.insert(1, str(Path(__file__).parents[1]))
import starts
from kept import append, rows

import reticent
from reticent.model import catalogue

HERE = Path(__file__).parent
SEEDS = (0, 1, 2)
METRICS = ("top1", "perplexity", "cell_top1")
SETTING = ("+experiment=miniwob_secure_eps4", "evaluate.part=test")
FEW = (
    "data.people=200",
    "privacy.epsilon=8",
    "server.rounds=20",
)  # training the trunk takes a minute a round for 1,000
CELLS = {  # by name: start, words. Clip norms of FEW by the rule of experiment 004: norm x rounds x noise_over_path = 14.4
    "unfitted, heads": ("unfitted-60k", ()),
    "drawn, heads": ("drawn-60k", ()),
    "shipped, heads": ("office-60k", ()),
    "pilots, heads": ("pilots-60k", ()),
    "unfitted, heads, few": ("unfitted-60k", (*FEW, "privacy.clip_norm=2.16")),
    "unfitted, all, few": ("unfitted-60k", (*FEW, "privacy.clip_norm=0.96", "learn.trainable=all")),
    "shipped, heads, few": ("office-60k", (*FEW, "privacy.clip_norm=2.16")),
    "shipped, all, few": ("office-60k", (*FEW, "privacy.clip_norm=0.96", "learn.trainable=all")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recording", type=Path)
    parser.add_argument("--out", type=Path, default=HERE / "accuracy.csv")
    parser.add_argument("--only", choices=CELLS)
    parser.add_argument("words", nargs="*", help="more words for each run")
    arguments = parser.parse_intermixed_args()
    done = {(row["start"], row["seed"]) for row in rows(arguments.out)}
    with tempfile.TemporaryDirectory() as folder:
        for seed, (name, (start, words)) in product(SEEDS, CELLS.items()):
            if arguments.only not in (None, name) or (name, str(seed)) in done:
                continue
            if start not in catalogue.names():
                made = starts.STARTS[start](Path(folder) / f"{start}.safetensors", arguments.recording)
                reticent.register(start, made)
            results = reticent.run(
                *SETTING,
                f"data.path={arguments.recording.resolve()}",
                f"model.name={start}",
                *words,
                *arguments.words,
                f"seed={seed}",
                folder=Path(folder) / f"{name}-{seed}".replace(", ", "-"),
            ).results
            row = {"start": name, "seed": str(seed)}
            row |= {f"start_{one}": f"{results['start'][one]:.4f}" for one in METRICS}
            append(arguments.out, row | {one: f"{results[one]:.4f}" for one in METRICS})


if __name__ == "__main__":
    main()
