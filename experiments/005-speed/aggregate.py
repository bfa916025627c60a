"""What does a server's sum cost? Checking and adding 1,000 releases of a million parameters, one after another.

Measures `aggregate.total.genuine` and `Total.add`, which a server runs for every release that a device sends.
"""

import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, MetricRecord, RecordDict
from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords

from reticent.aggregate.total import Total, genuine
from reticent.privacy.mechanism import norm_bound, payload_bound
from scripts.bench import bar

PARAMETERS, RELEASES, DIFFERENT = 1_000_000, 1_000, 24  # so many different ones lie in memory: more than caches hold
SCALE = {"clip_norm": 1.0, "noise_multiplier": 1.0, "grid": 2.0**-17}
HELD = 50  # releases that Flower's helper, which wants all at once, is given


def bars(*, quick: bool) -> Iterator[dict[str, Any]]:
    random, sigma = np.random.default_rng(0), 2**17
    ring = [np.rint(random.standard_normal(PARAMETERS) * sigma).astype(np.int32) for _ in range(DIFFERENT)]
    count, repeats = (100, 3) if quick else (RELEASES, 5)
    target = np.empty(PARAMETERS, dtype=np.int32)
    longer = [np.concatenate([one, one[: PARAMETERS // 2]]) for one in ring]
    longer_target = np.empty(len(longer[0]), dtype=np.int32)

    def copies() -> None:
        for one in islice(cycle(ring), count):
            np.copyto(target, one)

    def as_many_bytes() -> None:
        for one in islice(cycle(longer), count):
            np.copyto(longer_target, one)

    def added() -> None:
        total = Total(PARAMETERS, bound=payload_bound(**SCALE))
        for one in islice(cycle(ring), count):
            total.add(one)
        total.values()

    def checked_and_added() -> None:
        bound, longest = payload_bound(**SCALE), norm_bound(**SCALE, parameters=PARAMETERS)
        total = Total(PARAMETERS, bound=bound)
        for one in islice(cycle(ring), count):
            if genuine(one, bound=bound, longest=longest) != (True, True):
                raise SystemExit("a genuine release was refused")
            total.add(one)
        total.values()

    records = [
        RecordDict({"arrays": ArrayRecord([ring[place % DIFFERENT].astype(np.float32)]), "n": MetricRecord({"w": 1})})
        for place in range(10 if quick else HELD)
    ]

    def flower() -> None:
        aggregate_arrayrecords(records, "w")

    steps = {"copy": copies, "bytes": as_many_bytes, "add": added, "all": checked_and_added, "flower": flower}
    seconds = _interleaved(steps, repeats=repeats)
    each = {name: second / count for name, second in seconds.items()} | {"flower": seconds["flower"] / len(records)}
    milli = {name: 1_000 * second for name, second in each.items()}
    yield bar(
        "check and add one release, beside a copy of it",
        milli["all"],
        "ms",
        peer=milli["copy"],
        goal=1.7 * milli["copy"],
    )
    what = "check and add one release, beside a copy that touches as many bytes"
    yield bar(what, milli["all"], "ms", peer=milli["bytes"], goal=1.7 * milli["bytes"])
    yield bar("add one release, beside a copy of it", milli["add"], "ms", peer=milli["copy"], goal=1.7 * milli["copy"])
    yield bar(
        f"check and add one release, beside Flower's helper ({len(records)} held)",
        milli["all"],
        "ms",
        peer=milli["flower"],
        goal=milli["flower"] / 2.5,
    )
    tracemalloc.start()
    checked_and_added()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    yield bar("memory while adding, in vectors of P 64-bit numbers", peak / (8 * PARAMETERS), "x", goal=3.0)


def _interleaved(steps: dict[str, Callable[[], None]], *, repeats: int) -> dict[str, float]:
    """Median seconds of each, in turn."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            began = time.perf_counter()
            step()
            found[name].append(time.perf_counter() - began)
    print({name: [round(one, 4) for one in all_] for name, all_ in found.items()}, file=sys.stderr, flush=True)
    return {name: statistics.median(all_) for name, all_ in found.items()}
