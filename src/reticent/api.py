"""What a researcher calls from Python: run an experiment, bring a model, ask what a setting costs.

The same experiments as `reticent train`, by the same words; the same folder of results.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reticent.errors import SettingError, StateError

if TYPE_CHECKING:
    from torch import nn

    from reticent.model.own import Model

RESUME = "resume="


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run. print() shows what the command line shows.

    folder: with config.yaml, rounds.jsonl, results.json, privacy.json, report.html, model.safetensors and checkpoint/.
    results: what results.json holds. rounds: the lines of rounds.jsonl, the public start first.
    """

    folder: Path
    results: dict[str, Any]
    rounds: tuple[dict[str, Any], ...]

    def __repr__(self) -> str:
        return f"<Run in {self.folder}>"

    def __str__(self) -> str:
        from reticent.train.summary import summary

        return summary(self.results, self.folder)

    @property
    def epsilon(self) -> dict[str, dict[str, dict[str, float | None]]]:
        """By unit, adversary and adjacency: run.epsilon["employee"]["server"]["zero_out"]."""
        found: dict[str, dict[str, dict[str, float | None]]] = self.results["epsilon"]
        return found

    @property
    def report(self) -> Path:
        """One page to open in a browser, offline."""
        return self.folder / "report.html"

    @property
    def model(self) -> Path:
        """The trained weights, for `reticent evaluate`."""
        return self.folder / "model.safetensors"


def run(
    *overrides: str, folder: str | Path | None = None, told: Callable[[Mapping[str, Any]], None] = lambda line: None
) -> Run:
    """Run one experiment to its end, and keep everything in `folder`.

    overrides: the words of `reticent train`, such as "data=drawn", "privacy.epsilon=8"; or "resume=FOLDER" alone, which goes
    on with a run that was interrupted, or reads one that ended. folder: new, or of the very same settings.
    told: gets each line of rounds.jsonl as it is written, for a progress bar or a plot. What the command notes, such as what this and earlier
    runs of this process cost people who are not public together, goes to stderr as there.
    Several workers are processes: a script calls this below `if __name__ == "__main__":`; a notebook needs no such line.
    Raises: InputError before anything is trained, RoundAborted.
    """
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")  # before flwr is imported: it must not call home
    os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")
    try:
        from reticent.train.compose import composed
        from reticent.train.early import begin_early
        from reticent.train.folder import RunFolder
        from reticent.train.sweep import results_if_finished
    except ModuleNotFoundError as missing:
        raise StateError(
            f"running an experiment needs the package {missing.name}: pip install 'reticent[research,server]'; nothing was trained"
        ) from None
    if not all(isinstance(word, str) for word in overrides) or not isinstance(folder, str | Path | None):
        raise SettingError(
            "a run takes settings as words, each a str, and its folder as a str or Path; nothing was trained"
        )
    if not callable(told):
        raise SettingError("told is called with each line of rounds.jsonl; nothing was trained")
    resumed = [word for word in overrides if word.startswith(RESUME)]
    shape = (len(resumed), len(overrides), folder is None)
    if shape not in ((1, 1, True), (0, len(overrides), False)) or RESUME in resumed or folder == "":
        raise SettingError(
            'a run takes a folder and settings, or "resume=FOLDER" and nothing else; nothing was trained'
        )
    root = Path(resumed[0].removeprefix(RESUME)) if folder is None else Path(folder)
    settings = RunFolder(root).settings() if resumed else composed(overrides)
    found = results_if_finished(settings, root)
    if found is not None:
        return Run(folder=root, results=found, rounds=tuple(RunFolder(root).lines()))
    begin_early(settings)
    from reticent.train.run import run as play
    from reticent.train.summary import note
    from reticent.train.sweeping import counted

    with counted(settings, RunFolder(root)) as together:
        if together is not None:
            note(together)
        play(settings, root, told=told, noted=note)
    results = json.loads((root / "results.json").read_bytes())
    return Run(folder=root, results=results, rounds=tuple(RunFolder(root).lines()))


def make_model(trunk: "nn.Module", weights: str | Path, *, data: str = "drawn") -> "Model":
    """Give a trunk its public start: statistics of its features and linear heads, fitted to public people without privacy.

    trunk: a torch module whose class stands in a module, is made without arguments, and maps `Inputs` of n examples to their
    `Features`; it neither mixes examples nor keeps buffers. Its weights stay as they are: train them first, on public data
    only. weights: the file to write. data: office, web, drawn, drawn-web, or the path of a recording; its public people are read.
    Returns: the declaration, for `register` or for a package. Raises: SettingError for a trunk that breaks these rules.
    """
    from reticent.model.bringing import write_model
    from reticent.model.fitting import FIXED_EXAMPLES
    from reticent.model.pools import together
    from reticent.recordings import source

    name = source.named(data)
    people = source.split(name).public
    if not people:
        raise SettingError(f"{data} has no public people to fit a model to; use drawn or office; nothing was written")
    public = source.pools(name, people, examples=FIXED_EXAMPLES)
    return write_model(trunk, Path(weights), together(public))


def epsilon(*, noise_multiplier: float, steps: int, delta: float, sampling_rate: float = 1.0) -> float:
    """What a Gaussian mechanism costs that runs `steps` times, zero-out: the figure of record of `reticent privacy epsilon`.

    Raises: SettingError; IntegrityError, if accountants contradict each other.
    """
    from reticent.errors import IntegrityError
    from reticent.privacy.accountants import epsilon as account
    from reticent.privacy.events import Adjacency, asked

    event = asked(noise_multiplier=noise_multiplier, sampling_rate=sampling_rate, steps=steps)
    spent = account([event], delta=delta, adjacency=Adjacency.ZERO_OUT, names=("exact", "pld", "rdp"))
    if spent.disagreements:
        raise IntegrityError("; ".join(spent.disagreements))
    return spent.epsilon


def calibrate(*, epsilon: float, delta: float, steps: int, sampling_rate: float = 1.0) -> float:
    """The smallest noise multiplier that keeps `steps` runs within epsilon and delta; as `reticent privacy calibrate`."""
    from reticent.privacy.calibration import noise_multiplier

    return noise_multiplier(epsilon=epsilon, delta=delta, steps=steps, sampling_rate=sampling_rate)
