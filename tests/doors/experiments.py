"""The doors of `reticent train`: its words, the recording that it reads, the folder that it writes, the run that it goes on with."""

from collections.abc import Callable
from pathlib import Path

from reticent.train.folder import RunFolder
from reticent.train.settings import Settings
from tests.doors.door import EVERY_FILE, Door, Row, Words, replaced
from tests.doors.files import RECORDING
from tests.doors.place import Place, full_disk, read_only
from tests.train.samples import WORDS, values


def trained(place: Place, *words: str, folder: str | Path = "new") -> Words:
    """An experiment of seconds, in a new folder. tests/train/test_command.py plays the same WORDS to their end."""
    return ["train", *WORDS, *words, f"hydra.run.dir={place.root / folder}"]


def into(folder: str | Path) -> Callable[[Place], Words]:
    return lambda place: trained(place, folder=folder)


def _other_run(place: Place) -> None:
    RunFolder(place.root / "used").begin(Settings.of(values(seed=99)))


EXPERIMENT = tuple(
    Row("experiment", title, lambda place: None, lambda place, words=words: trained(place, *words), says)  # type: ignore[misc]
    for title, words, says in (
        ("a misspelt group", ["dataa=office"], "dataa"),
        ("a misspelt option", ["data=offise"], "offise"),
        ("a misspelt key", ["privacy.epsilonn=4"], "epsilonn"),
        ("a key of no group", ["+learn.stepz=4"], "learn.stepz"),
        ("no such experiment", ["+experiment=none"], "none"),
        ("not an override", ["rubbish"], "rubbish"),
        ("an unknown flag", ["--frobnicate"], "--frobnicate"),
        ("a missing value", ["engine=superlink", "~engine.workers"], "engine"),
        ("resume with more", ["resume=x"], "takes no others"),
        ("text for a number", ["learn.steps=many"], "learn.steps"),
        ("a list for a number", ["learn.steps=[1]"], "learn.steps"),
        ("a fraction for a whole number", ["server.rounds=1.5"], "server.rounds"),
        *(
            (f"{what} {number}", [f"{name}={number}", *others], name)
            for what, name, others in (
                ("epsilon", "privacy.epsilon", []),
                ("noise", "privacy.noise_multiplier", ["privacy.epsilon=null"]),
                ("example noise", "learn.noise_multiplier", []),
            )
            for number in ("nan", "inf", "-1", "0")
        ),
        ("delta 0", ["privacy.delta=0"], "privacy.delta"),
        ("delta 1", ["privacy.delta=1"], "privacy.delta"),
        ("delta of one in so many people", ["privacy.delta=0.17"], "privacy.delta .* below one in 6"),
        ("cohort beyond people", ["server.cohort=7"], "cohort of 7 is more than the 6 people"),
    )
)
RUN_FOLDER = (
    *(
        Row("run folder", title, spoil, into(folder), says)
        for title, spoil, folder, says in (
            ("another run's", _other_run, "used", "used holds a run with other settings"),
            ("a file in its place", lambda place: None, "ticket.json", "ticket.json"),
            ("below a file", lambda place: None, "ticket.json/new", "ticket.json"),
            ("unwritable (/proc)", lambda place: None, "/proc/new", "/proc/new"),
            ("unwritable (read-only)", read_only, "disk/new", "disk/new"),
            ("disk full", full_disk, "disk/new", "disk/new"),
        )
    ),
)
TRAINED_ON = Door(
    name="experiment's recording",
    file=lambda place: place.recording,
    words=lambda place: [
        "train",
        *(word for word in WORDS if not word.startswith("data")),
        "data=files",
        f"data.path={place.recording}",
        f"hydra.run.dir={place.root / 'new'}",
    ],
    names="pilot.recording",
    inputs=RECORDING.inputs,
)
EARLIER_RUN = Door(
    name="earlier run's settings",
    file=lambda place: place.experiment / "config.yaml",
    words=lambda place: ["train", f"resume={place.experiment}"],
    names="config.yaml",
    inputs=(
        *EVERY_FILE,
        ("a list", lambda data: b"- 1\n", ""),
        ("no settings", lambda data: b"1: 2\n", ""),
        ("a setting out of range", replaced(b"epsilon: 4.0", b"epsilon: .nan"), "config.yaml.*privacy.epsilon"),
    ),
)
TRAIN = (*EXPERIMENT, *RUN_FOLDER, *TRAINED_ON.rows(), *EARLIER_RUN.rows())
