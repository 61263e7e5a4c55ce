"""Trials as tasks of a Ray cluster: Ray finds a place for each, medbench keeps the books.

Ray's own retries are off. A task that is lost with its process or its node is sent again from here, so that the loss is told
and the results folder says whether the trial was done after all. Ray gives one process task after task: torch, the plugins
and the manifests are loaded once in each.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from medbench.datasets import locate
from medbench.executors.base import Outcome, RunReporter, record_of
from medbench.executors.events import Phase, Started, Steps, from_bytes, retell
from medbench.executors.ledger import TRIES, Ledger, group_of
from medbench.executors.orders import Answer, order_of, outcome_of, settings_to_text
from medbench.executors.ray_cluster import Cluster, Demand, connected
from medbench.executors.ray_worker import Post, attempt
from medbench.lifecycle import Announcer, describe
from medbench.plan import PlannedTrial
from medbench.protocols import PhaseReporter
from medbench.registry import Registry
from medbench.settings import Settings

_POLL_S = 0.2
_GROWTH_S = 5.0
"""How often the cluster is asked how much it holds."""
_AHEAD = 8
"""Tasks beyond those that run at once: a cluster that can grow does so when some are waiting."""
_FAREWELL_S = 10.0


@dataclass(frozen=True, slots=True)
class RayExecutor:
    """Runs trials on a Ray cluster."""

    registry: Registry
    settings: Settings

    def run(self, trials: Sequence[PlannedTrial], reporter: RunReporter) -> list[Outcome]:
        """As `medbench.executors.base.Executor.run`. A run with nothing to do starts no Ray."""
        if not trials:
            return []
        with connected(self.settings) as cluster:
            cluster.check_shared()
            demands = _demands(trials, cluster, reporter)
            _encode_large(trials, self.registry, cluster, reporter)
            return _Run(cluster, demands, Ledger(trials), reporter, Announcer(self.registry, self.settings)).outcomes()


def _demands(trials: Sequence[PlannedTrial], cluster: Cluster, reporter: RunReporter) -> dict[str, Demand]:
    """What each trial reserves, by its key; what no node has as yet is told."""
    gpus = cluster.gpus
    demands = {str(planned.key): cluster.demand(planned.trial.task, gpus=gpus) for planned in trials}
    for demand in dict.fromkeys(demands.values()):
        if problem := cluster.lacks(demand):
            reporter.message(problem)
    return demands


def _encode_large(trials: Sequence[PlannedTrial], registry: Registry, cluster: Cluster, reporter: RunReporter) -> None:
    """Have the features of datasets that are large enough encoded by all, once for the trials that share them."""
    sizes: dict[str, int] = {}
    for dataset in {planned.trial.task.dataset for planned in trials}:
        info = locate(registry.dataset(dataset), cluster.settings).info()
        sizes[dataset] = 0 if info is None else info.samples
    large = [one for one in trials if sizes[one.trial.task.dataset] >= cluster.options.encode_rows]
    first = {group_of(planned): planned for planned in reversed(large)}
    for planned in reversed(first.values()):
        from medbench.executors.ray_encode import encode_ahead  # numpy, which most runs need not load here

        encode_ahead(planned, cluster.demand_of_one(gpus=cluster.gpus), cluster, reporter)


@dataclass(slots=True)
class _Run:
    """The tasks of one run. The ``announcer`` tells the plugins of trials that were lost while they ran."""

    cluster: Cluster
    demands: dict[str, Demand]
    ledger: Ledger
    reporter: RunReporter
    announcer: Announcer
    _tasks: dict[Any, PlannedTrial] = field(default_factory=dict)
    _phases: dict[str, PhaseReporter] = field(default_factory=dict)
    """Where the trials tell that have begun and not ended, by key."""
    _sent: int = 0
    _room: int = 1
    _asked: float | None = None

    def outcomes(self) -> list[Outcome]:
        """Carry every trial out."""
        ray = self.cluster.ray
        post = ray.remote(num_cpus=0, max_restarts=-1)(Post).remote()
        task = ray.remote(max_retries=0)(attempt)
        settings = settings_to_text(self.cluster.settings)
        try:
            while not self.ledger.over:
                self._send(task, settings, post)
                done, _ = ray.wait(list(self._tasks), timeout=_POLL_S)
                self._hear(post)
                for one in done:
                    self._settle(one, self._tasks.pop(one))
        except BaseException:  # Ctrl-C: the trials end as they do in one process, and the cluster is left empty
            self._call_off()
            raise
        finally:
            ray.kill(post)
        return self.ledger.outcomes

    def _send(self, task: Any, settings: str, post: Any) -> None:
        """Hand the cluster as many trials as it has room for; the ledger says which first."""
        now = time.monotonic()
        if self._asked is None or now - self._asked > _GROWTH_S:
            self._asked = now
            self._room = self.cluster.settings.jobs or self._capacity()
        while len(self._tasks) < self._room:
            self._sent += 1
            planned = self.ledger.next(str(self._sent))
            if planned is None:
                return
            key = str(planned.key)
            demand = self.demands[key]
            placed = task.options(num_cpus=demand.num_cpus, num_gpus=demand.num_gpus, name=planned.trial.label)
            order = msgspec.json.encode(order_of(planned))
            self._tasks[placed.remote(order, settings, post, self.ledger.waits(key))] = planned

    def _capacity(self) -> int:
        smallest = min(self.demands.values(), key=lambda demand: (demand.num_gpus, demand.num_cpus))
        return max(self.cluster.slots(smallest) + (0 if self.cluster.own else _AHEAD), 1)

    def _hear(self, post: Any) -> None:
        """Tell on what the workers told of the trials that are under way."""
        try:
            events = [from_bytes(data) for data in self.cluster.ray.get(post.take.remote())]
        except self.cluster.ray.exceptions.RayError:  # its process was lost; Ray starts another, with nothing in it
            return
        running = {str(planned.key): planned for planned in self._tasks.values()}
        for event in events:
            if isinstance(event, Started) and event.key in running:
                self._begin(running[event.key])
            elif isinstance(event, Phase | Steps) and event.key in running:
                self._begin(running[event.key])  # where the event that says so was lost
                retell(event, self._phases[event.key])

    def _begin(self, planned: PlannedTrial) -> None:
        key = str(planned.key)
        if key not in self._phases:
            self.reporter.trial_started(planned, self.ledger.started(key), len(self.ledger.trials))
            self._phases[key] = self.reporter.of_trial(planned)

    def _settle(self, task: Any, planned: PlannedTrial) -> None:
        """Write down how a task ended."""
        errors = self.cluster.ray.exceptions
        try:
            answer = self.cluster.ray.get(task)
        except errors.RayTaskError as error:  # a defect on the way to the trial: another try would end alike
            self._end(Outcome(planned, "failed", message=describe(error.cause), exit_code=1))
        except errors.RayError as error:
            self._lose(planned, type(error).__name__)
        else:
            if answer is None:
                self.ledger.held(str(planned.key))
            else:
                self._end(outcome_of(msgspec.json.decode(answer, type=Answer), planned))

    def _end(self, outcome: Outcome) -> None:
        if outcome.state == "finished":
            self._begin(outcome.planned)  # where the event that says so is still under way
        self._phases.pop(str(outcome.planned.key), None)
        if self.ledger.ended(outcome):
            self.reporter.trial_ended(outcome)

    def _lose(self, planned: PlannedTrial, error: str) -> None:
        key = str(planned.key)
        if (record := record_of(planned, self.cluster.settings)) is not None:  # it died between its record and its word
            self._end(Outcome(planned, "finished" if key in self._phases else "elsewhere", record))
            return
        outcome = self.ledger.lost(key, f"with Ray's {error}")
        what_next = "" if outcome is not None else f"; try {self.ledger.losses(key) + 1} of {TRIES} follows"
        self.reporter.message(f"a worker was lost in {planned.trial.label}: {error}{what_next}")
        if (phases := self._phases.pop(key, None)) is not None:  # it had begun: nothing may go on showing it as running
            phases.phase("lost")
            arguments = {"trial": planned.trial, "key": key, "message": f"its worker was lost: {error}"}
            for complaint in self.announcer.announce("medbench_trial_failed", **arguments):
                self.reporter.message(f"warning: {complaint}")
        if outcome is not None:
            self.reporter.trial_ended(outcome)

    def _call_off(self) -> None:
        ray = self.cluster.ray
        for task in self._tasks:
            ray.cancel(task)
        if self._tasks:
            ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=_FAREWELL_S)
