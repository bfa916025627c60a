"""`hydra/launcher=ray`: each run of a sweep is one task of Ray, on this machine or on a cluster.

Hydra takes launchers from this namespace alone, and imports every module in it at its start: so nothing here takes time. Its own
launcher for Ray (hydra-ray-launcher 1.2.2) can't be installed beside current joblib.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

_RETRIES = 3  # of a run whose process was lost; it goes on where it was


class RayLauncher(Launcher):
    """Runs go side by side, as many as Ray has cores for; one that fails leaves the others alone."""

    def __init__(self, address: str | None, cpus_per_job: int) -> None:
        """address: of a cluster that this machine belongs to, host:port or auto; None starts Ray here. cpus_per_job: cores that
        Ray keeps for each run."""
        self._address = address
        self._cpus = cpus_per_job

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._context = hydra_context
        self._function = task_function
        self._config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Raises: SettingError for cores that Ray doesn't have, StateError where there is no Ray or where a run's process was lost
        again and again; the other runs have ended then."""
        from reticent.sim.tasks import run_all

        setup_globals()
        given = (self._context, self._function, self._config, Singleton.get_state(), Path.cwd())
        tasks = [(*given, number, list(words)) for number, words in enumerate(job_overrides, start=initial_job_idx)]
        return run_all(_job, tasks, address=self._address, cpus_per_task=self._cpus, retries=_RETRIES)


def _job(
    context: HydraContext,
    function: TaskFunction,
    config: DictConfig,
    singletons: Any,
    folder: Path,
    number: int,
    words: list[str],
) -> JobReturn:
    """In a process of Ray's: as Hydra's own launcher does it."""
    os.chdir(folder)
    setup_globals()
    Singleton.set_state(singletons)
    composed = context.config_loader.load_sweep_config(config, words)
    with open_dict(composed):
        composed.hydra.job.id = composed.hydra.job.num = number
    HydraConfig.instance().set_config(composed)
    return run_job(
        hydra_context=context,
        task_function=function,
        config=composed,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
