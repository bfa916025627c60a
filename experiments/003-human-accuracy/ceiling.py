#!/usr/bin/env python3
"""What do the same model and people give without any privacy, trained centrally? The upper end of the gap.

    python experiments/003-human-accuracy/ceiling.py RECORDING [--seeds 0,1,2] [--epochs 8] [--keep FOLDER]

Trains trunk and heads of office-60k from the public start on all clients' windows together, and the linear heads alone on
the frozen trunk; scores both on test people after the last epoch. One JSON object a line. --keep: leaves the weights there, for people.py
and fresh.py.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from reticent.actions.pool import Pool
from reticent.evaluate.metrics import score_network
from reticent.model.heads import CELL_LOSS
from reticent.model.inputs import inputs
from reticent.model.network import Network, load, trained, vector
from reticent.model.pools import take, together
from reticent.recordings import source

MODEL = "office-60k"
BATCH = 128
EPOCHS = 8
LEARNING_RATE = {"all": 2e-3, "heads": 5e-2}
WEIGHT_DECAY = {"all": 1e-2, "heads": 0.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recording", type=Path)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = source.of_file(arguments.recording)
    split = source.split(data)
    pool = together(source.split_time(data, person).earlier for person in split.client)
    tested = together(source.pool(data, person) for person in split.test)
    for seed in map(int, arguments.seeds.split(",")):
        for trainable in ("heads", "all"):
            network = centrally(pool, trainable=trainable, seed=seed, epochs=arguments.epochs)
            if arguments.keep is not None:
                arguments.keep.mkdir(parents=True, exist_ok=True)
                np.save(arguments.keep / f"{trainable}-{seed}.npy", vector(network, trainable))
            figures = score_network(network, tested).as_dict()
            print(json.dumps({"trainable": trainable, "seed": seed, "windows": len(pool), **figures}), flush=True)


def kept(folder: Path, trainable: str) -> list[np.ndarray]:
    """The weights of all seeds that --keep left there."""
    return [np.load(path) for path in sorted(folder.glob(f"{trainable}-*.npy"))]


def centrally(pool: Pool, *, trainable: str, seed: int, epochs: int) -> Network:
    """AdamW with one cycle of its rate, over shuffled windows of everybody."""
    torch.manual_seed(seed)
    network, random = load(MODEL).float().requires_grad_(False), np.random.default_rng(seed)
    parameters = [parameter for _, parameter in trained(network, trainable)]
    for parameter in parameters:
        parameter.requires_grad_()
    steps = len(pool) // BATCH
    rate = LEARNING_RATE[trainable]
    optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=WEIGHT_DECAY[trainable])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=epochs * steps)
    for _ in range(epochs):
        order = random.permutation(len(pool))
        for step in range(steps):
            rows = order[step * BATCH : (step + 1) * BATCH]
            kind, cell = network(inputs(take(pool, rows, size=len(rows))))
            loss = cross_entropy(kind, torch.from_numpy(pool.next_kind[rows]))
            loss = loss + CELL_LOSS * cross_entropy(cell, torch.from_numpy(pool.next_cell[rows]))
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
    return network


if __name__ == "__main__":
    main()
