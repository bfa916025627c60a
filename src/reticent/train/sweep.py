"""A sweep's folder → one table: what was varied, and mean and spread over seeds of what came out."""

import csv
import io
import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reticent.aggregate.journal import Status
from reticent.audit.report.wording import HUGE, simulated
from reticent.audit.report.wording import epsilon as rounded_up
from reticent.errors import FormatError
from reticent.train.folder import RunFolder
from reticent.train.settings import Settings, flat

FAILED = "failed.json"
PRIVATE = "private_ngram"
METRICS = {"top1": "top-1", "perplexity": "perplexity", "cell_top1": "cell top-1", "epsilon": "ε"}
_NO_SETTING = (
    "seed",
    "data.sha256",
    "engine.workers",
    "engine.cache_mb",
    "engine.device",
    "tracking.name",
    "tracking.folder",
)
_UNFINISHED = "it was stopped before its end; the same command goes on with it"


@dataclass(frozen=True, slots=True)
class Figure:
    """Over seeds. sd: of a sample, None where there is one run only."""

    mean: float
    sd: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure":
        return cls(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Runs that differ in nothing but their seed. values: of the sweep's settings. baseline: top-1 of the sweep's strongest.
    start: top-1 before any training. private: of counts at each run's own epsilon; None where devices trained."""

    values: tuple[Any, ...]
    seeds: tuple[int, ...]
    figures: Mapping[str, Figure]
    baseline: float
    start: float
    private: Figure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A job without results, and the sentence that says why."""

    job: str
    words: str
    sentence: str
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """settings: the names that differ between runs. common: those that don't. along: by a setting, those that differ with it and are
    left out. baseline: whose top-1 is highest on average. part: whom the runs are scored on, such as "validation". secure: whether any of them was in mode secure."""

    settings: tuple[str, ...]
    rows: tuple[Row, ...]
    failures: tuple[Failure, ...]
    common: Mapping[str, Any]
    baseline: str
    part: str
    simulated: bool
    secure: bool
    along: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def comparable(self) -> bool:
        """Whether all runs were scored on the same people: a baseline that was counted once differs otherwise."""
        return len({row.baseline for row in self.rows}) <= 1


def read_sweep(root: Path, *, words: Sequence[str] = ()) -> Sweep:
    """Every job whose folder lies in `root`, whichever command began it. Raises: FormatError for files of a job that are none.

    words: of the command line; those that stood in it as they are say nothing about a single job.
    """
    folders = sorted({path.parent for name in ("config.yaml", FAILED) for path in root.rglob(name)}, key=_by_number)
    done = [folder for folder in folders if (folder / "results.json").is_file()]
    runs = [(flat(RunFolder(folder).settings()), results_of(folder)) for folder in done]
    names = [name for name in dict.fromkeys(n for one, _ in runs for n in one) if name not in _NO_SETTING]
    swept = tuple(name for name in names if len({repr(one.get(name)) for one, _ in runs}) > 1)
    failures = tuple(one for folder in folders if (one := _failure(folder, root, words)) is not None)
    baseline = _strongest([results for _, results in runs])
    return Sweep(
        settings=swept,
        rows=_rows(runs, swept, baseline),
        failures=failures,
        common={name: runs[0][0].get(name) for name in names if name not in swept} if runs else {},
        baseline=baseline,
        part=" and ".join(sorted({results["scored"]["part"] for _, results in runs})),
        simulated=all(results["engine"] != "superlink" for _, results in runs),
        secure=any(one.get("privacy.mode") == "secure" for one, _ in runs),
    )


def condensed(sweep: Sweep) -> Sweep:
    """For a reader: what differs with a swept group's `name` between the same rows is left out, and the name says it all."""
    patterns = [_pattern([row.values[place] for row in sweep.rows]) for place in range(len(sweep.settings))]
    along: dict[str, tuple[str, ...]] = {}
    for name, pattern in zip(sweep.settings, patterns, strict=True):
        group = name.removesuffix("name")
        theirs = [other for other, same in zip(sweep.settings, patterns, strict=True) if same == pattern]
        if group != name and len(inside := [other for other in theirs if other.startswith(group)]) > 1:
            along[name] = tuple(other for other in inside if other != name)
    left_out = {other for others in along.values() for other in others}
    kept = [place for place, name in enumerate(sweep.settings) if name not in left_out]
    rows = [replace(row, values=tuple(row.values[place] for place in kept)) for row in sweep.rows]
    return replace(sweep, settings=tuple(sweep.settings[place] for place in kept), rows=_in_order(rows), along=along)


def _pattern(values: Sequence[Any]) -> list[int]:
    """Equal numbers for equal values."""
    texts = list(map(repr, values))
    return [texts.index(text) for text in texts]


def told_along(sweep: Sweep) -> list[str]:
    """A sentence for each setting that stands for others, too."""
    return [f"With {name} differ {', '.join(others)}: sweep.csv has them." for name, others in sweep.along.items()]


def keep_failure(folder: Path, words: Sequence[str], sentence: str, *, exit_code: int) -> None:
    """Leave in a job's folder why it has no results."""
    folder.mkdir(parents=True, exist_ok=True)
    value = {"words": " ".join(words), "sentence": sentence, "exit_code": exit_code}
    RunFolder(folder).write(FAILED, value)


def is_finished(folder: Path) -> bool:
    """Whether a job came to its end there: with results and a report, and without a failure that came after them."""
    run = RunFolder(folder)
    there = all(path.is_file() for path in (run.config, folder / "results.json", run.report))
    return there and not (folder / FAILED).exists()


def results_if_finished(settings: Settings, root: Path) -> dict[str, Any] | None:
    """What a run that ended left in `root`, which is then read and not written again; None where anything of it is to be done.

    Raises: SettingError for a run of other settings.
    """
    folder = RunFolder(root)
    if not (is_finished(root) and folder.model.is_file()):
        return None
    folder.begin(settings.pinned())
    if sum(line["status"] == Status.APPLIED for line in folder.lines()) != settings.server.rounds:
        return None
    try:
        return results_of(root)
    except FormatError:  # a run writes them anew
        return None


def forget_failure(folder: Path) -> None:
    """Before a job is tried again."""
    (folder / FAILED).unlink(missing_ok=True)


def table(sweep: Sweep) -> str:
    """For a terminal: a line for each of the settings, and one for each job that failed."""
    sweep = condensed(sweep)
    cells = [[*sweep.settings, "seeds", *METRICS.values(), "start", "private n-gram"]]
    cells += [
        [
            *map(shown, row.values),
            f"{len(row.seeds)}",
            *(spread(name, row.figures[name]) for name in METRICS),
            f"{row.start:.3f}",
            "-" if row.private is None else spread(PRIVATE, row.private),
        ]
        for row in sweep.rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
    if not sweep.rows:
        lines = []
    lines += ["", *told_along(sweep)] if sweep.along else []
    lines += [f"failed      job {one.job} ({one.words}): {one.sentence}" for one in sweep.failures]
    if sweep.rows and sweep.simulated:
        lines += ["", f"{simulated(secure=sweep.secure)}."]
    return "\n".join(lines)


def csv_text(sweep: Sweep) -> str:
    """The same table for programs, with the baseline beside it; a failed job has its words and its sentence."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    figures = [f"{name}_{part}" for name in METRICS for part in ("mean", "sd")]
    writer.writerow(
        [
            *sweep.settings,
            "runs",
            "seeds",
            *figures,
            "baseline",
            "baseline_top1",
            "start_top1",
            f"{PRIVATE}_top1",
            "failed",
        ]
    )
    for row in sweep.rows:
        values = [value for name in METRICS for value in (row.figures[name].mean, row.figures[name].sd)]
        seeds = " ".join(map(str, row.seeds))
        writer.writerow(
            [
                *row.values,
                len(row.seeds),
                seeds,
                *values,
                sweep.baseline,
                row.baseline,
                row.start,
                row.private and row.private.mean,
                "",
            ]
        )
    for one in sweep.failures:
        words = dict(word.lstrip("+").partition("=")[::2] for word in one.words.split())
        known = [words.get(name, "") for name in sweep.settings]
        said = f"{one.words}: {one.sentence}"
        writer.writerow([*known, 0, words.get("seed", ""), *[""] * (len(figures) + 4), said])
    return target.getvalue()


def shown(value: Any) -> str:
    """A setting's value in a table."""
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def spread(name: str, figure: Figure) -> str:
    """Mean, and standard deviation over seeds where there are several that differ."""
    if figure.mean >= HUGE:
        return f"{figure.mean:.1e}"
    if name == "epsilon":
        mean, digits, told = rounded_up(figure.mean), 2, figure.sd is not None and figure.sd >= 0.005
    else:
        mean, digits, told = f"{figure.mean:.3f}", 3, figure.sd is not None
    return f"{mean} ± {figure.sd:.{digits}f}" if told else mean


def _rows(
    runs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], swept: Sequence[str], baseline: str
) -> tuple[Row, ...]:
    groups: dict[str, list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = {}
    for settings, results in runs:
        group = groups.setdefault(repr([settings.get(name) for name in swept]), [])
        repeated = results["engine"] != "superlink" and results["seed"] in [other["seed"] for _, other in group]
        if not repeated:  # a simulation of the same seed is the same run, and says nothing about spread
            group.append((settings, results))
    rows = [
        Row(
            values=tuple(group[0][0].get(name) for name in swept),
            seeds=tuple(sorted(results["seed"] for _, results in group)),
            figures={name: Figure.of([_figure(results, name) for _, results in group]) for name in METRICS},
            baseline=group[0][1]["baselines"][baseline]["top1"],
            start=group[0][1]["start"]["top1"],
            private=_private([results["baselines"] for _, results in group]),
        )
        for group in groups.values()
    ]
    return _in_order(rows)


def _in_order(rows: Sequence[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: [_order(value) for value in row.values]))


def _private(baselines: Sequence[Mapping[str, Any]]) -> Figure | None:
    figures = [one[PRIVATE]["top1"] for one in baselines if PRIVATE in one]
    return Figure.of(figures) if figures else None


def results_of(folder: Path) -> dict[str, Any]:
    """results.json of a finished job; what a table shows are finite numbers. Raises: FormatError."""
    with _reading(folder / "results.json"):
        results: dict[str, Any] = json.loads((folder / "results.json").read_bytes())
        numbers = [_figure(results, name) for name in METRICS]
        numbers += [results["seed"], results["start"]["top1"], *(one["top1"] for one in results["baselines"].values())]
        if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
            raise ValueError
        if not all(isinstance(text, str) for text in (results["engine"], results["scored"]["part"])):
            raise TypeError
        if not set(results["baselines"]) - {PRIVATE}:
            raise KeyError
        return results


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise FormatError(f"{path} is not what a job of a sweep leaves; no table was written, the runs stay") from None


def _figure(results: Mapping[str, Any], name: str) -> float:
    value: float = results["epsilon"]["employee"]["server"]["zero_out"] if name == "epsilon" else results[name]
    return value


def _strongest(results: Sequence[Mapping[str, Any]]) -> str:
    every = [one["baselines"] for one in results]
    names = [name for name in every[0] if name != PRIVATE and all(name in one for one in every)] if every else []
    return max(names, key=lambda name: sum(one["baselines"][name]["top1"] for one in results), default="")


def _failure(folder: Path, root: Path, known: Sequence[str]) -> Failure | None:
    job = str(folder.relative_to(root))
    if (folder / FAILED).is_file():
        with _reading(folder / FAILED):
            kept = json.loads((folder / FAILED).read_bytes())
            if not (isinstance(kept["sentence"], str) and kept["exit_code"] in (1, 2)):
                raise ValueError
            kept["sentence"].encode()  # a lone half of a character is none
            told = [word for word in kept["words"].split() if word not in known]
            words = " ".join(told) or kept["words"]
            return Failure(job=job, words=words, sentence=kept["sentence"], exit_code=kept["exit_code"])
    if (folder / "results.json").is_file():
        return None
    settings = flat(RunFolder(folder).settings())
    return Failure(job=job, words=f"seed={settings['seed']}", sentence=_UNFINISHED, exit_code=1)


def _by_number(folder: Path) -> tuple[int, str]:
    return (int(folder.name) if folder.name.isdecimal() else -1, str(folder))


def _order(value: Any) -> tuple[int, float, str]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (1, float(value), "")
    return (0 if value is None else 2, 0.0, str(value))
