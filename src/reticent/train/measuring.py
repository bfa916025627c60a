"""evaluate.private_epsilon: after the last round the people who were asked measure the model, each once, for a budget of its own."""

import json
import math
from functools import partial
from typing import Any

from reticent.aggregate.attempt import MEASURED, Tally, weights_bytes, write_measured
from reticent.model import catalogue
from reticent.model.tensors import Floats
from reticent.privacy.calibration import noise_multiplier
from reticent.privacy.events import Mode
from reticent.privacy.mechanism import grid_for
from reticent.records.canonical import digest
from reticent.records.files import read_regular
from reticent.records.plan import MEASURES, Plan, Release
from reticent.sim.population import Population
from reticent.sim.rounds import Nodes, SimulatedRound
from reticent.sim.worker import make_worker
from reticent.train.folder import RunFolder
from reticent.train.hosts import Host
from reticent.train.planning import Planned
from reticent.train.settings import Settings


def measuring(made: Planned) -> Plan | None:
    """The plan that measures what `made` trains, for the same people under the same assumptions; None where nobody asked.

    Raises: SettingError for an epsilon that no noise meets.
    """
    settings = made.settings
    epsilon = settings.evaluate.private_epsilon
    if epsilon is None:
        return None
    plan, release = made.plan, made.plan.release
    alone = noise_multiplier(epsilon=epsilon, delta=settings.privacy.delta, steps=1)
    share = alone / math.sqrt(plan.min_cohort) * (1 + 1e-12) if release.mode is Mode.SECURE else alone
    return Plan(
        version=2,
        purpose=plan.purpose,
        model=plan.model,
        parameters=len(MEASURES),
        trainable=plan.trainable,
        training=None,
        release=Release(
            mode=release.mode,
            clip_norm=release.clip_norm,
            noise_multiplier=share,
            grid=grid_for(clip_norm=release.clip_norm, noise_multiplier=share, parameters=len(MEASURES)),
        ),
        min_cohort=plan.min_cohort,
        rounds=1,
        issued_at=plan.issued_at,
        expires_at=plan.expires_at,
    )


def simulate_measuring(
    plan: Plan, made: Planned, people: Population, host: Host, *, weights: Floats, folder: RunFolder
) -> None:
    """Everybody's release, summed as the rounds' are; the folder then holds measured.json. Raises: RoundAborted."""
    settings = made.settings
    make = partial(
        make_worker,
        catalogue.registered(),
        settings.data.sha256,
        plan=plan,
        plan_id=digest(plan.to_bytes()),
        population=people,
        seed=settings.seed,
        cache_bytes=host.cache_bytes,
    )

    def play(grid: Nodes) -> None:
        tally = Tally()
        asked = SimulatedRound(grid=grid, plan=plan, people=len(people), size=len(people), seed=settings.seed)
        mean = asked.mean(made.plan.rounds, weights_bytes(weights), tally)  # a number whose noise no round has used
        write_measured(folder.root, mean, terms=plan, released=tally.released)

    host.play(make, play)


def read_measured(folder: RunFolder, settings: Settings) -> dict[str, Any]:
    """What the people measured, and what that alone cost each of them against the server. Raises: StateError."""
    data = read_regular(folder.root / MEASURED, what="measurement", limit_bytes=1 << 16)
    return {**json.loads(data), "epsilon": settings.evaluate.private_epsilon}
