"""The driver's side of a run on Slurm: which trials are in which job, what the jobs tell, and what becomes of lost ones.

The truth is in the results folder: a trial has ended when its job's events say so, or when its record is there. The queue
is asked for one thing: whether a job can still be waited for.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from medbench.errors import TrialError
from medbench.executors.base import Outcome, RunReporter, record_of
from medbench.executors.events import Ended, Event, Phase, Started, Steps, from_bytes, retell
from medbench.executors.ledger import Ledger
from medbench.executors.orders import outcome_of
from medbench.executors.slurm_book import Job
from medbench.executors.slurm_queue import GONE, QUEUED, JobState, how_it_ended, read_queue, short_end
from medbench.executors.slurm_submit import SubmissionError, Submitter
from medbench.lifecycle import Announcer
from medbench.plan import PlannedTrial
from medbench.registry import Registry
from medbench.settings import Settings

_LOOKS = 2
"""A job that is over without an answer is looked at so often: a network file system may show a file late."""
_TELL_EVERY_S = 30.0
_REFUSED_S = 600.0
"""For so long Slurm is asked again to take trials, where no job is under way any more."""


@dataclass(slots=True)
class _Watched:
    """A job whose trials are waited for: ``open`` are those of this run that have not ended.

    ``ended`` are all of its trials that have, as it told; other runs may wait for others than this one.
    """

    job: Job
    open: list[str]
    begun: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    read: int = 0
    state: JobState = QUEUED
    looks: int = 0

    @property
    def done(self) -> bool:
        """Whether nobody has to wait for the job any more."""
        return self.state.over or self.ended.issuperset(self.job.keys)


@dataclass(slots=True)
class SlurmRun:
    """One run of one driver."""

    registry: Registry
    settings: Settings
    submitter: Submitter
    reporter: RunReporter
    _ledger: Ledger = field(init=False)
    _announcer: Announcer = field(init=False)
    _jobs: dict[str, _Watched] = field(default_factory=dict)
    _unsent: list[PlannedTrial] = field(default_factory=list)
    _complaints: set[str] = field(default_factory=set)
    _told: tuple[str, float] = ("", float("-inf"))
    _accepted: bool = False
    """Whether Slurm took a job in this run, or has one of an earlier run."""
    _refused_since: float | None = None

    def carry_out(self, trials: Sequence[PlannedTrial]) -> list[Outcome]:
        """Run every trial; see `SlurmExecutor.run`."""
        self._ledger = Ledger(trials)
        self._announcer = Announcer(self.registry, self.settings)
        self.submitter.book.prepare()
        self._take_up()
        try:
            while not self._ledger.over:
                self._submit()
                self._look()
                if not self._ledger.over:
                    time.sleep(self.submitter.options.poll_s)
        except KeyboardInterrupt:
            self._say_goodbye()
            raise
        return self._ledger.outcomes

    def _take_up(self) -> None:
        """Watch the jobs of an earlier driver that carry trials of this run, and strike off those that are over.

        How trials ended that no driver has heard of yet is heard first. The queue may hide another user's jobs: those are
        his to strike off.
        """
        jobs = self.submitter.book.jobs()
        states = read_queue({job.uid for job in jobs})
        if isinstance(states, str):
            raise TrialError(f"squeue gives no answer: {states}", fix="try again when the cluster's controller is up")
        wanted = self._given()
        over = []
        for job in jobs:
            watched = _Watched(job, [key for key in job.keys if key in wanted])
            state = states.get(job.id, GONE)
            taken = set(watched.open)
            if state.name != job.name or state.over:
                for event in self._told_by(watched):
                    if isinstance(event, Ended):
                        self._take(watched, event)
                taken = watched.ended
                if state.name == job.name or job.uid == os.getuid() or watched.done:
                    over.append(job)
            elif watched.open:
                self._jobs[job.events] = watched
            for key in taken:
                wanted.pop(key, None)
        self.submitter.book.drop(over)
        self.submitter.book.tidy({job.partition("_")[0] for job, state in states.items() if not state.over})
        self._unsent = list(wanted.values())
        if self._jobs:
            self._accepted = True
            self.reporter.message(f"{_count(len(self._jobs), 'job')} of an earlier run taken up: {self._ids()}")

    def _submit(self) -> None:
        """Hand in what is in no job; where Slurm refuses after it took others, it is tried again at the next look."""
        trials = [planned for planned in self._unsent + list(self._given().values()) if not self._done(planned)]
        self._unsent = trials
        if not trials:
            return
        order = list(self._ledger.trials)
        if self.submitter.options.trials_per_job > 1:  # neighbours share a model, or a dataset
            trials.sort(key=lambda planned: order.index(str(planned.key)))
        try:
            for jobs in self.submitter.submit(trials):
                self._accepted, self._refused_since = True, None
                for job in jobs:
                    self._jobs[job.events] = _Watched(job, list(job.keys))
                sent = {key for job in jobs for key in job.keys}
                self._unsent = [planned for planned in self._unsent if str(planned.key) not in sent]
                self.reporter.message(f"{_count(len(jobs), 'job')} submitted: {_main(jobs[0])}")
        except SubmissionError as error:
            if not (self._accepted or self._ledger.outcomes):
                raise
            self._complain(str(error))
            self._be_patient(error)

    def _be_patient(self, error: SubmissionError) -> None:
        """Wait for Slurm to take trials again; where it does not for long and no job is under way, they have failed."""
        if self._jobs:
            self._refused_since = None
            return
        now = time.monotonic()
        if self._refused_since is None:
            self._refused_since = now
        if now - self._refused_since >= _REFUSED_S:
            for planned in self._unsent:
                outcome = Outcome(planned, "failed", message=str(error), exit_code=error.exit_code)
                self._ledger.ended(outcome)
                self.reporter.trial_ended(outcome)

    def _look(self) -> None:
        users = {watched.job.uid for watched in self._jobs.values()}
        states = read_queue(users)  # before the events: what a job told before it was over is then read below
        if isinstance(states, str):
            self._complain(f"squeue gives no answer, the jobs' records are looked for all the same: {states}")
        for watched in list(self._jobs.values()):
            self._hear(watched)
            if watched.open and isinstance(states, dict):
                self._judge(watched, states.get(watched.job.id, GONE))
        settled = [watched for watched in self._jobs.values() if not watched.open]
        for watched in settled:
            del self._jobs[watched.job.events]
        self.submitter.book.drop([watched.job for watched in settled if watched.done])
        self._tell_counts()

    def _hear(self, watched: _Watched) -> None:
        for event in self._told_by(watched):
            self._take(watched, event)

    def _told_by(self, watched: _Watched) -> Iterator[Event]:
        """What the job told since, whole lines only."""
        try:
            with self.submitter.book.events_of(watched.job.events).open("rb") as file:
                file.seek(watched.read)
                text = file.read()
        except OSError:
            return  # not there yet, or the file system is away: the job is judged by the queue
        whole = text[: text.rfind(b"\n") + 1]
        watched.read += len(whole)
        for line in whole.splitlines():
            try:
                yield from_bytes(line)
            except msgspec.MsgspecError:
                continue  # torn by a job killed in the middle of a line: its record or the queue tells the rest

    def _take(self, watched: _Watched, event: Event) -> None:
        key = event.answer.key if isinstance(event, Ended) else event.key
        if isinstance(event, Ended):
            watched.ended.add(key)
        if key not in watched.open:
            return
        planned = self._ledger.trials[key]
        if isinstance(event, Ended):
            self._end(watched, outcome_of(event.answer, planned))
        elif isinstance(event, Started):
            watched.begun.add(key)
            self.reporter.trial_started(planned, self._ledger.started(key), len(self._ledger.trials))
        elif isinstance(event, Phase | Steps):
            retell(event, self.reporter.of_trial(planned))

    def _judge(self, watched: _Watched, state: JobState) -> None:
        """Note what the queue says of a job, and give it up where it is over and has said nothing twice."""
        if watched.state.running and not state.running and not state.over:
            self.reporter.message(f"job {watched.job.id} waits in the queue again ({state.reason or state.state})")
        if state.held and not watched.state.held:
            self._complain(f"job {watched.job.id} is held ({state.reason}) - scontrol release {watched.job.id}")
        watched.state = state
        watched.looks = watched.looks + 1 if state.over else 0
        if watched.looks >= _LOOKS:
            self._give_up(watched)

    def _give_up(self, watched: _Watched) -> None:
        """Settle the open trials of a job that is over: done after all, submitted again, or lost for good."""
        how = how_it_ended(watched.job.id, watched.state, self.submitter.book.logs)
        for key in tuple(watched.open):
            planned = self._ledger.trials[key]
            record = record_of(planned, self.settings)
            if record is not None:  # the job was killed between its record and its word
                ours = key in watched.begun
                self._end(watched, Outcome(planned, "finished" if ours else "elsewhere", record))
            elif watched.begun and key not in watched.begun:
                watched.open.remove(key)
                self._ledger.held(key)  # its turn had not come: that the job died is not laid to it
            else:
                self._lose(watched, planned, how)

    def _lose(self, watched: _Watched, planned: PlannedTrial, how: str) -> None:
        key = str(planned.key)
        watched.open.remove(key)
        complaints = []
        if key in watched.begun:
            end = short_end(watched.job.id, watched.state)
            complaints = self._announcer.announce("medbench_trial_failed", trial=planned.trial, key=key, message=end)
        outcome = self._ledger.lost(key, how)
        if outcome is None:
            text = f"{planned.trial.label}: {how}; it is submitted again"
            self.reporter.message("; ".join([text, *complaints]))
        else:
            self.reporter.trial_ended(replace(outcome, message="; ".join([outcome.message, *complaints])))

    def _end(self, watched: _Watched, outcome: Outcome) -> None:
        watched.open.remove(str(outcome.planned.key))
        if self._ledger.ended(outcome):
            self.reporter.trial_ended(outcome)

    def _done(self, planned: PlannedTrial) -> bool:
        """Whether a record was made since the plan, by a job of an earlier driver or by another process."""
        record = record_of(planned, self.settings)
        if record is None:
            return False
        outcome = Outcome(planned, "elsewhere", record)
        self._ledger.ended(outcome)
        self.reporter.trial_ended(outcome)
        return True

    def _given(self) -> dict[str, PlannedTrial]:
        """Every trial that the ledger has to give, taken from it: a job is a worker of its own."""
        return {str(planned.key): planned for planned in self._ledger.take_all("slurm")}

    def _tell_counts(self) -> None:
        states = Counter("running" if one.state.running else "queued" for one in self._jobs.values())
        text = ", ".join(f"{states[name]} {name}" for name in ("running", "queued") if states[name])
        last, when = self._told
        if text and text != last and time.monotonic() - when >= _TELL_EVERY_S:
            self._told = (text, time.monotonic())
            self.reporter.message(f"jobs: {text}")

    def _complain(self, text: str) -> None:
        """Say it once a run, however often it is met."""
        if text not in self._complaints:
            self._complaints.add(text)
            self.reporter.message(f"warning: {text}")

    def _say_goodbye(self) -> None:
        if self._jobs:
            text = f"{_count(len(self._jobs), 'job')} stay in the queue; the same command takes them up again"
            self.reporter.message(f"{text}, scancel {self._ids()} cancels them")

    def _ids(self) -> str:
        return " ".join(dict.fromkeys(_main(watched.job) for watched in self._jobs.values()))


def _main(job: Job) -> str:
    """The id of the whole array."""
    return job.id.partition("_")[0]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
