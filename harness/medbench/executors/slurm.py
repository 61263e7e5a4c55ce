"""Trials as jobs of a Slurm cluster, submitted through submitit, an array of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from medbench.executors.base import Outcome, RunReporter
from medbench.executors.slurm_book import JobBook
from medbench.executors.slurm_options import SlurmOptions, options_of
from medbench.executors.slurm_run import SlurmRun
from medbench.executors.slurm_submit import Submitter, check_tools
from medbench.plan import PlannedTrial
from medbench.registry import Registry
from medbench.settings import Settings


@dataclass(frozen=True, slots=True)
class SlurmExecutor:
    """Runs trials on a Slurm cluster.

    Raises `UsageError` where an option is wrong or Slurm's commands are absent, `PluginError` where submitit is.
    """

    registry: Registry
    settings: Settings
    options: SlurmOptions = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", options_of(self.settings))
        check_tools()

    def run(self, trials: Sequence[PlannedTrial], reporter: RunReporter) -> list[Outcome]:
        """As `medbench.executors.base.Executor.run`: takes up what is queued or running already, submits the rest, waits.

        Whatever ends this process leaves the jobs in the queue. Raises `SubmissionError` where Slurm takes no job at all.
        """
        if not trials:
            return []
        book = JobBook(self.settings.results / ".slurm")
        submitter = Submitter(self.settings, self.options, book)
        return SlurmRun(self.registry, self.settings, submitter, reporter).carry_out(trials)
