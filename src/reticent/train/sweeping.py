"""Before a sweep begins: where it lies, whether each of its jobs makes sense, and what they together cost people who are not public."""

import itertools
import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from reticent.errors import ReticentError, SettingError
from reticent.privacy.grid import release_epsilon, release_mu
from reticent.recordings import source
from reticent.train.folder import RunFolder
from reticent.train.planning import planned_of
from reticent.train.refusals import refused
from reticent.train.settings import NOTHING, Settings, SuperLink, flat, settings_of

_NUMBERED = "${hydra.job.num}"  # Hydra's own default of hydra.sweep.subdir
OWN_CONFIG = "a run's own config.yaml holds its settings"
_COUNTS = ("max_batch_size", "n_jobs", "n_trials")  # of sweepers
MOST_JOBS = 10_000
MOST_CHOICES = 1_024  # of a sweeper that chooses, looked at before it does
_ASKING = ("data", "evaluate", "engine", "experiment", "privacy", "server")
ALL_THE_SAME = "evaluate.tune_on=people asks them all the same"


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
    """What one run asks of whom. mu: of the whole run as one Gaussian release, against the server, zero-out. people: None where they
    are public or made up. allowed: whether the settings let a sweep ask them."""

    people: str | None
    mu: float
    delta: float
    allowed: bool = False


_asked: Counter[Charge] = Counter()  # by runs of this process that no sweep began


class SweepRefused(BaseException):
    """No job of it began. Hydra makes a warning of what a callback raises, but for this. error: ours, Hydra's, or a fault of this program."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class SweepBegins(Callback):
    """conf/train.yaml names it."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        root = Path(str(config.hydra.run.dir))
        made[:] = missing(root)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Raises: SweepRefused for a job that makes no sense, for people who are not public, unless the settings allow it, for a folder
        that holds another sweep, and for settings of Hydra's that would hide or mix up jobs."""
        try:
            _begin(config)
        except Exception as error:
            raise SweepRefused(error) from error


def _begin(config: DictConfig) -> None:
    words, sweep, sweeper = tuple(config.hydra.overrides.task), config.hydra.sweep, config.hydra.sweeper
    if not str(sweep.dir):
        raise SettingError(f"hydra.sweep.dir takes a folder, and . is this one; {NOTHING}")
    if config.hydra.output_subdir is not None:
        raise SettingError(f"hydra.output_subdir must be null: {OWN_CONFIG}; {NOTHING}")
    for name in _COUNTS:
        if sweeper.get(name) is not None and sweeper[name] < 1:
            raise SettingError(f"hydra.sweeper.{name} must be 1 at least; {NOTHING}")
    if "maximize" in str(sweeper.get("direction")):  # of a sweeper that chooses: one, or a list of them
        raise SettingError(f"hydra.sweeper.direction must be minimize: a run returns its perplexity; {NOTHING}")
    root, trials = Path(str(sweep.dir)), trials_of(config.hydra)
    varied = [f"{name}={value}" for name, value in (sweeper.get("params") or {}).items()]
    each = jobs([*varied, *words], chosen=trials is not None)
    named: Any = OmegaConf.to_container(sweep, resolve=False)
    if named["subdir"] == _NUMBERED:
        _check_folders(root, each if trials is None else [()] * trials, config, chosen=trials is not None)
    own = frozenset(word for job in each for word in job) - set(words)
    look = cache(partial(_look, config, varied=own))
    charges = [look(without_seed(job)) for job in each]
    for word in {word for job in each for word in job if _is_seed(word)}:
        look((*without_seed(each[0]), word))
    said = told(Counter(charges) if trials is None else most(charges, trials))
    if said is not None and not all(one.allowed for one in charges):
        raise SettingError(f"{said}; {ALL_THE_SAME}; {NOTHING}")
    launched_apart = "submitit" in str(config.hydra.launcher)  # such jobs live on
    goes_on = trials is None and not launched_apart
    begun.append(Begun(root, words, missing(root / "multirun.yaml"), goes_on))
    if said is not None:
        print(f"note        {said}", file=sys.stderr, flush=True)


def trials_of(config: Any) -> int | None:
    """Of a sweeper that chooses settings as it goes, how many jobs it begins at most; None for one that is told them all. config: Hydra's own."""
    sweeper = config.sweeper
    if str(sweeper.get("_target_")).endswith(".BasicSweeper"):
        return None
    trials: int | None = sweeper.get("n_trials")
    return MOST_JOBS if trials is None else trials


def check_chosen(config: Any, settings: Settings) -> None:
    """Of a job whose settings a sweeper chose. Raises: SettingError where its people may not be asked again and again."""
    if (trials_of(config) or 0) < 2:
        return
    charge = _charge_of(settings)
    if charge.people is not None and not charge.allowed:
        raise SettingError(
            f"a sweep would choose between runs on {charge.people}, who are not public; {ALL_THE_SAME}; {NOTHING}"
        )


def missing(path: Path) -> tuple[Path, ...]:
    """What of a path is not there yet, the deepest first."""
    return tuple(one for one in (path, *path.parents) if not one.exists())


def jobs(words: Sequence[str], *, chosen: bool = False) -> list[tuple[str, ...]]:
    """The words of each job. chosen: by a sweeper as it goes: some that it may choose, among them each value, ranges by their ends, and
    each combination of those that say who is asked for how much.

    Raises: SettingError for more than this program looks at before the first one begins.
    """
    overrides = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader()).parse_overrides(
        list(words)
    )
    if chosen:
        return _chosen(overrides)
    number = math.prod(map(_values, overrides))
    if number > MOST_JOBS:
        raise SettingError(f"this sweep has {number:,} jobs, and {MOST_JOBS:,} are the most; {NOTHING}")
    return [tuple(job) for job in BasicSweeper.split_arguments(overrides, None)[0]]


def _chosen(overrides: Sequence[Override]) -> list[tuple[str, ...]]:
    each = {one.get_key_element(): _choices(one) for one in overrides}
    asking = [name for name in each if name.lstrip("+").partition(".")[0].partition("/")[0] in _ASKING]
    number = math.prod(len(each[name]) for name in asking)
    if number > MOST_CHOICES:
        raise SettingError(
            f"this sweep chooses from more than {MOST_CHOICES:,} combinations of who is asked for how much, and each is looked at before it "
            f"begins: give ranges, or fewer choices; {NOTHING}"
        )
    if not all(each.values()):
        return []
    combined = list(itertools.product(*(each[name] for name in asking)))
    found = []
    for place in range(max(number, *map(len, each.values()), 1)):
        words = {name: values[place % len(values)] for name, values in each.items()}
        words |= dict(zip(asking, combined[place % number], strict=True))
        found.append(tuple(words.values()))
    return found


def _values(override: Override) -> int:
    """How many a word has."""
    value = override.value()
    if isinstance(value, ChoiceSweep):
        return len(value.list)
    if isinstance(value, RangeSweep) and value.start is not None and value.stop is not None and value.step:
        return max(0, math.ceil((value.stop - value.start) / value.step))
    return 1


def _choices(override: Override) -> list[str]:
    """A word that stands for several, as several: of numbers between two ends, the ends."""
    value, key = override.value(), override.get_key_element()
    if isinstance(value, IntervalSweep):
        return [f"{key}={end}" for end in (value.start, value.end)]
    if isinstance(value, RangeSweep):
        return [f"{key}={end}" for end in (value.start, value.stop)]
    if override.is_sweep_override():
        return [f"{key}={one}" for one in override.sweep_string_iterator()]
    return [str(override.input_line)]


def without_seed(job: Sequence[str]) -> tuple[str, ...]:
    """Runs that differ in their seed alone ask the same of the same people."""
    return tuple(word for word in job if not _is_seed(word))


def _is_seed(word: str) -> bool:
    return word.lstrip("+").startswith("seed=")


def most(charges: Sequence[Charge], trials: int) -> Counter[Charge]:
    """So many runs on whichever people are chosen, each at the most that any of them asks."""
    worst: dict[str | None, Charge] = {}
    for one in charges:
        worst[one.people] = max(worst.get(one.people, one), one, key=lambda charge: charge.mu)
    return Counter(dict.fromkeys(worst.values(), trials))


def _check_folders(root: Path, jobs: Sequence[tuple[str, ...]], config: DictConfig, *, chosen: bool) -> None:
    """Jobs are numbered in the order of their words: with other words, a number would mean another run. Raises: SettingError.

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
            raise refused(error) from None
        other = next((name for name in (there | here) if there.get(name) != here.get(name)), None)
        if chosen or other is not None:
            which = "" if chosen else f" ({other} is {there.get(str(other))} there and {here.get(str(other))} here)"
            raise SettingError(
                f"{folder.root} holds a run with other settings than job {number} of this sweep{which}; give it a folder of its own "
                f"(hydra.sweep.dir={root}/more is one, and counts as part of this one later); {NOTHING} and what lies there is unchanged"
            )


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
        yield told(same + Counter([charge]))
    finally:
        if folder.config.exists():
            _asked[charge] += 1


def told(asked: Counter[Charge]) -> str | None:
    """What runs together cost people who are not public, as one sentence; None where nobody is asked twice.

    Gaussian releases compose exactly: their squared strengths add up (docs/adr/0002-discrete-gaussian-slack.md has the slack).
    """
    whom = Counter[str]()
    for one, number in asked.items():
        if one.people is not None:
            whom[one.people] += number
    if not whom or max(whom.values()) < 2:
        return None
    people, runs = whom.most_common(1)[0]
    theirs = {one: number for one, number in asked.items() if one.people == people}
    delta = max(one.delta for one in theirs)
    each = release_epsilon(max(one.mu for one in theirs), delta=delta)
    together = release_epsilon(math.hypot(*(math.sqrt(number) * one.mu for one, number in theirs.items())), delta=delta)
    return (
        f"{runs:,} runs on {people}, who are not public, cost them at most epsilon {_upward(each):g} each and {_upward(together):.2f} together "
        f"(one person, delta {delta:g}), and the choice between runs is not private by itself; tune on data=office or data=drawn, and run once on people"
    )


def _upward(epsilon: float) -> float:
    return math.ceil(100 * epsilon) / 100


def _look(master: DictConfig, words: tuple[str, ...], *, varied: frozenset[str]) -> Charge:
    """At one job before any begins. varied: words that not every job has. Raises: whatever says that it makes no sense."""
    try:
        settings = settings_of(_composed(master, words), sweep=True)
        source.split(settings.data.origin).part(settings.evaluate.part)  # refused where there is nobody to choose by
        return _charge_of(settings)
    except (ReticentError, HydraException, OmegaConfBaseException) as error:
        own = " ".join(word for word in words if word in varied)
        if not own:
            raise
        said = refused(error)
        raise type(said)(f"the job with {own} can't run: {said}") from error


def _charge_of(settings: Settings) -> Charge:
    """Raises: SettingError where the settings don't make a plan for these people."""
    privacy, more = settings.privacy, settings.evaluate.private_epsilon
    people = None
    if isinstance(settings.engine, SuperLink):  # each device in every round, and how many there are shows later
        people = f"the devices of {settings.engine.folder}"
        noise = math.sqrt(settings.server.rounds) / (privacy.noise_multiplier or 1.0)
        mu = noise if privacy.epsilon is None else release_mu(epsilon=privacy.epsilon, delta=privacy.delta)
    else:
        mu = planned_of(settings)[1].server_mu
        if settings.data.path is not None and not source.split(settings.data.origin).public:
            people = f"the people of {_recording(Path(settings.data.path))}"
    if more is not None:
        mu = math.hypot(mu, release_mu(epsilon=more, delta=privacy.delta))
    return Charge(people, mu, privacy.delta, people is None or settings.evaluate.tune_on == "people")


def _recording(path: Path) -> Path:
    """The path under which this process first met a recording: a copy of it holds the same people."""
    try:
        return _met.setdefault(str(source.sha256(source.of_file(path))), path)
    except ReticentError:  # each job says what is wrong with it
        return path.resolve()


def _composed(master: DictConfig, words: Sequence[str]) -> DictConfig:
    """A job's settings, as its launcher puts them together. master: what Hydra composed for the whole sweep."""
    return GlobalHydra.instance().config_loader().load_sweep_config(master, list(words))
