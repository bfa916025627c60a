"""The workload without any engine: a loop over the same kernel, in one process, and nothing that a loop doesn't need."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import workload
from kernel import factor, kernel


def main() -> None:
    asked = workload.asked()
    weights = workload.weights(asked.task)
    local, told = kernel(asked.task), workload.Told()
    for number in range(asked.rounds):
        total = workload.noise(number, len(weights))
        for client in workload.cohort(number, clients=asked.clients, size=asked.cohort):
            moved = local.moved(weights, number, client)
            total += np.float32(factor(moved)) * moved
        weights = weights + total / np.float32(asked.cohort)
        told.round()
    told.end(weights, asked.weights)


if __name__ == "__main__":
    main()
