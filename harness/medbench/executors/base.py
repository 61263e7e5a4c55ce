"""What every executor takes and gives: trials of a plan in, how each ended out, told to a reporter on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from medbench.errors import StoreError
from medbench.plan import PlannedTrial
from medbench.protocols import PhaseReporter
from medbench.records import Record
from medbench.settings import Settings
from medbench.store import ResultStore


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended. ``elsewhere`` means that another process on the same folder made the record meanwhile."""

    planned: PlannedTrial
    state: Literal["finished", "elsewhere", "failed"]
    record: Record | None = None
    message: str = ""
    exit_code: int = 0


class RunReporter(PhaseReporter, Protocol):
    """Where an executor tells how the run goes; as a `PhaseReporter` it tells of the only trial at work, or of none."""

    def trial_started(self, planned: PlannedTrial, number: int, total: int) -> None:
        """A trial begins, the ``number``-th of ``total``."""
        ...

    def trial_ended(self, outcome: Outcome) -> None:
        """A trial ended, well or not."""
        ...

    def message(self, text: str) -> None:
        """Something worth a line of its own: a worker was lost, a job was queued."""
        ...

    def of_trial(self, planned: PlannedTrial) -> PhaseReporter:
        """Where a trial tells its phases while others run beside it."""
        ...


class Executor(Protocol):
    """A way to carry trials out. The plan, the progress and the records are the same under each."""

    def run(self, trials: Sequence[PlannedTrial], reporter: RunReporter) -> list[Outcome]:
        """Run every trial; one that fails, or whose worker is lost for good, does not stop the others.

        An outcome a trial, in the order in which they ended. Raises `medbench.errors.MedbenchError` only for what keeps all
        trials from running (no cluster, no library); what was computed by then is in the results folder.
        """
        ...


def record_of(planned: PlannedTrial, settings: Settings) -> Record | None:
    """The trial's record where it is there: a worker may die between its record and its word.

    What is wrong with one that cannot be read is for the trial's next try to say.
    """
    where = (planned.trial.task.id, planned.trial.choice.id, str(planned.key))
    try:
        record = ResultStore(settings.results).read(*where)
    except StoreError:
        return None
    return record if record.key == planned.key else None
