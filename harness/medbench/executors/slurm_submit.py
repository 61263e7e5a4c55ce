"""Handing jobs to Slurm through submitit."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from medbench.errors import PluginError, UsageError
from medbench.executors.orders import order_of, settings_to_text
from medbench.executors.slurm_book import Job, JobBook
from medbench.executors.slurm_job import TrialJob, Work
from medbench.executors.slurm_options import SlurmOptions, submission_parameters
from medbench.executors.slurm_queue import last_line
from medbench.plan import PlannedTrial
from medbench.settings import Settings

_TOOLS = ("sbatch", "squeue", "srun", "scontrol")
_ARRAY = 1000
"""Slurm takes no longer array by default (``MaxArraySize`` is 1001)."""


class SubmissionError(UsageError):
    """Slurm did not take the jobs."""


def check_tools() -> None:
    """Raise `UsageError` where Slurm's commands are not here, `PluginError` where submitit is not."""
    lacking = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if lacking:
        raise UsageError(
            f"no {lacking[0]} on this machine's PATH: it does not belong to a Slurm cluster",
            fix="run medbench where sbatch works, for instance on a login node, or choose --executor local",
        )
    if importlib.util.find_spec("submitit") is None:
        raise PluginError("--executor slurm needs submitit", fix="pip install 'medbench[slurm]'")


@dataclass(frozen=True, slots=True)
class Submitter:
    """Makes jobs of trials and hands them in, as arrays."""

    settings: Settings
    options: SlurmOptions
    book: JobBook

    def submit(self, trials: Sequence[PlannedTrial]) -> Iterator[list[Job]]:
        """Hand trials in, array by array; gives the jobs of each once they are in the book. Raises `SubmissionError`.

        A driver killed between Slurm's answer and the book leaves jobs that none takes up: the trial's claim lets them find
        it done, or the later job.
        """
        size = self.options.trials_per_job
        groups = [trials[first : first + size] for first in range(0, len(trials), size)]
        for first in range(0, len(groups), _ARRAY):
            jobs = self._array(groups[first : first + _ARRAY])
            self.book.add(jobs)
            yield jobs

    def _array(self, groups: Sequence[Sequence[PlannedTrial]]) -> list[Job]:
        import submitit
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        name = f"medbench-{uuid.uuid4().hex[:8]}"
        events = [f"{name}-{number}" for number in range(len(groups))]
        works = [
            Work(str(self.book.events_of(one).absolute()), tuple(order_of(planned) for planned in group))
            for one, group in zip(events, groups, strict=True)
        ]
        texts = [msgspec.json.encode(work).decode() for work in works]
        said = io.StringIO()  # submitit prints what sbatch complained of
        try:
            with contextlib.redirect_stderr(said), _outside_of_a_job():
                executor = submitit.SlurmExecutor(self.book.logs.absolute(), max_num_timeout=self.options.requeues)
                executor.update_parameters(job_name=name, **submission_parameters(self.options, self.settings))
                submitted = executor.map_array(TrialJob(), [settings_to_text(self.settings)] * len(texts), texts)
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            reason = last_line(str(error)) or last_line(said.getvalue()) or type(error).__name__
            raise SubmissionError(
                f"Slurm takes no jobs: {reason}", fix="mend [executors.slurm] in the settings"
            ) from error
        return [
            Job(job.job_id, name, tuple(str(planned.key) for planned in group), one)
            for job, group, one in zip(submitted, groups, events, strict=True)
        ]


@contextlib.contextmanager
def _outside_of_a_job() -> Iterator[None]:
    """Hide the job that the driver itself runs in: sbatch would take over its memory, its GPUs and its place in an array."""
    inside = "SLURM_JOB_ID" in os.environ
    hidden = [one for one in os.environ if inside and one.startswith("SLURM_") and one != "SLURM_CONF"]
    kept = {one: os.environ.pop(one) for one in hidden}
    try:
        yield
    finally:
        os.environ.update(kept)
