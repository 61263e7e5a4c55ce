"""A cluster of the imagination: jobs go by what a test says of them, and are carried out in this process."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from medbench.executors.events import Started, to_bytes
from medbench.executors.orders import order_of, settings_to_text
from medbench.executors.slurm_book import Job, JobBook
from medbench.executors.slurm_job import Work, carry_out
from medbench.executors.slurm_options import SlurmOptions
from medbench.executors.slurm_queue import JobState
from medbench.executors.slurm_submit import SubmissionError
from medbench.plan import PlannedTrial
from medbench.registry import Registry
from medbench.settings import Settings

_LONG = {"requeue": ["begin", "requeue", "begin", "run"], "slow": ["begin"] * 4 + ["run"]}


@dataclass
class FakeCluster:
    """Takes the place of the `Submitter` and of ``squeue``. At each look every job makes one step.

    ``fates`` says what becomes of the n-th job submitted: *run* (the default); *fail* dies before it starts, *die* in the
    middle, each with a Slurm state after a colon; *mute* finishes its trials and is killed before it says so; *vanish* leaves
    the queue; *requeue* begins, is queued again and runs; *slow* takes a few looks more; *wait* stays in the queue. Looks
    and submissions numbered in ``blackouts`` and ``refusals`` are denied.
    """

    registry: Registry
    settings: Settings
    options: SlurmOptions = field(default_factory=lambda: SlurmOptions(poll_s=0.001))
    fates: list[str] = field(default_factory=list)
    refusals: Collection[int] = ()
    submissions: int = 0
    blackouts: Collection[int] = ()
    looks: int = 0
    array: int = 10
    submitted: list[Job] = field(default_factory=list)
    _works: dict[str, Work] = field(default_factory=dict)
    _states: dict[str, JobState] = field(default_factory=dict)
    _left: dict[str, list[str]] = field(default_factory=dict)

    @property
    def book(self) -> JobBook:
        return JobBook(self.settings.results / ".slurm")

    def submit(self, trials: Sequence[PlannedTrial]) -> Iterator[list[Job]]:
        self.submissions += 1
        if self.submissions in self.refusals:
            raise SubmissionError("Slurm takes no jobs: too many")
        self.array += 1
        name = f"medbench-{self.array}"
        size = self.options.trials_per_job
        jobs = []
        for number, first in enumerate(range(0, len(trials), size)):
            group = trials[first : first + size]
            job = Job(f"{self.array}_{number}", name, tuple(str(one.key) for one in group), f"{name}-{number}")
            fate = self.fates[len(self.submitted)] if len(self.submitted) < len(self.fates) else "run"
            self.submitted.append(job)
            self._works[job.id] = Work(str(self.book.events_of(job.events)), tuple(order_of(one) for one in group))
            self._states[job.id] = JobState("PENDING", "Resources", name)
            self._left[job.id] = _LONG.get(fate, ["begin", fate])[:]
            jobs.append(job)
        self.book.add(jobs)
        yield jobs

    def read_queue(self, others: Collection[int] = ()) -> dict[str, JobState] | str:
        self.looks += 1
        if self.looks in self.blackouts:
            return "slurm_load_jobs error: Unable to contact slurm controller"
        for job, steps in self._left.items():
            if steps and steps[0] != "wait":
                self._step(job, steps.pop(0))
        return dict(self._states)

    def _step(self, job: str, step: str) -> None:
        kind, _, state = step.partition(":")
        work, name = self._works[job], self._states[job].name
        events = Path(work.events)
        if kind in {"run", "mute"}:
            told = events.read_bytes() if events.exists() else b""
            carry_out(work, self.registry, settings_to_text(self.settings))
            if kind == "mute":
                events.write_bytes(told + to_bytes(Started(work.orders[0].key)) + b'\n{"type":"Pha')
        elif kind == "die":
            events.write_bytes(to_bytes(Started(work.orders[0].key)) + b"\n")
        elif kind == "vanish":
            del self._states[job]
            return
        ends = {"run": "COMPLETED", "mute": "FAILED", "begin": "RUNNING", "requeue": "PENDING"}
        self._states[job] = JobState(state or ends.get(kind, "FAILED"), "None", name)


def decode(text: str) -> Work:
    """The work of a job as submitit carries it."""
    return msgspec.json.decode(text, type=Work)
