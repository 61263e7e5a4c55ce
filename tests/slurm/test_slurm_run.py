"""What the driver does of what a cluster can do to its jobs, against a fake one."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from medbench.errors import TrialError
from medbench.executors.base import Outcome
from medbench.executors.ledger import Ledger
from medbench.executors.slurm_book import Job
from medbench.executors.slurm_job import EventFile, _attempt
from medbench.executors.slurm_options import SlurmOptions
from medbench.executors.slurm_run import SlurmRun
from medbench.executors.slurm_submit import SubmissionError
from medbench.executors.worker import Worker
from medbench.lifecycle import Announcer
from medbench.plan import PlannedTrial
from medbench.progress import Reporter
from medbench.registry import Registry
from medbench.settings import Settings
from medbench.store import ResultStore
from tests.slurm.fake import FakeCluster

Trials = tuple[PlannedTrial, ...]


class Listener(Reporter):
    """Keeps what is told; sends a Ctrl-C at a message that has ``stop_at`` in it."""

    def __init__(self, stop_at: str | None = None) -> None:
        self.lines: list[str] = []
        self.starts: list[tuple[int, int]] = []
        self.ends: list[Outcome] = []
        self.stop_at = stop_at

    def message(self, text: str) -> None:
        self.lines.append(text)
        if self.stop_at is not None and self.stop_at in text:
            raise KeyboardInterrupt

    def phase(self, name: str, total: int | None = None) -> None:
        self.lines.append(f"phase {name}")

    def trial_started(self, planned: PlannedTrial, number: int, total: int) -> None:
        self.starts.append((number, total))

    def trial_ended(self, outcome: Outcome) -> None:
        self.ends.append(outcome)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def run(cluster: FakeCluster, trials: Sequence[PlannedTrial], listener: Listener | None = None) -> list[Outcome]:
    driver = SlurmRun(cluster.registry, cluster.settings, cluster, listener or Listener())  # type: ignore[arg-type]
    outcomes = driver.carry_out(trials)
    assert sorted(str(one.planned.key) for one in outcomes) == sorted(str(one.key) for one in trials)
    return outcomes


def states(outcomes: list[Outcome]) -> list[str]:
    return sorted(outcome.state for outcome in outcomes)


def test_trials_go_as_one_array_and_give_the_records_of_the_local_executor(
    cluster: FakeCluster, trials: Trials, registry: Registry, settings: Settings
) -> None:
    import dataclasses

    from medbench.executors.local import LocalExecutor

    listener = Listener()
    outcomes = run(cluster, trials, listener)
    assert states(outcomes) == ["finished"] * 3
    assert [job.id for job in cluster.submitted] == ["11_0", "11_1", "11_2"]
    assert [end.planned.key for end in listener.ends] == [outcome.planned.key for outcome in outcomes]
    assert listener.starts == [(1, 3), (2, 3), (3, 3)]
    assert listener.lines.count("phase score") == 3
    assert cluster.book.jobs() == ()
    elsewhere = dataclasses.replace(settings, results=settings.results.with_name("local"))
    local = {one.planned.key: one.record for one in LocalExecutor(registry, elsewhere).run(trials[:1], Reporter())}
    same = next(one.record for one in outcomes if one.planned.key in local)
    here = local[trials[0].key]
    assert same is not None and here is not None
    assert (same.key, same.metrics, same.floors) == (here.key, here.metrics, here.floors)


@pytest.mark.parametrize(
    ("fate", "said"),
    [
        ("fail", "job 11_0 ended as FAILED and left no log in"),
        ("die:NODE_FAIL", "job 11_0 lost its node"),
        ("die:TIMEOUT", "job 11_0 met its time limit"),
        ("die:CANCELLED", "job 11_0 was cancelled"),
        ("vanish", "job 11_0 left the queue without an answer"),
    ],
)
def test_a_lost_job_is_submitted_again(cluster: FakeCluster, trials: Trials, fate: str, said: str) -> None:
    cluster.fates = [fate]
    listener = Listener()
    assert states(run(cluster, trials[:1], listener)) == ["finished"]
    assert [job.id for job in cluster.submitted] == ["11_0", "12_0"]
    assert said in listener.text
    assert "; it is submitted again" in listener.text


def test_a_job_that_is_lost_three_times_fails_its_trial_alone(cluster: FakeCluster, trials: Trials) -> None:
    cluster.fates = ["die:OUT_OF_MEMORY", "run", "run", "die:OUT_OF_MEMORY", "die:OUT_OF_MEMORY"]
    outcomes = run(cluster, trials)
    assert states(outcomes) == ["failed", "finished", "finished"]
    assert outcomes[-1].message.startswith("its worker was lost 3 times, the last time job 13_0 ran out of memory")
    assert outcomes[-1].exit_code == 1


def test_the_end_of_a_lost_jobs_log_is_told(cluster: FakeCluster, trials: Trials) -> None:
    cluster.fates = ["fail"] * 3
    cluster.book.prepare()
    for array in (11, 12, 13):
        log = cluster.book.logs / f"{array}_0_0_log.err"
        log.write_text("Traceback\nModuleNotFoundError: No module named 'medbench'\n\nsrun: error: vm: exit 1\n")
    (outcome,) = run(cluster, trials[:1])
    assert outcome.message.endswith("13_0_0_log.err ends with 'ModuleNotFoundError: No module named 'medbench''")


def test_plugins_hear_of_a_trial_that_was_lost_while_it_ran_and_of_no_other(
    cluster: FakeCluster, trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []

    def announce(self: object, hook: str, **arguments: object) -> list[str]:
        if hook == "medbench_trial_failed":
            heard.append(str(arguments["message"]))
        return []

    monkeypatch.setattr("medbench.lifecycle.Announcer.announce", announce)
    cluster.fates = ["fail", "die"]
    run(cluster, trials[:1])
    assert heard == ["job 12_0 ended as FAILED"]


def test_a_record_counts_although_its_job_was_killed_before_it_said_so(cluster: FakeCluster, trials: Trials) -> None:
    cluster.fates = ["mute"]
    assert states(run(cluster, trials[:1])) == ["finished"]
    assert len(cluster.submitted) == 1


def test_a_job_that_slurm_queues_again_is_waited_for(cluster: FakeCluster, trials: Trials) -> None:
    cluster.fates = ["requeue"]
    listener = Listener()
    assert states(run(cluster, trials[:1], listener)) == ["finished"]
    assert "job 11_0 waits in the queue again" in listener.text
    assert len(cluster.submitted) == 1


def test_a_job_of_several_trials_that_dies_costs_a_try_of_the_one_at_work(cluster: FakeCluster, trials: Trials) -> None:
    cluster.options = SlurmOptions(poll_s=0.001, trials_per_job=3)
    cluster.fates = ["die", "die", "die"]
    outcomes = run(cluster, trials)
    assert states(outcomes) == ["failed", "finished", "finished"]
    assert [len(job.keys) for job in cluster.submitted] == [3, 3, 3, 2]


def test_an_interrupted_driver_leaves_its_jobs_and_the_next_takes_them_up(cluster: FakeCluster, trials: Trials) -> None:
    cluster.fates = ["slow"] * 3
    listener = Listener(stop_at="jobs: 3 ")
    with pytest.raises(KeyboardInterrupt):
        run(cluster, trials, listener)
    assert listener.lines[-1] == (
        "3 jobs stay in the queue; the same command takes them up again, scancel 11 cancels them"
    )
    again = Listener()
    assert states(run(cluster, trials, again)) == ["finished"] * 3
    assert again.lines[0] == "3 jobs of an earlier run taken up: 11"
    assert len(cluster.submitted) == 3


def test_jobs_of_an_earlier_driver_that_are_over_or_not_ours_are_submitted_anew(
    cluster: FakeCluster, trials: Trials
) -> None:
    cluster.fates = ["wait", "wait"]
    with pytest.raises(KeyboardInterrupt):
        run(cluster, trials[:2], Listener(stop_at="jobs: 2 "))
    gone, other = cluster.submitted
    del cluster._states[gone.id]
    cluster._states[other.id] = type(cluster._states[other.id])("RUNNING", "None", "somebody-elses")
    assert states(run(cluster, trials[:2])) == ["finished"] * 2
    assert len(cluster.submitted) == 4


def test_a_damaged_book_costs_a_second_submission_and_nothing_else(cluster: FakeCluster, trials: Trials) -> None:
    cluster.book.prepare()
    (cluster.book.folder / "jobs.json").write_bytes(b'[{"id": 3')
    assert states(run(cluster, trials)) == ["finished"] * 3


def test_a_controller_that_is_away_for_a_while_costs_time_only(cluster: FakeCluster, trials: Trials) -> None:
    listener = Listener()
    cluster.fates = ["die"]
    cluster.blackouts = (2, 3, 5)
    assert states(run(cluster, trials, listener)) == ["finished"] * 3
    assert listener.text.count("squeue gives no answer") == 1


def test_a_controller_that_is_away_at_the_start_is_an_error(cluster: FakeCluster, trials: Trials) -> None:
    cluster.blackouts = (1,)
    with pytest.raises(TrialError, match="Unable to contact slurm controller - try again"):
        run(cluster, trials)
    assert cluster.submitted == []


def test_a_refusal_at_first_is_an_error(cluster: FakeCluster, trials: Trials) -> None:
    cluster.refusals = {1}
    with pytest.raises(SubmissionError, match="too many"):
        run(cluster, trials)


def test_a_refusal_while_jobs_are_under_way_is_waited_out(cluster: FakeCluster, trials: Trials) -> None:
    cluster.fates = ["die", "slow"]
    cluster.refusals = {2}
    listener = Listener()
    assert states(run(cluster, trials[:2], listener)) == ["finished"] * 2
    assert "warning: Slurm takes no jobs: too many" in listener.lines
    assert len(cluster.submitted) == 3


def test_old_logs_go_and_those_of_live_jobs_stay(cluster: FakeCluster, trials: Trials) -> None:
    cluster.book.prepare()
    old = [cluster.book.logs / name for name in ("5_0_0_log.err", "7_submission.sh", "7_1_submitted.pkl")]
    for path in old:
        path.write_text("")
        os.utime(path, (time.time() - 30 * 86400,) * 2)
    new = cluster.book.logs / "6_0_log.err"
    new.write_text("")
    told, unread = cluster.book.events_of("a"), cluster.book.events_of("b")
    for path in (told, unread):
        path.write_text("")
        os.utime(path, (time.time() - 30 * 86400,) * 2)
    cluster.book.add([Job("7_1", "b", (), "b")])
    cluster.book.tidy({"7"})
    assert unread.exists() and not told.exists()
    assert sorted(cluster.book.logs.iterdir()) == sorted([*old[1:], new])


def test_a_trial_done_meanwhile_by_another_process_is_taken(
    cluster: FakeCluster, trials: Trials, registry: Registry, settings: Settings
) -> None:
    from medbench.executors.local import LocalExecutor

    LocalExecutor(registry, settings).run(trials[:1], Reporter())
    (outcome,) = run(cluster, trials[:1])
    assert outcome.state == "elsewhere"
    assert cluster.submitted == []
    trial = trials[0].trial
    assert outcome.record == ResultStore(settings.results).read(trial.task.id, trial.choice.id, str(trials[0].key))


def test_a_results_folder_that_is_not_writable_is_one_line(
    cluster: FakeCluster, trials: Trials, settings: Settings, tmp_path: Path
) -> None:
    settings.results.mkdir(parents=True, exist_ok=True)
    (settings.results / ".slurm").write_text("")
    with pytest.raises(Exception, match=r"cannot write in .* choose another --results"):
        run(cluster, trials)


def started(cluster: FakeCluster, trials: Trials, listener: Listener) -> SlurmRun:
    """A driver that has submitted its jobs and sleeps."""
    driver = SlurmRun(cluster.registry, cluster.settings, cluster, listener)  # type: ignore[arg-type]
    driver._ledger, driver._announcer = Ledger(trials), Announcer(cluster.registry, cluster.settings)
    cluster.book.prepare()
    driver._take_up()
    driver._submit()
    return driver


def go_on(driver: SlurmRun) -> list[str]:
    while not driver._ledger.over:
        driver._submit()
        driver._look()
    return states(driver._ledger.outcomes)


def test_a_second_driver_takes_no_word_from_the_first_and_runs_no_failed_trial_again(
    cluster: FakeCluster, trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_RAISE", "Mean")
    first = started(cluster, trials, Listener())
    for _ in range(2):
        cluster.read_queue()  # the jobs run, their trials fail, and say so
    assert states(run(cluster, trials)) == ["failed"] * 3
    assert go_on(first) == ["failed"] * 3
    assert len(cluster.submitted) == 3
    assert cluster.book.jobs() == ()


def test_a_job_of_another_user_that_the_queue_hides_stays_in_the_book(
    cluster: FakeCluster, trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = started(cluster, trials[:2], Listener())
    with monkeypatch.context() as patch:
        patch.setattr("medbench.executors.slurm_run.read_queue", lambda users: {})
        patch.setattr("medbench.executors.slurm_run.os.getuid", lambda: os.geteuid() + 1)
        cluster.book.logs.mkdir()
        other = SlurmRun(cluster.registry, cluster.settings, cluster, Listener())  # type: ignore[arg-type]
        other._ledger = Ledger(trials[:2])
        other._take_up()
        assert len(other._unsent) == 2
    assert len(cluster.book.jobs()) == 2
    again = Listener()
    assert states(run(cluster, trials[:2], again)) == ["finished"] * 2  # one that it shows is taken up
    assert "2 jobs of an earlier run taken up" in again.text
    assert go_on(first) == ["finished"] * 2
    assert len(cluster.submitted) == 2


def test_a_job_whose_other_trials_still_run_stays_in_the_book(cluster: FakeCluster, trials: Trials) -> None:
    cluster.options = SlurmOptions(poll_s=0.001, trials_per_job=3)
    cluster.fates = ["slow"]
    started(cluster, trials, Listener())
    (job,) = cluster.submitted
    worker = Worker(cluster.registry, cluster.settings)
    _attempt(worker, cluster._works[job.id].orders[0], EventFile(cluster.book.events_of(job.events)), wait=False)
    assert states(run(cluster, trials[:1])) == ["finished"]
    assert cluster.book.jobs() == (job,)
    assert states(run(cluster, trials)) == ["finished"] * 3
    assert cluster.submitted == [job]


def test_a_refusal_when_nothing_else_is_under_way_costs_no_outcome(cluster: FakeCluster, trials: Trials) -> None:
    cluster.fates = ["run", "run", "fail"]
    cluster.refusals = {2, 3}
    assert states(run(cluster, trials)) == ["finished"] * 3
    assert cluster.submissions == 4


def test_a_refusal_that_does_not_end_fails_what_is_left(
    cluster: FakeCluster, trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medbench.executors.slurm_run._REFUSED_S", 0.0)
    cluster.fates = ["run", "fail", "fail"]
    cluster.refusals = range(2, 99)
    outcomes = run(cluster, trials)
    assert states(outcomes) == ["failed", "failed", "finished"]
    assert (outcomes[-1].message, outcomes[-1].exit_code) == ("Slurm takes no jobs: too many", 2)
