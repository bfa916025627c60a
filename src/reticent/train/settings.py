"""What an experiment is asked for, as frozen types; what Hydra composed is checked here and goes no further."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from omegaconf import DictConfig, OmegaConf
from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from reticent.aggregate.centre import Aggregation, Mean
from reticent.aggregate.optimiser import Momentum, Optimiser
from reticent.errors import SettingError, printable
from reticent.model import catalogue
from reticent.recordings import source
from reticent.records.plain import PlainTraining
from reticent.records.plan import LocalTraining
from reticent.records.record import Budget, Count, Hash, Index, Noise, Positive, Record
from reticent.sim.actors import ADDRESS
from reticent.sim.clipping import AdaptiveClip, Clip, FixedClip

NOTHING = "nothing was trained"
MOST_ROUNDS = 10_000  # a report takes twice as many lines: a resume and an aborted round have one of their own
MOST_PEOPLE = 1_000_000
_TAG = re.compile(r"\b(learn|engine|tracking|server\.optimiser|server\.aggregation|privacy\.clip)\.[a-z_]+\.(?=[a-z_])")
"""Pydantic names which of several types it read."""


class Data(Record):
    """source: whose recordings. people: how many of its clients train; None takes all there are. path: of a recording, with
    source files, and None otherwise. sha256: what the first line of that recording gives; `Settings.pinned` fills it in."""

    TITLE: ClassVar[str] = "data setting"

    source: Literal["office", "drawn", "drawn-web", "files"]
    people: Annotated[int, Field(ge=1, le=MOST_PEOPLE)] | None
    path: str | None = None
    sha256: Hash | None = None

    @model_validator(mode="after")
    def _path_fits(self) -> Self:
        if (self.source == "files") != (self.path is not None):
            raise ValueError("data.source=files takes a recording's data.path, and no other source takes one")
        if self.sha256 is not None and self.path is None:
            raise ValueError("data.sha256 is a recording's, and there is no data.path")
        return self

    @property
    def origin(self) -> str:
        """The source, as `reticent.recordings.source` names it."""
        return self.source if self.path is None else source.of_file(Path(self.path))


class Model(Record):
    """name: of the catalogue, or registered by an installed package."""

    TITLE: ClassVar[str] = "model setting"

    name: str


class Learn(LocalTraining):
    """What a device does in one round; the example level. trainable: heads, or all for the trunk too."""

    TITLE: ClassVar[str] = "learn setting"

    trainable: Literal["heads", "all"]

    def training(self) -> LocalTraining:
        """The part that a plan carries beside `trainable`."""
        return LocalTraining(**{name: getattr(self, name) for name in LocalTraining.model_fields})


class Plain(PlainTraining):
    """The same without an example level: a window is protected by what the employee level implies. Simulations only."""

    TITLE: ClassVar[str] = "learn setting"

    trainable: Literal["heads", "all"]

    def training(self) -> PlainTraining:
        """The part that a plan carries beside `trainable`."""
        return PlainTraining(epochs=self.epochs, batch=self.batch, learning_rate=self.learning_rate)


def _learn_kind(value: Any) -> str:
    """Which of the two a group's values are meant for; whatever is wrong with them is said of that one."""
    found = value if isinstance(value, Mapping) else getattr(value, "__dict__", {})
    return "plain" if "epochs" in found else "private"


class Privacy(Record):
    """The employee level, and the limits of both.

    mode: local (each device adds the whole noise) or secure (shares add up; aggregation that hides them is assumed).
    epsilon: for the whole run, against the server, zero-out; the noise is calibrated for it. noise_multiplier: instead of
    epsilon, noise standard deviation / clip_norm of what the server sees. delta: of both. clip_norm: L2 bound of one
    update, in weight space. epsilon_example: limit for one training window over the whole run; None sets none. clip: whether
    clip_norm holds for all rounds, or is the first of those that follow the updates.
    """

    TITLE: ClassVar[str] = "privacy setting"

    mode: Literal["local", "secure"]
    epsilon: Budget | None
    noise_multiplier: Noise | None
    delta: Annotated[float, Field(ge=1e-100, lt=1)]
    clip_norm: Positive
    epsilon_example: Budget | None
    clip: Clip = FixedClip()

    @property
    def adaptive_clip(self) -> AdaptiveClip | None:
        return self.clip if isinstance(self.clip, AdaptiveClip) else None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.epsilon is None) == (self.noise_multiplier is None):
            raise ValueError("give either privacy.epsilon or privacy.noise_multiplier, and null for the other")
        return self


class Server(Record):
    """rounds: to train. cohort: people asked in a round; None asks everybody. min_cohort: fewest answers that count, and how
    many honest people noise is shared by in mode secure; None takes the whole cohort. optimiser: how a round's mean moves the
    weights; devices are not told. aggregation: the mean, or what stands in for it where single releases are hardly noised."""

    TITLE: ClassVar[str] = "server setting"

    rounds: Annotated[int, Field(ge=1, le=MOST_ROUNDS)]
    cohort: Count | None
    min_cohort: Count | None
    optimiser: Optimiser = Momentum()
    aggregation: Aggregation = Mean()


class InProcess(Record):
    """workers: processes of one thread; None takes one a core, or one that feeds the accelerator. cache_mb: for what workers
    keep of people, all together. device: where people train; cuda stacks them, auto tries both where CUDA is present."""

    TITLE: ClassVar[str] = "engine setting"

    name: Literal["inprocess"]
    workers: Annotated[int, Field(ge=1, le=1_024)] | None
    cache_mb: Count
    device: Literal["auto", "cpu", "cuda"] = "auto"


class Ray(Record):
    """address: of a cluster that this machine belongs to; None starts Ray on this machine. workers: actors of one core; None
    takes one a core of the cluster. cache_mb: for what actors keep of people, all together."""

    TITLE: ClassVar[str] = "engine setting"

    name: Literal["ray"]
    address: Annotated[str, Field(pattern=f"^{ADDRESS}$")] | None
    workers: Annotated[int, Field(ge=1, le=10_000)] | None
    cache_mb: Count


class Flower(Record):
    """workers: of Flower's actors on this machine; None takes one a core. cache_mb: for what they keep of people, all together."""

    TITLE: ClassVar[str] = "engine setting"

    name: Literal["flower"]
    workers: Annotated[int, Field(ge=1, le=1_024)] | None
    cache_mb: Count


class SuperLink(Record):
    """folder: of a server that is being served, with devices enrolled."""

    TITLE: ClassVar[str] = "engine setting"

    name: Literal["superlink"]
    folder: str


Simulation = InProcess | Ray | Flower
"""The engines whose people are simulated."""


class NoTracking(Record):
    """rounds.jsonl and results.json are all that is written."""

    TITLE: ClassVar[str] = "tracking setting"

    name: Literal["none"] = "none"


class TensorBoard(Record):
    """Scalars a round, in tensorboard/ of the run's folder."""

    TITLE: ClassVar[str] = "tracking setting"

    name: Literal["tensorboard"]


class MLflow(Record):
    """folder: an MLflow file store on this machine, made where it is missing."""

    TITLE: ClassVar[str] = "tracking setting"

    name: Literal["mlflow"]
    folder: str

    @field_validator("folder")
    @classmethod
    def _stays_here(cls, folder: str) -> str:
        if not folder or "://" in folder:
            raise ValueError("tracking.folder is a folder on this machine: no run is sent to an address")
        return folder


class Evaluate(Record):
    """part: whom results are about: people kept for tuning, or those of whom nothing is known before the end.

    private_epsilon: for one more release of each person, which measures the last model on their device, at the run's delta
    and in its mode; beside privacy.epsilon. None measures nothing. tune_on: whom a sweep, which chooses between its runs, may
    ask again and again: public or made-up people alone, or any.
    """

    TITLE: ClassVar[str] = "evaluate setting"

    part: source.Part = "test"
    private_epsilon: Budget | None = None
    tune_on: Literal["public", "people"] = "public"


class Settings(Record):
    """One experiment. seed: of everything that is drawn in a simulation; real devices draw from their own entropy."""

    TITLE: ClassVar[str] = "run"

    data: Data
    model: Model
    learn: Annotated[Annotated[Learn, Tag("private")] | Annotated[Plain, Tag("plain")], Discriminator(_learn_kind)]
    privacy: Privacy
    server: Server
    engine: Annotated[Simulation | SuperLink, Field(discriminator="name")]
    evaluate: Evaluate = Evaluate()
    tracking: Annotated[NoTracking | TensorBoard | MLflow, Field(discriminator="name")] = NoTracking()
    seed: Index

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        server = self.server
        if server.cohort is not None and self.data.people is not None and server.cohort > self.data.people:
            raise ValueError(f"server.cohort of {server.cohort:,} is more than the {self.data.people:,} people")
        if server.cohort is not None and server.min_cohort is not None and server.min_cohort > server.cohort:
            raise ValueError(f"server.min_cohort of {server.min_cohort:,} is more than the cohort of {server.cohort:,}")
        if isinstance(self.engine, SuperLink) and (self.data.people is not None or server.cohort is not None):
            raise ValueError("engine=superlink asks every enrolled device: data.people and server.cohort must be null")
        if isinstance(self.engine, SuperLink) and self.evaluate.part != "test":
            raise ValueError(
                "with engine=superlink the server scores rounds on test people: evaluate.part must be test"
            )
        if isinstance(self.engine, SuperLink) and self.privacy.adaptive_clip is not None:
            raise ValueError(
                "privacy.clip=adaptive is simulated only: a plan that devices sign up to has one clip norm; use privacy.clip=fixed"
            )
        self._robust()
        return self

    def _robust(self) -> None:
        """A robust centre needs single releases. How much noise it bears is `planned`'s to say."""
        name = self.server.aggregation.name
        if isinstance(self.server.aggregation, Mean):
            return
        if self.engine.name == "superlink":
            raise ValueError(
                f"server.aggregation={name} is simulated only: it bears far less noise than any device adds; use mean"
            )
        if self.privacy.mode != "local":
            raise ValueError(
                f"server.aggregation={name} needs single releases, and privacy.mode=secure shows sums only"
            )
        if self.privacy.adaptive_clip is not None:
            raise ValueError(f"server.aggregation={name} and privacy.clip=adaptive don't go together")

    @classmethod
    def of(cls, values: Mapping[Any, Any], *, unsaid: source.Part = "test") -> "Settings":
        """unsaid: whom results are about where evaluate.part is null. Raises: SettingError, naming the first setting that makes no sense; nothing was trained then."""
        named = {str(name): value for name, value in values.items()}
        asked, engine = named.get("evaluate"), named.get("engine")
        if isinstance(asked, Mapping) and asked.get("part", unsaid) is None:
            devices = isinstance(engine, Mapping) and engine.get("name") == "superlink"
            named["evaluate"] = {**asked, "part": "test" if devices else unsaid}
        try:
            settings = cls(**named)
        except SettingError as error:
            said = _TAG.sub(r"\1.", str(error))
            raise SettingError(f"{said.removesuffix('; nothing was written')}; {NOTHING}") from None
        catalogue.entry(settings.model.name)
        data, tracking = settings.data, settings.tracking  # their paths made whole: a resume may start elsewhere
        if data.path is not None:
            data = data.model_copy(update={"path": _whole(data.path)})
        if isinstance(tracking, MLflow):
            tracking = tracking.model_copy(update={"folder": _whole(tracking.folder)})
        return settings.model_copy(update={"data": data, "tracking": tracking})

    def pinned(self) -> Self:
        """With the hash of the recording that lies at data.path, so that a resume knows it again; as they are without one.

        Raises: SettingError where another lay there before; StateError or FormatError for what is no recording.
        """
        found = source.sha256(self.data.origin)
        if self.data.sha256 not in (None, found):
            raise SettingError(
                f"{self.data.path} is not the recording that this run began with, its SHA-256 is another; {NOTHING} and "
                "the run is unchanged"
            )
        return self.model_copy(update={"data": self.data.model_copy(update={"sha256": found})})


def _whole(path: str) -> str:
    try:
        return str(Path(path).resolve())
    except (OSError, RuntimeError, ValueError):  # links in a circle; a name that is none
        raise SettingError(f"{printable(path)[:200]} leads to no file or folder; {NOTHING}") from None


def settings_of(config: DictConfig, *, sweep: bool = False) -> Settings:
    """What Hydra composed, checked. sweep: whether it is one of many to choose from. Raises: SettingError; OmegaConfBaseException."""
    names = [str(name) for name in config if name != "hydra"]
    values = OmegaConf.to_container(OmegaConf.masked_copy(config, names), resolve=True, throw_on_missing=True)
    if not isinstance(values, dict):
        raise SettingError(f"the settings are no mapping of names to values; {NOTHING}")
    return Settings.of(values, unsaid="validation" if sweep else "test")


def flat(settings: Settings) -> dict[str, Any]:
    """group.name → value, as on the command line; however deep."""
    return dict(named(settings.to_value()))


def named(values: Mapping[str, Any], begin: str = "") -> Iterator[tuple[str, Any]]:
    """The same of values as a file holds them."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from named(value, f"{begin}{name}.")
        else:
            yield f"{begin}{name}", value
