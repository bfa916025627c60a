"""One experiment: plan, play, score, account, report."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reticent.aggregate.durable import write_whole
from reticent.aggregate.journal import Status
from reticent.audit.report.page import page
from reticent.audit.report.read import read_run
from reticent.errors import SettingError
from reticent.model.checkpoint_file import read_weights
from reticent.sim.population import population
from reticent.sim.worker import peak_rss_mb
from reticent.train.devices import limits, run_on_devices
from reticent.train.folder import RunFolder
from reticent.train.planning import Planned, planned
from reticent.train.privacy_file import epsilons, privacy_file
from reticent.train.scoring import Scoring
from reticent.train.settings import NOTHING, InProcess, Settings
from reticent.train.simulated import simulate

VERSION = 1

Told = Callable[[Mapping[str, Any]], None]


def run(settings: Settings, root: Path, *, told: Told = lambda line: None) -> dict[str, Any]:
    """Run an experiment, or go on with the one that lies in `root`; returns what results.json then holds.

    told: gets each line of rounds.jsonl as it is written. Raises: InputError before anything is trained, RoundAborted.
    """
    engine, folder = settings.engine, RunFolder(root)
    scoring = Scoring(settings.data.origin, model=settings.model.name, trainable=settings.learn.trainable)
    workers_mb = 0.0
    trained: Sequence[str] = ()
    if isinstance(engine, InProcess):
        people = population(settings.data.origin, people=settings.data.people)
        if not len(people):
            raise SettingError(f"{settings.data.source} has nobody to train on; {NOTHING}")
        made = planned(settings, people=len(people))
        folder.begin(settings)
        workers_mb = simulate(made, people, engine, folder=folder, scoring=scoring, told=told)
        trained = people.names
    else:
        made = run_on_devices(settings, engine, folder, told=told)
    return finish(made, folder, scoring, trained=trained, workers_mb=workers_mb)


def finish(
    made: Planned, folder: RunFolder, scoring: Scoring, *, trained: Sequence[str], workers_mb: float
) -> dict[str, Any]:
    """Write privacy.json, results.json and report.html of a run whose rounds are done; returns the results.

    trained: of a simulation, whose held-out time is scored. workers_mb: peak memory of processes beside this one.
    """
    lines = folder.lines()
    applied = [line for line in lines if line["status"] == Status.APPLIED]
    privacy = privacy_file(made, rounds_done=len(applied), limits=_limits(made.settings))
    folder.write("privacy.json", privacy)
    settings, weights = made.settings, read_weights(folder.model).weights
    seconds = statistics.median(line["seconds_join"] + line["seconds_train"] for line in applied)
    results = {
        "version": VERSION,
        "engine": settings.engine.name,
        "data": settings.data.source,
        "model": settings.model.name,
        "trainable": settings.learn.trainable,
        "seed": settings.seed,
        "rounds": len(applied),
        "people": made.people,
        "cohort": made.cohort,
        **scoring.results(weights),
        "start": lines[0]["metrics"],
        "within_person": scoring.within(weights, trained),
        "epsilon": epsilons(privacy),
        "seconds_per_round": seconds,
        "clients_per_second": statistics.median(line["released"] for line in applied) / max(seconds, 1e-9),
        "bytes_per_round": statistics.median(line["bytes_received"] for line in applied),
        "peak_rss_mb": round(peak_rss_mb() + workers_mb, 1),
        "device": "cpu",
    }
    folder.write("results.json", results)
    write_whole(folder.report, page(read_run(folder.root)))
    return results


def _limits(settings: Settings) -> dict[str, float | None]:
    if isinstance(settings.engine, InProcess):
        return {"employee": settings.privacy.epsilon, "example": settings.privacy.epsilon_example}
    employee, example = limits(settings.engine)
    return {"employee": employee, "example": example}
