"""The workload without any engine: a loop over the same kernel, in one process, and nothing that a loop doesn't need."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import workload
from kernel import Kernel


def main() -> None:
    asked = workload.asked()
    weights = workload.weights()
    kernel, told = Kernel(), workload.Told()
    for number in range(asked.rounds):
        total = workload.noise(number)
        for client in workload.cohort(number, clients=asked.clients, size=asked.cohort):
            moved, factor = kernel.update(weights, client)
            total += np.float32(factor) * moved
        weights = weights + total / np.float32(asked.cohort)
        told.round()
    told.end(weights, asked.weights)


if __name__ == "__main__":
    main()
