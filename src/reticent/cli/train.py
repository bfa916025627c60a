"""`reticent train`: hands its words to Hydra."""

import click

from reticent.errors import StateError
from reticent.server.interruption import interrupted_by_sigterm
from reticent.sim.helper import get_ready

_MAYBE_NO_WORKERS = (
    "-",
    "+",
    "engine",
    "resume=",
)  # words after which only the settings say whether processes are needed


@click.command(
    "train",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[HYDRA OVERRIDES]")
def train(words: tuple[str, ...]) -> None:
    """One experiment on recorded people in this process, or on enrolled devices.

    Example: reticent train -m privacy.epsilon=2,4,8 seed=0,1,2
    """
    with interrupted_by_sigterm():
        if not any(word.startswith(_MAYBE_NO_WORKERS) for word in words):
            get_ready()  # before Hydra is imported: the first round waits for it
        try:
            from reticent.train.app import main
        except ModuleNotFoundError as missing:
            raise StateError(
                f"`reticent train` needs the package {missing.name}: pip install 'reticent[research,server]'; nothing was trained"
            ) from None
        main(words)
