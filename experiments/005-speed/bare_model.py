"""The rounds of a finished run again, without any engine: a loop over the same kernels. Prints the seconds of each round.

python experiments/005-speed/bare_model.py FOLDER   # of `reticent train engine.workers=1`; ends with 1 where the weights differ
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from reticent.learn.plain import learner_of
from reticent.model.checkpoint_file import read_weights
from reticent.model.public import initial
from reticent.privacy.mechanism import release_vector
from reticent.privacy.noise import SeededNoise
from reticent.recordings import source
from reticent.sim.worker import _mixed
from reticent.train.folder import RunFolder
from reticent.train.planning import planned


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    settings = RunFolder(folder).settings()
    data = settings.data.origin
    pools = [source.split_time(data, person).earlier for person in source.split(data).client]
    plan = planned(settings, people=len(pools)).plan
    learner = learner_of(plan)
    prepared = [learner.prepare(pool) for pool in pools]
    state = settings.server.optimiser.start(initial(plan.model, plan.trainable))
    door = {name: getattr(plan.release, name) for name in ("clip_norm", "noise_multiplier", "grid")}
    seconds = []
    for number in range(plan.rounds):
        began = time.monotonic()
        total = np.zeros(plan.parameters, dtype=np.int64)
        for person, own in enumerate(prepared):
            noise = SeededNoise(_mixed(settings.seed, number, person))
            update = learner.update(own, state.weights, training=plan.training, noise=noise)
            total += release_vector(update, noise=noise, **door)
        mean = total * plan.release.grid / len(prepared)
        state = settings.server.optimiser.step(state, mean, step=number, steps=plan.rounds)
        seconds.append(time.monotonic() - began)
    print(json.dumps(seconds))
    same = np.array_equal(state.weights, read_weights(folder / "model.safetensors").weights)
    raise SystemExit(0 if same else 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
