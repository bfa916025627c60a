"""What Hydra tells about a sweep: where it lies, and what tuning on its people would cost before it begins."""

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

begun: list[Path] = []
"""The folders of the sweeps that this process began."""


class SweepBegins(Callback):
    """conf/train.yaml names it."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        begun.append(Path(str(config.hydra.sweep.dir)))
