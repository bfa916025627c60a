"""A run's folder → one frozen value, or one sentence that names the file and says what is wrong with it."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from reticent.aggregate.journal import Status
from reticent.audit.report.files import Audit, Entry, Privacy, Results, Round
from reticent.errors import FormatError, NewerFormatError, StateError, printable
from reticent.records.files import read_regular

KNOWN_VERSION = 1
LIMIT_BYTES = 16 << 20
CONFIG_LIMIT_BYTES = 256 << 10
ROUNDS_LIMIT_BYTES = 64 << 20
MOST_LINES = 20_000

T = TypeVar("T", bound=Entry)
_NOT_WRITTEN = "no report was written"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The files of one run. config: the text as it stands there. simulation: the same plan for more people."""

    config: str
    rounds: tuple[Round, ...]
    privacy: Privacy
    results: Results
    audit: Audit | None
    simulation: "Run | None"

    @property
    def simulated(self) -> bool:
        """Whether no real device took part; whatever ran in one process counts as that."""
        return self.privacy.simulated or self.results.engine != "superlink"

    @property
    def tried(self) -> tuple[Round, ...]:
        """Every attempt at a round that came to its end, without the public start."""
        return tuple(one for one in self.rounds if one.status in (Status.APPLIED, Status.ABORTED))

    @property
    def applied(self) -> tuple[Round, ...]:
        return tuple(one for one in self.rounds if one.status is Status.APPLIED)


def read_run(folder: Path) -> Run:
    """Read and validate every file of `folder`, its simulation/ too.

    Raises: StateError for a missing or unreadable file, FormatError for one that isn't what it claims, NewerFormatError.
    """
    simulation = folder / "simulation"
    larger = _read(simulation, None) if simulation.exists() else None
    if larger and not larger.simulated:
        raise FormatError(f"{_shown(simulation / 'privacy.json')} says that it was no simulation; {_NOT_WRITTEN}")
    return _read(folder, larger)


def _read(folder: Path, simulation: Run | None) -> Run:
    if not folder.is_dir():
        raise StateError(f"{printable(str(folder))} is not a folder of a run; {_NOT_WRITTEN}")
    audit = folder / "audit.json"
    return Run(
        config=_text(folder / "config.yaml", limit_bytes=CONFIG_LIMIT_BYTES),
        rounds=_rounds(folder / "rounds.jsonl"),
        privacy=_object(folder / "privacy.json", Privacy),
        results=_object(folder / "results.json", Results),
        audit=_object(audit, Audit) if audit.exists() or audit.is_symlink() else None,
        simulation=simulation,
    )


def _rounds(path: Path) -> tuple[Round, ...]:
    text = _text(path, limit_bytes=ROUNDS_LIMIT_BYTES)
    if not text.endswith("\n"):
        raise FormatError(f"{_shown(path)} is {'cut off in its last line' if text else 'empty'}; {_NOT_WRITTEN}")
    lines = text.split("\n")[:-1]
    if len(lines) > MOST_LINES:
        raise FormatError(f"{_shown(path)} has more than {MOST_LINES:,} lines; {_NOT_WRITTEN}")
    rounds = tuple(_parsed(line, path, Round, line=number) for number, line in enumerate(lines, start=1))
    if len({one.plan_id for one in rounds}) > 1:
        raise FormatError(f"{_shown(path)} mixes rounds of several plans; {_NOT_WRITTEN}")
    if any(later < earlier for earlier, later in pairwise(one.round for one in rounds)):
        raise FormatError(f"{_shown(path)} has rounds out of order; {_NOT_WRITTEN}")
    return rounds


def _object(path: Path, form: type[T]) -> T:
    return _parsed(_text(path, limit_bytes=LIMIT_BYTES), path, form)


def _text(path: Path, *, limit_bytes: int) -> str:
    try:
        data = read_regular(path, what="run's file", limit_bytes=limit_bytes)
        return data.decode()
    except StateError as error:
        raise StateError(f"{printable(str(error)).split(';')[0]}; {_NOT_WRITTEN}") from None
    except UnicodeDecodeError:
        raise FormatError(f"{_shown(path)} is not UTF-8 text; {_NOT_WRITTEN}") from None


def _parsed(text: str, path: Path, form: type[T], *, line: int | None = None) -> T:
    where = _shown(path) if line is None else f"line {line} of {_shown(path)}"
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError:
        raise FormatError(f"{where} is not JSON, or holds NaN or infinity; {_NOT_WRITTEN}") from None
    version = value.get("version") if isinstance(value, dict) else None
    if type(version) is int and version > KNOWN_VERSION:
        raise NewerFormatError(
            f"{where} has version {version}, this release reads up to version {KNOWN_VERSION}; {_NOT_WRITTEN}; "
            "a newer release of reticent is needed"
        )
    try:
        return form.model_validate_json(text)
    except ValidationError as error:
        raise FormatError(f"{where} is wrong in {_complaint(error)}; {_NOT_WRITTEN}") from None


def _complaint(error: ValidationError) -> str:
    """The first wrong field, shortened; never its value."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = printable(".".join(map(str, first["loc"])) or "its whole")[:60]
    return f"{field}: {printable(first['msg'])[:200].rstrip('.')}"


def _shown(path: Path) -> str:
    return printable(str(path))
