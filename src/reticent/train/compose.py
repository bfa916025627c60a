"""From the words of `reticent train` to checked settings, without a command line: for Python and notebooks."""

from collections.abc import Sequence
from threading import Lock

from hydra import compose, initialize_config_dir

from reticent.errors import ReticentError
from reticent.train.groups import conf_folder
from reticent.train.refusals import no_option, refused
from reticent.train.settings import Settings, settings_of

_ONE_AT_A_TIME = Lock()  # Hydra keeps what it composes from in one place of the process


def composed(overrides: Sequence[str]) -> Settings:
    """What these overrides make of conf/. Raises: SettingError for what Hydra can't compose or what makes no sense."""
    try:
        with _ONE_AT_A_TIME, initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
            return settings_of(compose("train", overrides=list(overrides)))
    except ReticentError:
        raise
    except Exception as error:  # Hydra's and OmegaConf's own errors are not all of their kinds
        raise no_option(error, overrides, conf_folder()) or refused(error) from error
