"""How the trials of a plan are carried out; each executor takes trials that are ready and gives how they ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.settings import EXECUTORS

if TYPE_CHECKING:
    from medbench.executors.base import Executor
    from medbench.registry import Registry
    from medbench.settings import Settings

__all__ = ["EXECUTORS", "executor_of"]


def executor_of(registry: Registry, settings: Settings) -> Executor:
    """The executor that the settings name. Raises `medbench.errors.MedbenchError` where its library is absent."""
    if settings.executor == "ray":
        from medbench.executors.ray import RayExecutor

        return RayExecutor(registry, settings)
    if settings.executor == "slurm":
        from medbench.executors.slurm import SlurmExecutor

        return SlurmExecutor(registry, settings)
    from medbench.executors.local import LocalExecutor

    return LocalExecutor(registry, settings)
