"""mmengine's Runner without its habits: it uses the device it is told, writes to no console and leaves nothing behind."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

from medbench_tasks.training_batchnorm import share_batchnorm

if TYPE_CHECKING:
    from torch import nn


class QuietRunner(Runner):  # type: ignore[misc]
    """A `Runner` on ``device``, whose log goes to a file in its work folder and nowhere else."""

    def __init__(self, *, device: torch.device, **kwargs: Any) -> None:
        self._device = device
        super().__init__(**kwargs)

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        """Move the model to the device; mmengine itself would take CUDA wherever there is one.

        In a process group it is wrapped, and its BatchNorms share their statistics. An encoder may have parts that the loss
        does not reach (a text tower), so that unused parameters are looked for.
        """
        model = model.to(self._device)
        if not self.distributed:
            return model
        share_batchnorm(model, self._device)
        devices = None if self._device.type == "cpu" else [torch.cuda.current_device()]
        wrapped: nn.Module = MMDistributedDataParallel(
            module=model, device_ids=devices, broadcast_buffers=False, find_unused_parameters=True
        )
        return wrapped

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """The usual logger, less its console handler."""
        logger = super().build_logger(*args, **kwargs)
        for handler in list(logger.handlers):
            if not isinstance(handler, logging.FileHandler):
                logger.removeHandler(handler)
        return logger

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        """Left out: it starts compilers to ask for their versions, which costs seconds in every trial."""

    def forget(self) -> None:
        """Close the log and drop this run from mmengine's process-wide tables, so that trials do not see each other."""
        for handler in list(self.logger.handlers):
            handler.close()
            self.logger.removeHandler(handler)
        if self.visualizer is not None:
            self.visualizer.close()
        for table in (MMLogger, MessageHub, Visualizer, DefaultScope):
            table._instance_dict.pop(self._experiment_name, None)
