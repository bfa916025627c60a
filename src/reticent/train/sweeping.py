"""What Hydra tells about a sweep as it begins: where it lies, and what its runs together cost people who are not public."""

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from reticent.errors import ReticentError, SettingError
from reticent.privacy.grid import composed_epsilon, release_epsilon, release_mu
from reticent.recordings import source
from reticent.train.folder import RunFolder
from reticent.train.refusals import refused
from reticent.train.settings import NOTHING, Settings, flat, settings_of

_NUMBERED = "${hydra.job.num}"  # Hydra's own default of hydra.sweep.subdir
OWN_CONFIG = "a run's own config.yaml holds its settings"
_COUNTS = ("max_batch_size", "n_jobs", "n_trials")  # of sweepers
MOST_JOBS = 10_000
_ABOUT_PEOPLE = ("data", "privacy", "engine", "evaluate", "experiment")


@dataclass(frozen=True, slots=True)
class Begun:
    """A sweep of this process: its folder, its words as they were typed, and what of this was not there before, the deepest first.

    goes_on: whether the same words go on with it once it was stopped.
    """

    root: Path
    words: tuple[str, ...]
    made: tuple[Path, ...] = ()
    goes_on: bool = True


_met: dict[str, Path] = {}  # recordings, by their digest
begun: list[Begun] = []
made: list[Path] = []
"""Folders that Hydra makes for the run of this process, the deepest first."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What one run asks of whom. epsilon: None where its noise was given instead. people: None where they are public or made up.
    allowed: whether the settings let a sweep ask them."""

    people: str | None
    epsilon: float | None
    delta: float
    allowed: bool = False


_asked: Counter[Charge] = Counter()  # by runs of this process that no sweep began


class SweepRefused(BaseException):
    """No job of it began. Hydra makes a warning of what a callback raises, but for this."""

    def __init__(self, error: ReticentError) -> None:
        super().__init__(str(error))
        self.error = error


class SweepBegins(Callback):
    """conf/train.yaml names it."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        root = Path(str(config.hydra.run.dir))
        made[:] = missing(root)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Raises: SweepRefused for people who are not public, unless the settings allow it, for a folder that holds another sweep, and for settings of Hydra's that would hide or mix up jobs."""
        words, sweep, sweeper = tuple(config.hydra.overrides.task), config.hydra.sweep, config.hydra.sweeper
        if not str(sweep.dir):
            raise SweepRefused(SettingError(f"hydra.sweep.dir takes a folder, and . is this one; {NOTHING}"))
        if config.hydra.output_subdir is not None:
            raise SweepRefused(SettingError(f"hydra.output_subdir must be null: {OWN_CONFIG}; {NOTHING}"))
        for name in _COUNTS:
            if sweeper.get(name) is not None and sweeper[name] < 1:
                raise SweepRefused(SettingError(f"hydra.sweeper.{name} must be 1 at least; {NOTHING}"))
        if "maximize" in str(sweeper.get("direction")):  # of a sweeper that chooses: one, or a list of them
            raise SweepRefused(
                SettingError(f"hydra.sweeper.direction must be minimize: a run returns its perplexity; {NOTHING}")
            )
        root, trials = Path(str(sweep.dir)), sweeper.get("n_trials")
        try:
            varied = [f"{name}={value}" for name, value in (sweeper.get("params") or {}).items()]
            each = jobs([*varied, *words], trials=trials)
            named: Any = OmegaConf.to_container(sweep, resolve=False)
            if named["subdir"] == _NUMBERED:
                _check_folders(root, each, config, chosen=trials is not None)
            charge = lru_cache(maxsize=4096)(partial(_charge, config))
            said = cost(each, charge=charge)
            if said is not None and not all(charge(about).allowed for about in map(_about_people, each)):
                raise SweepRefused(SettingError(f"{said}; evaluate.tune_on=people asks them all the same; {NOTHING}"))
        except Exception:  # whatever can't be composed here, Hydra refuses in a moment, in its own words
            said = None
        launched_apart = "submitit" in str(config.hydra.launcher)  # such jobs live on
        goes_on = trials is None and not launched_apart
        begun.append(Begun(root, words, missing(root / "multirun.yaml"), goes_on))
        if said is not None:
            print(f"note        {said}", file=sys.stderr, flush=True)


def missing(path: Path) -> tuple[Path, ...]:
    """What of a path is not there yet, the deepest first."""
    return tuple(one for one in (path, *path.parents) if not one.exists())


def jobs(words: Sequence[str], *, trials: int | None = None) -> list[tuple[str, ...]]:
    """The words of each job. trials: of a sweeper that chooses for itself: so many jobs with the words that it can't choose."""
    overrides = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader()).parse_overrides(
        list(words)
    )
    number = trials or math.prod(map(_values, overrides))
    if number > MOST_JOBS:
        raise SweepRefused(SettingError(f"this sweep has {number:,} jobs, and {MOST_JOBS:,} are the most; {NOTHING}"))
    if trials is not None:
        fixed = tuple(str(one.input_line) for one in overrides if not one.is_sweep_override())
        return [fixed] * trials
    return [tuple(job) for job in BasicSweeper.split_arguments(overrides, None)[0]]


def _values(override: Override) -> int:
    """How many a word has."""
    value = override.value()
    if isinstance(value, ChoiceSweep):
        return len(value.list)
    if isinstance(value, RangeSweep) and value.start is not None and value.stop is not None and value.step:
        return max(0, math.ceil((value.stop - value.start) / value.step))
    return 1


def _check_folders(root: Path, jobs: Sequence[tuple[str, ...]], config: DictConfig, *, chosen: bool) -> None:
    """Jobs are numbered in the order of their words: with other words, a number would mean another run. Raises: SweepRefused.

    chosen: whether a sweeper chooses settings as it goes, so that a number means another run each time.
    """
    for number, words in enumerate(jobs):
        folder = RunFolder(root / str(number))
        if not folder.config.exists():
            continue
        try:
            there = flat(folder.settings().pinned())
        except ReticentError:  # the job says what is wrong with it
            continue
        try:
            here = flat(settings_of(_composed(config, words), sweep=True).pinned())
        except (ReticentError, OmegaConfBaseException) as error:  # said in no folder that holds another run
            raise SweepRefused(refused(error)) from None
        other = next((name for name in (there | here) if there.get(name) != here.get(name)), None)
        if chosen or other is not None:
            which = "" if chosen else f" ({other} is {there.get(str(other))} there and {here.get(str(other))} here)"
            raise SweepRefused(
                SettingError(
                    f"{folder.root} holds a run with other settings than job {number} of this sweep{which}; give it a folder of its own "
                    f"(hydra.sweep.dir={root}/more is one, and counts as part of this one later); {NOTHING} and what lies there is unchanged"
                )
            )


def cost(jobs: Sequence[Sequence[str]], *, charge: Callable[[tuple[str, ...]], Charge]) -> str | None:
    """What the runs together cost people who are not public, as one sentence; None where nobody is asked twice.

    Gaussian releases compose exactly: their squared strengths add up (docs/adr/0002-discrete-gaussian-slack.md has the slack).
    """
    return _told(Counter(charge(_about_people(job)) for job in jobs))


@contextmanager
def counted(settings: Settings, folder: RunFolder) -> Iterator[str | None]:
    """Of runs that a program of somebody's own plays one after another in this process, what they cost the people of the next one with it.

    Within, that next one is played; it counts from here on if it began `folder`.
    """
    if folder.config.exists():  # it goes on, or is read again
        yield None
        return
    charge = _charge_of(settings)
    same = Counter({one: number for one, number in _asked.items() if one.people == charge.people})
    try:
        yield _told(same + Counter([charge]))
    finally:
        if folder.config.exists():
            _asked[charge] += 1


def _told(asked: Counter[Charge]) -> str | None:
    whom = Counter[str]()
    for one, number in asked.items():
        if one.people is not None:
            whom[one.people] += number
    if not whom or max(whom.values()) < 2:
        return None
    people, runs = whom.most_common(1)[0]
    theirs = {one: number for one, number in asked.items() if one.people == people}
    strength, delta = 0.0, max(one.delta for one in theirs)
    for one, number in theirs.items():
        if one.epsilon is None:
            strength = math.nan
        else:
            strength += number * release_mu(epsilon=one.epsilon, delta=one.delta) ** 2
    together = "an epsilon that adds up"
    if not math.isnan(strength):
        total = release_epsilon(math.sqrt(strength), delta=delta)
        most = max(one.epsilon or 0.0 for one in theirs)
        together = f"at most epsilon {most:g} each and {math.ceil(100 * total) / 100:.2f} together (one person, delta {delta:g})"
    return (
        f"{runs:,} runs on {people}, who are not public, cost them {together}, and the choice between runs is not private "
        "by itself; tune on data=office or data=drawn, and run once on people"
    )


def _about_people(job: Sequence[str]) -> tuple[str, ...]:
    """Those of a job's words that say who is asked for how much."""
    return tuple(word for word in job if word.lstrip("+").partition("=")[0].partition(".")[0] in _ABOUT_PEOPLE)


def _charge(master: DictConfig, words: tuple[str, ...]) -> Charge:
    return _charge_of(_composed(master, words))


def _charge_of(config: Any) -> Charge:
    """config: settings, or what becomes them."""
    people = None
    if config.engine.name == "superlink":
        people = f"the devices of {config.engine.folder}"
    elif config.data.source == "files" and not _public(Path(config.data.path)):
        people = f"the people of {_recording(Path(config.data.path))}"
    epsilon, more, delta = config.privacy.epsilon, config.evaluate.private_epsilon, config.privacy.delta
    if epsilon is not None and more is not None:
        epsilon = composed_epsilon(epsilon, more, delta=delta)
    return Charge(people, epsilon, delta, people is None or config.evaluate.tune_on == "people")


def _recording(path: Path) -> Path:
    """The path under which this process first met a recording: a copy of it holds the same people."""
    try:
        return _met.setdefault(str(source.sha256(source.of_file(path))), path)
    except ReticentError:  # each job says what is wrong with it
        return path.resolve()


def _composed(master: DictConfig, words: Sequence[str]) -> DictConfig:
    """A job's settings, as its launcher puts them together. master: what Hydra composed for the whole sweep."""
    return GlobalHydra.instance().config_loader().load_sweep_config(master, list(words))


def _public(path: Path) -> bool:
    try:
        return bool(source.split(source.of_file(path)).public)
    except ReticentError:  # each job says what is wrong with it
        return True
