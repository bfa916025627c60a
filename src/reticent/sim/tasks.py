"""Many calls of one function as tasks of Ray, on this machine or on a cluster of them."""

import os
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from reticent.errors import SettingError, StateError
from reticent.sim.actors import ADDRESS, check_installed, connected

T = TypeVar("T")

_SETTINGS = "hydra.launcher"  # what address and cpus_per_task are below, in sentences
_NOTHING = "nothing was trained"
_SILENT = ("FLWR_TELEMETRY_ENABLED", "FLWR_DISABLE_UPDATE_CHECK")  # a task's process must not call home either


def run_all(
    function: Callable[..., T],
    calls: Sequence[tuple[Any, ...]],
    *,
    address: str | None,
    cpus_per_task: int,
    retries: int,
) -> list[T]:
    """What `function` returned for the arguments of each call, in order. As many run at once as Ray has cores for.

    address: as that of `connected`. cpus_per_task: cores that Ray keeps for each. retries: of a call whose process was lost.
    Raises: SettingError for settings that make no sense, or more cores than any machine of Ray has; StateError where Ray isn't
    there, or a call's process was lost too often; what a call raised. Those of calls come when all others have ended.
    """
    if not isinstance(cpus_per_task, int) or isinstance(cpus_per_task, bool) or cpus_per_task < 1:
        raise SettingError(f"{_SETTINGS}.cpus_per_job takes a whole number of at least 1; {_NOTHING}")
    if address is not None and not (isinstance(address, str) and re.fullmatch(ADDRESS, address)):
        raise SettingError(f"{_SETTINGS}.address takes null, auto or host:port; {_NOTHING}")
    check_installed("hydra/launcher=ray")
    with connected(address, cores=len(os.sched_getaffinity(0)), setting=_SETTINGS):
        import ray

        most = max(int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"])
        if cpus_per_task > most:
            raise SettingError(
                f"{_SETTINGS}.cpus_per_job is {cpus_per_task}, and no machine of Ray has more than {most} cores; {_NOTHING}"
            )
        silent = {name: os.environ[name] for name in _SILENT if name in os.environ}
        task = ray.remote(num_cpus=cpus_per_task, max_retries=retries, runtime_env={"env_vars": silent})(function)
        asked = [task.remote(*call) for call in calls]
        found, failed = [], []
        for one in asked:
            try:
                found.append(ray.get(one))
            except ray.exceptions.RayError as error:
                failed.append(error)
        if failed:
            cause = getattr(failed[0], "cause", None)
            lost = f"a process of {len(failed)} of {len(calls)} runs was lost {retries + 1} times (was memory short?)"
            raise (cause if isinstance(cause, Exception) else StateError(lost)) from None
        return found
