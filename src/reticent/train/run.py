"""One experiment: plan, play, score, account, report."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from reticent.aggregate.journal import Status
from reticent.errors import IntegrityError
from reticent.model import catalogue
from reticent.model.checkpoint_file import read_weights
from reticent.privacy.grid import composed_epsilon
from reticent.recordings import source
from reticent.records.files import replace_private
from reticent.records.plan import Plan
from reticent.sim.worker import peak_rss_mb
from reticent.train.folder import RunFolder
from reticent.train.hosts import host_of
from reticent.train.measuring import measuring, read_measured, simulate_measuring
from reticent.train.memory import given_back
from reticent.train.planning import Planned, once, planned_of
from reticent.train.privacy_file import epsilons, privacy_file
from reticent.train.scores import Scores, scores
from reticent.train.settings import Settings, Simulation, SuperLink
from reticent.train.simulated import simulate
from reticent.train.tracking import trackers
from reticent.train.watching import Watch

VERSION = 1

Told = Callable[[Mapping[str, Any]], None]
Noted = Callable[[str], None]
Began = Callable[[Planned, Sequence[Mapping[str, Any]]], None]


def run(
    settings: Settings,
    root: Path,
    *,
    told: Told = lambda line: None,
    noted: Noted = lambda sentence: None,
    watches: Sequence[Watch] = (),
) -> dict[str, Any]:
    """Run an experiment, or go on with the one that lies in `root`; returns what results.json then holds.

    told: gets each line of rounds.jsonl as it is written. noted: gets sentences for whoever started it, such as that noise will drown what so few people teach.
    watches: follow the run too, beside the tracker that the settings name.
    Raises: InputError before anything is trained, also where a recording was replaced since the run began; RoundAborted.
    """
    watches = [*watches, *trackers(settings.tracking, RunFolder(root))]
    with given_back(), ExitStack() as closing:
        for watch in watches:
            closing.callback(watch.close)

        def tell(line: Mapping[str, Any]) -> None:
            told(line)
            for watch in watches:
                watch.line(line)

        def begin(made: Planned, earlier: Sequence[Mapping[str, Any]]) -> None:
            for watch in watches:
                watch.begin(made, earlier)

        results = _run(settings, root, began=begin, told=tell, noted=noted)
        for watch in watches:
            watch.end(results)
        return results


def _run(settings: Settings, root: Path, *, began: Began, told: Told, noted: Noted) -> dict[str, Any]:
    settings = settings.pinned()
    engine, folder = settings.engine, RunFolder(root)
    source.split(settings.data.origin).part(settings.evaluate.part)  # refused before any work, where there is nobody
    workers_mb, measured, device = 0.0, None, "cpu"
    trained: Sequence[str] = ()
    limits: Mapping[str, float | None]
    with scores(settings) as scoring:
        if isinstance(engine, SuperLink):
            from reticent.train.devices import run_on_devices

            made, limits, measured = run_on_devices(settings, engine, folder, began=began, told=told, noted=noted)
        else:
            people, made = planned_of(settings)
            measured = measuring(made)
            _check_brought(made.plan)
            with host_of(engine, made) as host:
                device = host.device
                folder.begin(settings)
                if made.outlook is not None:
                    noted(made.outlook)
                if _looks_in_vain(settings):
                    noted(
                        f"no screen is in these data, and model={settings.model.name} looks at one: "
                        "model=history is made for such data, and noise has fewer numbers to land on"
                    )
                began(made, folder.lines())
                workers_mb = simulate(
                    made,
                    people,
                    host,
                    folder=folder,
                    scores=scoring,
                    told=told,
                    crowded=partial(_crowded, engine, noted),
                )
                if measured is not None:
                    weights = read_weights(folder.model).weights
                    simulate_measuring(measured, made, people, host, weights=weights, folder=folder)
            trained = people.names
            limits = {"employee": settings.privacy.epsilon, "example": settings.privacy.epsilon_example}
            if measured is not None:  # each has kept to its own
                limits = {"employee": _with_measuring(settings), "example": None}
        return finish(
            made,
            folder,
            scoring,
            limits=limits,
            trained=trained,
            workers_mb=workers_mb,
            device=device,
            measured=measured,
        )


def _check_brought(plan: Plan) -> None:
    """Raises SettingError for a trunk of somebody's own that can't train as the plan says. Others aren't loaded for that."""
    if plan.trainable == "all" and catalogue.entry(plan.model).model is not None:
        from reticent.learn.plain import learner_of

        learner_of(plan)


def _looks_in_vain(settings: Settings) -> bool:
    """Whether a model of this package looks at screens, and the data have none."""
    widths = catalogue.entry(settings.model.name).architecture
    return getattr(widths, "screen", None) is not None and not source.has_screens(settings.data.origin)


def _with_measuring(settings: Settings) -> float | None:
    trained, more = settings.privacy.epsilon, settings.evaluate.private_epsilon
    if trained is None or more is None:
        return None
    return composed_epsilon(trained, more, delta=settings.privacy.delta)


def _crowded(engine: Simulation, noted: Noted, unkept_mb: float) -> None:
    wanted = math.ceil(1.05 * (engine.cache_mb + unkept_mb) / 100) * 100  # workers' people don't need the same room
    noted(
        f"engine.cache_mb={engine.cache_mb} has room for what is prepared of a part of the people, so every round prepares the "
        f"others anew; {wanted} holds all of it"
    )


def finish(
    made: Planned,
    folder: RunFolder,
    scoring: Scores,
    *,
    limits: Mapping[str, float | None],
    trained: Sequence[str],
    workers_mb: float,
    device: str,
    measured: Plan | None = None,
) -> dict[str, Any]:
    """Write privacy.json, results.json and report.html of a run whose rounds are done; returns the results.

    limits: of epsilon by unit. trained: of a simulation, whose held-out time is scored and whose counts are an alternative. workers_mb: peak memory of processes beside this one.
    device: where people trained, or this machine's part of it. measured: the plan by which people measured.
    """
    from reticent.audit.report.page import page  # matplotlib takes its time: no round waits for it
    from reticent.audit.report.read import read_run

    lines = folder.lines()
    applied = [line for line in lines if line["status"] == Status.APPLIED]
    if trained and len(applied) != made.plan.rounds:  # a simulation is over when all were
        raise IntegrityError(
            f"{folder.root}/rounds.jsonl has {len(applied):,} of the {made.plan.rounds:,} rounds that were applied, so no epsilon can be "
            "stated; no report was written"
        )
    norms = [line["clip_norm"] for line in applied if line.get("clip_norm") is not None]
    privacy = privacy_file(made, rounds_done=len(applied), limits=limits, measured=measured, clip_norms=norms)
    folder.write("privacy.json", privacy)
    settings, weights = made.settings, read_weights(folder.model).weights
    epsilon, scored = epsilons(privacy), scoring.results(weights)
    of_trained: dict[str, Any] = {"within_person": None, "within_person_baselines": {}}
    if trained:
        of_trained = scoring.trained(
            weights, trained, noise_multiplier=once(made, privacy["rounds_of_one_person"]), seed=settings.seed
        )
        counts = of_trained.pop("private_ngram")
        trained_for = privacy["by_round"][-1]["employee"]["server"]
        scored["baselines"]["private_ngram"] = {**counts, "epsilon": trained_for, "delta": privacy["delta"]}
    seconds = statistics.median(line["seconds_join"] + line["seconds_train"] for line in applied)
    results = {
        "version": VERSION,
        "engine": settings.engine.name,
        "data": settings.data.source,
        "model": settings.model.name,
        "trainable": settings.learn.trainable,
        "seed": settings.seed,
        "mode": settings.privacy.mode,
        "rounds": len(applied),
        "people": made.people,
        "cohort": made.cohort,
        **scored,
        "start": lines[0]["metrics"],
        **of_trained,
        "measured": None if measured is None else read_measured(folder, settings),
        "epsilon": epsilon,
        "delta": privacy["delta"],
        "noise_over_path": made.noise_over_path,
        "seconds_per_round": seconds,
        "clients_per_second": statistics.median(line["released"] for line in applied) / max(seconds, 1e-9),
        "bytes_per_round": statistics.median(line["bytes_received"] for line in applied),
        "peak_rss_mb": round(peak_rss_mb() + scoring.peak_rss_mb() + workers_mb, 1),
        "device": device,
    }
    folder.write("results.json", results)
    replace_private(folder.report, page(read_run(folder.root)))
    return results
