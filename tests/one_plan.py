"""One plan that all four engines play: simulations in tests/test_engines.py, devices in tests/e2e/test_train_on_devices.py."""

import hydra
from omegaconf import OmegaConf

from reticent.records.plan import Plan
from reticent.train.groups import conf_folder
from reticent.train.planning import planned
from reticent.train.settings import Settings

PEOPLE = 3
ROUNDS = 2
WORDS = ("privacy=local_eps8", "privacy.delta=1e-6", "privacy.epsilon=4", f"server.rounds={ROUNDS}")
"""What an operator types beside engine=superlink."""
SIMULATED = (*WORDS, "learn=heads", "model.name=office-60k")
"""The same for engines whose default is another: they would train without an example level."""


def composed(*words: str) -> Settings:
    """What a command line means."""
    with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
        values = OmegaConf.to_container(hydra.compose("train", overrides=[*words]), resolve=True)
    assert isinstance(values, dict)
    return Settings.of({str(name): value for name, value in values.items()})


def one_plan(*, issued_at: int, expires_at: int) -> Plan:
    """A simulation's plan for PEOPLE people; how long it holds is all in which a device's differs."""
    return planned(composed(*SIMULATED), people=PEOPLE, issued_at=issued_at, expires_at=expires_at).plan
