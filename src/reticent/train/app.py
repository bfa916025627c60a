"""The Hydra application: from a command line to checked settings, and what a person sees while it runs."""

import contextlib
import io
import math
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from reticent.errors import InputError, ReticentError, SettingError, StateError
from reticent.train import completion
from reticent.train.early import begin_early
from reticent.train.folder import RunFolder
from reticent.train.groups import conf_folder
from reticent.train.refusals import first_sentence, no_option, refused
from reticent.train.settings import NOTHING, Settings, settings_of
from reticent.train.summary import describe, note, summary
from reticent.train.sweep import (
    forget_failure,
    is_finished,
    keep_failure,
    read_sweep,
    results_if_finished,
    results_of,
    table,
)
from reticent.train.sweeping import OWN_CONFIG, Begun, SweepRefused, begun, check_chosen, made

RESUME = "resume="
_OWN_CALLBACK = re.compile(r"[~+]*hydra(\.callbacks(\.sweep\b.*)?)?(=.*)?$")


def main(arguments: Sequence[str]) -> None:
    """Run one experiment, a sweep (`-m`), or go on with an earlier one (`resume=FOLDER`).

    Raises: SettingError for what Hydra can't compose and for settings that make no sense; what `run` raises.
    """
    if any(one.startswith(RESUME) for one in arguments):
        _resume(arguments)
    elif "--version" in arguments:  # Hydra would say its own
        print(f"reticent, version {version('reticent')}")
    elif completion.is_asked(arguments) and not completion.is_query(arguments):
        completion.install(arguments)
    else:
        completion.prepare_query(arguments)
        _compose(arguments)


def _compose(arguments: Sequence[str]) -> None:
    """Let Hydra put the settings together and call the experiment, once or for each of a sweep."""
    arguments = sorted(arguments, key=_is_override)  # argparse takes no option amid them
    if any(_is_override(word) and _OWN_CALLBACK.match(word) for word in arguments):
        raise SettingError(f"hydra.callbacks.sweep stays as it is: it tells which jobs of a sweep failed; {NOTHING}")
    parser = get_args_parser()
    parser.error = _refuse  # type: ignore[method-assign, assignment]
    trouble: list[Exception] = []
    entered: list[bool] = []

    def experiment(config: DictConfig) -> float | None:
        entered.append(True)
        if HydraConfig.get().mode is RunMode.MULTIRUN:
            return _job(config)
        try:
            if not str(HydraConfig.get().run.dir):
                raise SettingError(f"hydra.run.dir takes a folder, and . is this one; {NOTHING}")
            if HydraConfig.get().output_subdir is not None:
                raise SettingError(f"hydra.output_subdir must be null: {OWN_CONFIG}; {NOTHING}")
            return _experiment(config)
        except (ReticentError, OmegaConfBaseException, OSError) as error:
            _unmake(*made)
            trouble.append(error)  # raised, Hydra would print the whole command line before it
            return None
        except KeyboardInterrupt:
            _unmake(*made)
            _note_resume(Path(HydraConfig.get().runtime.output_dir))
            raise

    application = hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="train")(experiment)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # or Hydra prints what went wrong and exits by itself
    before, sys.argv = sys.argv, ["reticent train", *arguments]
    sweeps, said = len(begun), io.StringIO()
    stopped: Exception | None = None
    try:
        package = parser.parse_args(list(arguments)).package
        with contextlib.redirect_stderr(said) if package else contextlib.nullcontext():
            application()
    except SystemExit as end:  # after --help, --version, or what --package can't show
        if end.code:
            _refuse(said.getvalue().strip())
        return
    except KeyboardInterrupt:
        _unmake_sweeps(begun[sweeps:])
        for sweep in begun[sweeps:]:
            if sweep.goes_on and sweep.root.exists():
                note(f"stopped; the same command with hydra.sweep.dir={sweep.root} goes on with this sweep")
        raise
    except BrokenPipeError:  # whoever read the output has enough
        raise
    except SweepRefused as refusal:
        error = refusal.error
        if isinstance(error, ReticentError | HydraException | OmegaConfBaseException):
            raise refused(error) from None
        raise (no_option(error, arguments, conf_folder()) or error) from None
    except (ReticentError, HydraException, OmegaConfBaseException) as error:
        stopped = refused(error)
        if len(begun) == sweeps:
            raise stopped from error
    except Exception as error:
        wrong = no_option(error, arguments, conf_folder())
        if len(begun) == sweeps:
            if wrong is None and entered:
                raise  # a fault of this program
            raise wrong or SettingError(
                f"Hydra can't begin with these words: {first_sentence(error)}; {NOTHING}"
            ) from error
        stopped = wrong or error  # by a launcher or a sweeper: what goes wrong in a job stays in its folder
    finally:
        sys.argv = before
    if trouble:
        raise trouble[0] if isinstance(trouble[0], OSError) else refused(trouble[0])
    found = [_end_sweep(sweep) for sweep in begun[sweeps:]]
    if not any(found):  # no job began
        _unmake_sweeps(begun[sweeps:])
    if stopped is not None and not any(found):
        if isinstance(stopped, ReticentError):
            raise stopped
        raise SettingError(f"the sweep can't begin: {first_sentence(stopped)}; {NOTHING}") from stopped
    if stopped is not None:
        why = first_sentence(stopped).removesuffix(f"; {NOTHING}")
        raise StateError(f"the sweep was stopped: {why}; what had finished stays") from stopped
    if not all(found):
        raise SettingError(
            f"no job of the sweep lies in {begun[-1].root}: it had none, or hydra.sweep.subdir leads elsewhere"
        )


def _is_override(word: str) -> bool:
    return word.startswith(("+", "~")) or ("=" in word and not word.startswith("-"))


def _job(config: DictConfig) -> float:
    """One job of a sweep, in whichever process: what goes wrong is kept in its folder, and the others go on.

    Returns: what a sweeper makes small, the perplexity; infinity where there is none, for Optuna gives up at NaN.
    """
    root, words = Path(HydraConfig.get().runtime.output_dir), HydraConfig.get().overrides.task
    finished = is_finished(root)
    forget_failure(root)
    try:
        if finished:  # the sweep goes on, and this job has nothing left to do
            return _finished(settings_of(config, sweep=True), root)
        return _experiment(config)
    except (ReticentError, OmegaConfBaseException) as error:
        said = refused(error)
        keep_failure(root, words, str(said), exit_code=said.exit_code)
    except Exception as error:
        traceback.print_exc()
        keep_failure(root, words, f"{type(error).__name__}, which is a fault of this program", exit_code=1)
    return math.inf


def _end_sweep(begun: Begun) -> bool:
    """The table and the plot over all jobs in the folder; whether there were any. Raises: what the first job without results said."""
    from reticent.train.sweep_page import write_sweep  # matplotlib takes its time

    sweep = read_sweep(begun.root, words=begun.words)
    if not sweep.rows and not sweep.failures:
        return False
    names = write_sweep(begun.root, sweep)
    print(f"\n{table(sweep)}\n\n{', '.join(names)} in {begun.root}", flush=True)
    for one in sweep.failures:
        error = InputError if one.exit_code == InputError.exit_code else ReticentError
        raise error(f"job {one.job} of the sweep has no results: {one.sentence}")
    return True


def _experiment(config: DictConfig) -> float:
    root = Path(HydraConfig.get().runtime.output_dir)
    alone = "BasicLauncher" in str(HydraConfig.get().launcher)
    sweep = HydraConfig.get().mode is RunMode.MULTIRUN
    settings = settings_of(config, sweep=sweep)
    if sweep:
        check_chosen(HydraConfig.get(), settings)
    return float(_run(settings, root, alone=alone, noted=_note_once if sweep else note)["perplexity"])


def _finished(settings: Settings, root: Path) -> float:
    """As `_experiment`, of a job that lies there. Raises: SettingError where its settings are others, FormatError."""
    RunFolder(root).begin(settings.pinned())
    results = results_of(root)
    print(f"{root} is finished; what each figure rests on: {RunFolder(root).report}", flush=True)
    return float(results["perplexity"])


def _unmake_sweeps(sweeps: Sequence[Begun]) -> None:
    """Those that hold no job."""
    for sweep in sweeps:
        if not any(one.is_dir() for one in sweep.root.glob("*")):
            _unmake(*sweep.made)


def _unmake(*made: Path) -> None:
    """Hydra makes a run's folder, and a sweep's with its own file, before anything is checked; what else holds anything stays.

    made: what was not there before, the deepest first.
    """
    for path in made:
        with contextlib.suppress(OSError):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()


def _resume(arguments: Sequence[str]) -> None:
    if len(arguments) != 1:
        raise SettingError(f"resume=FOLDER goes on with that run's own settings and takes no others; {NOTHING}")
    folder = arguments[0].removeprefix(RESUME)
    if not folder:
        raise SettingError(f"resume=FOLDER takes the folder of a run; {NOTHING}")
    root = Path(folder)
    try:
        _run(RunFolder(root).settings(), root)
    except KeyboardInterrupt:
        _note_resume(root)
        raise


def _run(
    settings: Settings, root: Path, *, alone: bool = True, noted: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """alone: whether no other run writes to the same terminal at the same time."""
    found = results_if_finished(settings, root)
    if found is not None:
        print(f"{summary(found, root)}\n{root} was finished before; nothing was trained or written", flush=True)
        return found
    begin_early(settings)
    from rich.console import Console

    from reticent.train.live import LiveLine
    from reticent.train.run import run

    console = Console(stderr=True)
    live = alone and console.is_terminal and not console.is_dumb_terminal
    told = _show if console.is_terminal and not live else _nothing
    results = run(settings, root, told=told, noted=noted or note, watches=[LiveLine(console)] if live else [])
    print(summary(results, root), flush=True)
    return results


def _show(line: Mapping[str, Any]) -> None:
    print(describe(line), file=sys.stderr, flush=True)


def _note_resume(root: Path) -> None:
    """After an interruption, if anything lies there to go on with."""
    if RunFolder(root).config.exists():
        note(f"stopped; `reticent train resume={root}` goes on from the last round")


_note_once = cache(note)  # jobs of a sweep that differ in their seed alone say the same


def _nothing(line: Mapping[str, Any]) -> None:
    pass


def _refuse(message: str) -> None:
    raise InputError(f"{message} (see 'reticent train --help'); {NOTHING}")
