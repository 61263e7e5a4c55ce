"""What a job does on its node: trials carried out, events told, a signal answered."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from medbench.executors.events import Ended, Event, Phase, Started, Steps, from_bytes
from medbench.executors.orders import order_of, settings_to_text
from medbench.executors.slurm_job import EventFile, TrialJob, Work, carry_out
from medbench.plan import PlannedTrial
from medbench.registry import Registry
from medbench.settings import Settings
from medbench.store import ResultStore


def test_a_job_carries_its_trials_out_and_tells_each_step(
    trials: tuple[PlannedTrial, ...], registry: Registry, settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    carry_out(Work(str(path), tuple(order_of(one) for one in trials[:2])), registry, settings_to_text(settings))
    events = [from_bytes(line) for line in path.read_bytes().splitlines()]
    assert [event.key for event in events if isinstance(event, Started)] == [one.key for one in trials[:2]]
    assert {event.name for event in events if isinstance(event, Phase)} >= {"load", "train", "score"}
    answers = [event.answer for event in events if isinstance(event, Ended)]
    assert [(answer.key, answer.state) for answer in answers] == [(one.key, "finished") for one in trials[:2]]
    assert len(ResultStore(settings.results).read_all().records) == 2


def test_an_order_that_the_nodes_plugins_do_not_know_fails_alone(
    trials: tuple[PlannedTrial, ...], registry: Registry, settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    strange = msgspec.structs.replace(order_of(trials[0]), task="toy-dark")
    carry_out(Work(str(path), (strange, order_of(trials[1]))), registry, settings_to_text(settings))
    answers = [one.answer for one in map(from_bytes, path.read_bytes().splitlines()) if isinstance(one, Ended)]
    assert [answer.state for answer in answers] == ["failed", "finished"]
    assert answers[0].message.startswith("in the job: unknown task 'toy-dark'")
    assert answers[0].exit_code == 2


def test_a_trial_that_another_process_holds_comes_last(
    trials: tuple[PlannedTrial, ...],
    registry: Registry,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "events.jsonl"
    held, free = trials[:2]
    claim = contextlib.ExitStack()
    where = (held.trial.task.id, held.trial.choice.id, str(held.key))
    assert claim.enter_context(ResultStore(settings.results).claim(*where))
    send = EventFile.send

    def then_let_go(self: EventFile, event: Event) -> None:
        send(self, event)
        if isinstance(event, Ended):
            claim.close()

    monkeypatch.setattr(EventFile, "send", then_let_go)
    carry_out(Work(str(path), (order_of(held), order_of(free))), registry, settings_to_text(settings))
    answers = [one.answer for one in map(from_bytes, path.read_bytes().splitlines()) if isinstance(one, Ended)]
    assert [(one.key, one.state) for one in answers] == [(free.key, "finished"), (held.key, "finished")]


def test_steps_are_summed_and_none_is_left_out(tmp_path: Path) -> None:
    file = EventFile(tmp_path / "events.jsonl")
    for _ in range(1000):
        file.send(Steps("a", 2, "loss 1"))
    file.send(Phase("a", "score", None))
    events = [from_bytes(line) for line in file.path.read_bytes().splitlines()]
    assert events == [Steps("a", 2000, "loss 1"), Phase("a", "score", None)]


def test_an_event_that_cannot_be_written_costs_no_trial_unless_it_is_the_end(
    trials: tuple[PlannedTrial, ...], tmp_path: Path
) -> None:
    from medbench.executors.orders import Answer

    file = EventFile(tmp_path / "nowhere" / "events.jsonl")
    file.send(Started("a"))
    file.send(Phase("a", "load", None))
    with pytest.raises(FileNotFoundError):
        file.send(Ended(Answer(key="a", state="finished")))


def test_a_signalled_job_is_queued_again_as_it_is_but_not_by_its_children(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    pytest.importorskip("submitit")
    leave: list[Callable[[SystemExit], bool]] = []

    def carry_out(work: Work, registry: Registry, settings_text: str, leaving: Callable[[SystemExit], bool]) -> None:
        leave.append(leaving)

    monkeypatch.setattr("medbench.executors.slurm_job.carry_out", carry_out)
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    job = TrialJob()
    texts = (settings_to_text(settings), msgspec.json.encode(Work("events", ())).decode())
    job(*texts)
    assert os.environ.pop("OMP_NUM_THREADS") == "3"
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "8")
    TrialJob()(settings_to_text(dataclasses.replace(settings, nproc_per_node=4)), texts[1])
    assert os.environ.pop("OMP_NUM_THREADS") == "2"
    assert not leave[0](SystemExit(-1))
    again = job.checkpoint(*texts)
    assert again is not None
    assert (type(again.function), again.args) == (TrialJob, texts)
    assert leave[0](SystemExit(-1))
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert job.checkpoint(*texts) is None
