"""What the files of a run's folder hold, as frozen and validated types."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from reticent.actions.vocabulary import CELLS_X, CELLS_Y
from reticent.aggregate.journal import Status
from reticent.privacy.events import Adjacency, Mode, Unit
from reticent.records.record import Budget, Count, Index, Noise, Rate, Version1

Text = Annotated[str, Field(max_length=2_000)]
Epsilon = Annotated[float, Field(ge=0, le=1e9)]
Fraction = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0)]
Delta = Annotated[float, Field(ge=1e-100, lt=1)]


class Adversary(StrEnum):
    """Against whom a figure holds; as in `reticent.privacy.guarantees`."""

    SERVER = "server"
    RECIPIENT = "recipient"
    SOLO = "solo"


class Entry(BaseModel):
    """One object of a file. Fields that this release doesn't know are left out of the page."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False, hide_input_in_errors=True)


class Scores(Entry):
    """Metrics on some people; None: not scored. Distances are in cells of the frame."""

    top1: Fraction | None = None
    top3: Fraction | None = None
    perplexity: NonNegative | None = None
    cell_top1: Fraction | None = None
    cell_top3: Fraction | None = None
    cell_distance: NonNegative | None = None
    cell_distance_median: NonNegative | None = None


class Measured(Scores):
    """By people, on what they have. deviation: of the noise in each share; None where nothing can be told for it."""

    deviation: NonNegative | None = None


class Round(Entry):
    """A line of rounds.jsonl; see `reticent.aggregate.journal.RoundLine`."""

    plan_id: Text
    round: Annotated[int, Field(ge=-1)]
    status: Status
    weights_hash: Text
    new_weights_hash: Text | None
    asked: Index
    joined: Index
    released: Index
    stored: Index = 0
    abstained: Index
    dropped: dict[Text, Index]
    incidents: dict[Text, Text]
    bytes_received: Index
    clip_norm: NonNegative | None = None
    seconds_join: NonNegative
    seconds_train: NonNegative
    seconds: NonNegative
    metrics: Scores | None
    reason: Text | None


class Event(Entry):
    """What happened to one person `rounds` times: `steps` runs of a (sampled) Gaussian, never an epsilon."""

    unit: Unit
    adjacency: Adjacency
    mode: Mode
    clip_norm: NonNegative
    noise_multiplier: Noise
    sampling_rate: Rate
    steps: Count
    rounds: Count

    @property
    def runs(self) -> int:
        """How often the mechanism ran in all."""
        return self.steps * self.rounds


class Limits(Entry):
    """What one person may be charged in all, zero-out, against the server; None where there is no limit."""

    employee: Budget | None
    example: Budget | None

    def of(self, unit: Unit) -> float | None:
        return self.employee if unit is Unit.EMPLOYEE else self.example


class Figure(Entry):
    """One guarantee; `note` says what it rests on. windows: example level only, hidden together."""

    unit: Unit
    adversary: Adversary
    adjacency: Adjacency
    epsilon: Epsilon
    delta: Delta
    windows: Count | None = None
    note: Text


class Spent(Entry):
    """Zero-out epsilons after a round, of the person charged most often so far."""

    round: Index
    employee: dict[Adversary, Epsilon]
    example: dict[Adversary, Epsilon]


class Privacy(Entry):
    """privacy.json."""

    version: Version1
    mode: Mode
    simulated: bool
    assumptions: tuple[Text, ...]
    delta: Delta
    people: Count
    cohort: Count
    min_cohort: Count
    honest_devices: Count
    rounds_of_one_person: Index
    events: tuple[Event, ...]
    limits: Limits
    guarantees: tuple[Figure, ...]
    by_round: tuple[Spent, ...]


class Scored(Entry):
    """Whom the metrics were taken on."""

    part: Text
    people: Index
    examples: Index


def _quantiles(table: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    for row in table.values():
        for name in row:
            if not 0 <= float(name) <= 1:  # ValueError for what is no number, which pydantic expects of a validator
                raise ValueError("a quantile lies between 0 and 1")
    return table


Cells = Annotated[tuple[Fraction | None, ...], Field(min_length=CELLS_X, max_length=CELLS_X)]
Screen = Annotated[tuple[Cells, ...], Field(min_length=CELLS_Y, max_length=CELLS_Y)]


class Results(Scores):
    """results.json; the metrics at its top are those after the last round, on the people of `scored`.

    screen: of each cell of the frame, the part of the actions there whose place was right; None where nothing is said.
    """

    version: Version1
    engine: Text
    data: Text
    model: Text
    trainable: Text
    seed: int
    rounds: Index
    people: Count
    cohort: Count
    scored: Scored
    start: Scores
    baselines: dict[Text, Scores]
    within_person: Scores | None
    within_person_baselines: dict[Text, Scores] = Field(default_factory=dict)  # older runs have none
    measured: Measured | None = None
    per_person: Annotated[dict[Text, dict[Text, NonNegative | None]], AfterValidator(_quantiles)]
    screen: Screen | None = None
    seconds_per_round: NonNegative | None
    clients_per_second: NonNegative | None
    bytes_per_round: NonNegative | None
    peak_rss_mb: NonNegative | None
    device: Text


class LedgerCheck(Entry):
    """What `reticent audit verify` said about one device."""

    name: Text
    holds: bool
    lines: tuple[Text, ...]


class Audit(Entry):
    """audit.json: what the audits of real devices found."""

    ledgers: tuple[LedgerCheck, ...]
    reconciled: bool
    lines: tuple[Text, ...]
