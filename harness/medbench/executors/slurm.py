"""Trials as jobs of a Slurm cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medbench.errors import PluginError
from medbench.executors.base import Outcome, RunReporter
from medbench.plan import PlannedTrial
from medbench.registry import Registry
from medbench.settings import Settings


@dataclass(frozen=True, slots=True)
class SlurmExecutor:
    """Runs trials on a Slurm cluster."""

    registry: Registry
    settings: Settings

    def run(self, trials: Sequence[PlannedTrial], reporter: RunReporter) -> list[Outcome]:
        raise PluginError("the slurm executor is not there yet")
