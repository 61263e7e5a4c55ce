"""Plan and run with the toy: preflight, records, doing nothing twice, failures that cost nothing else."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import pytest

from medbench.datasets import locate
from medbench.errors import MissingDataError, StoreError, TrialError, UsageError
from medbench.executors.base import Outcome, record_of
from medbench.executors.events import Ended, Event, Steps, Teller, from_bytes, to_bytes
from medbench.executors.local import LocalExecutor
from medbench.executors.orders import answer_of
from medbench.executors.worker import Worker
from medbench.files import write_bytes_atomically
from medbench.plan import Plan, Request, build_plan
from medbench.preparation import prepare
from medbench.progress import JsonReporter, PlainReporter, Reporter
from medbench.registry import Registry
from medbench.runner import Manifests, load_parts
from medbench.settings import Settings
from medbench.store import ResultStore

REQUEST = Request(methods="toy", tasks="toy-bright")


@pytest.fixture
def ready(registry: Registry, settings: Settings, toy_data: Path) -> Plan:
    for files in build_plan(REQUEST, registry, settings).unprepared:
        prepare(files, Reporter())
    return build_plan(REQUEST, registry, settings)


def run(plan: Plan, registry: Registry, settings: Settings, reporter: Reporter | None = None) -> list[Outcome]:
    return LocalExecutor(registry, settings).run(plan.of_state("ready"), reporter or Reporter())


def test_the_preflight_tells_everything_at_once(registry: Registry, settings: Settings) -> None:
    plan = build_plan(Request(methods="toy@*", tasks="toy-bright"), registry, settings)
    states = {planned.trial.choice.variant.id: planned.state for planned in plan.trials}
    assert states == {"plain": "blocked", "weighted": "blocked", "mute": "not-applicable"}
    assert "get it from https://example.org/toy" in plan.trials[0].reason
    assert plan.trials[2].reason == "toy@mute has no ImageEncoder"


def test_a_missing_checkpoint_blocks_its_trial_alone(registry: Registry, settings: Settings, toy_data: Path) -> None:
    plan = build_plan(Request(methods="toy@plain,toy@weighted", tasks="toy-bright"), registry, settings)
    assert [planned.state for planned in plan.trials] == ["ready", "blocked"]
    assert "no checkpoint for toy@weighted at" in plan.trials[1].reason
    assert plan.trials[1].error is not None
    assert plan.trials[1].error.exit_code == 3


def test_a_run_writes_records_and_the_next_plan_has_nothing_to_do(
    ready: Plan, registry: Registry, settings: Settings
) -> None:
    outcome = run(ready, registry, settings)[0]
    assert outcome.state == "finished"
    record = outcome.record
    assert record is not None
    assert record.metrics["accuracy"].value == 1.0
    assert set(record.floors) == {"always bright"}
    assert record.recipe_values == {
        "weight": 0.5,
        "steps": 3,
        "betas": [0.9, 0.99],
        "flip": False,
        "colour": "red",
        "clip": None,
    }
    again = build_plan(REQUEST, registry, settings)
    assert [planned.state for planned in again.trials] == ["done"]
    assert again.trials[0].key == record.key


def test_records_hold_no_path_and_no_name(ready: Plan, registry: Registry, settings: Settings) -> None:
    record = run(ready, registry, settings)[0].record
    assert record is not None
    text = ResultStore(settings.results).path(record.task, record.method_id, record.key).read_text()
    assert str(settings.results.parent) not in text
    assert str(Path.home()) not in text


def test_setting_a_field_to_what_it_is_changes_nothing(ready: Plan, registry: Registry, settings: Settings) -> None:
    run(ready, registry, settings)
    request = dataclasses.replace(REQUEST, overrides={"steps": "3"})
    planned = build_plan(request, registry, settings).trials[0]
    assert (planned.state, planned.trial.recipe_label) == ("done", "standard")


def test_data_that_change_after_the_plan_fail_the_trial(
    ready: Plan, registry: Registry, settings: Settings, toy_data: Path
) -> None:
    (toy_data / "images" / "t001.png").write_bytes((toy_data / "images" / "t002.png").read_bytes())
    (toy_data / "labels.csv").touch()
    prepare(build_plan(REQUEST, registry, settings).unprepared[0], Reporter())
    failed = run(ready, registry, settings)[0]
    assert "changed since the trial was planned" in failed.message
    assert run(build_plan(REQUEST, registry, settings), registry, settings)[0].state == "finished"


def test_a_record_of_a_newer_medbench_blocks_its_trial(ready: Plan, registry: Registry, settings: Settings) -> None:
    record = run(ready, registry, settings)[0].record
    assert record is not None
    path = ResultStore(settings.results).path(record.task, record.method_id, record.key)
    path.write_text(path.read_text().replace('"schema": 3', '"schema": 99'))
    planned = build_plan(REQUEST, registry, settings).trials[0]
    assert planned.state == "blocked"
    assert "upgrade medbench" in planned.reason
    assert '"schema": 99' in path.read_text()


def test_half_written_files_are_no_records(ready: Plan, registry: Registry, settings: Settings) -> None:
    record = run(ready, registry, settings)[0].record
    assert record is not None
    path = ResultStore(settings.results).path(record.task, record.method_id, record.key)
    path.with_name(f".partial-{path.stem}-x.json").write_bytes(path.read_bytes())
    loaded = ResultStore(settings.results).read_all()
    assert (len(loaded.records), loaded.problems) == (1, ())


def test_predictions_must_be_of_the_test_samples(
    ready: Plan, registry: Registry, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_TWICE", "1")
    assert "are not one for each test sample" in run(ready, registry, settings)[0].message


def test_a_task_whose_libraries_are_absent_is_blocked(ready: Plan, registry: Registry, settings: Settings) -> None:
    task = registry.task("toy-bright")
    object.__setattr__(task, "requires", ("no_such_library",))
    planned = build_plan(REQUEST, registry, settings).trials[0]
    assert planned.state == "blocked"
    assert "toy-bright (standard) needs no_such_library" in planned.reason


def test_a_split_that_the_prepared_data_lack_blocks_with_the_message_of_the_run(
    ready: Plan, registry: Registry, settings: Settings
) -> None:
    trial = ready.trials[0].trial
    object.__setattr__(trial.task, "split", "other")
    planned = build_plan(REQUEST, registry, settings).trials[0]
    assert (planned.state, planned.key) == ("blocked", None)
    with pytest.raises(MissingDataError) as raised:
        load_parts(trial, Manifests(registry, settings))
    assert planned.error is not None
    assert (planned.reason, planned.error.fix) == (str(raised.value), raised.value.fix)
    there = (
        "toy has no readable sample in the train part of split 'other' (there are: main/test, main/train, main/valid)"
    )
    assert planned.reason.startswith(there)


def test_a_part_that_the_task_does_not_need_blocks_nothing(
    ready: Plan, registry: Registry, settings: Settings, toy_data: Path
) -> None:
    task = registry.task("toy-bright")
    info_path = locate(registry.dataset("toy"), settings).info_path
    info = json.loads(info_path.read_text())
    del info["parts"]["main"]["valid"]
    info_path.write_text(json.dumps(info))
    assert build_plan(REQUEST, registry, settings).trials[0].state == "blocked"
    object.__setattr__(task, "parts", ("train", "test"))
    assert build_plan(REQUEST, registry, settings).trials[0].state == "ready"


def test_past_records_give_estimates(ready: Plan, registry: Registry, settings: Settings) -> None:
    run(ready, registry, settings)
    other = dataclasses.replace(REQUEST, seeds=(5,), overrides={"steps": "900"})
    assert build_plan(other, registry, settings).trials[0].estimate_s is None
    planned = build_plan(dataclasses.replace(REQUEST, seeds=(5,)), registry, settings).trials[0]
    assert planned.state == "ready"
    assert planned.estimate_s is not None
    assert planned.estimate_bytes is not None and planned.estimate_bytes > 500


def test_fractions_and_seeds_multiply_and_the_subset_is_kept(
    ready: Plan, registry: Registry, settings: Settings
) -> None:
    request = dataclasses.replace(REQUEST, fractions=(0.5, 1.0), seeds=(0, 1))
    outcomes = run(build_plan(request, registry, settings), registry, settings)
    subsets = {(one.record.fraction, one.record.seed): one.record.subset for one in outcomes if one.record}
    assert len(subsets) == 4
    assert subsets[0.5, 0].n == 4
    assert subsets[0.5, 0].sample_ids != subsets[0.5, 1].sample_ids
    assert subsets[1.0, 0].sample_ids is None


def test_the_recipes_own_seeds_are_the_default(ready: Plan, registry: Registry, settings: Settings) -> None:
    request = dataclasses.replace(REQUEST, recipe="published")
    assert [planned.trial.seed for planned in build_plan(request, registry, settings).trials] == [42]
    request = dataclasses.replace(REQUEST, fractions=(0.5,))
    assert [planned.trial.seed for planned in build_plan(request, registry, settings).trials] == [7]


@pytest.mark.parametrize(
    "request_",
    [
        Request(methods="toy", tasks="toy-bright", recipe="nope"),
        Request(methods="toy", tasks="toy-bright", fractions=(2.0,)),
        Request(methods="toy", tasks="toy-bright", overrides={"nope": "1"}),
    ],
)
def test_misuse_is_refused_before_anything_runs(request_: Request, registry: Registry, settings: Settings) -> None:
    with pytest.raises(UsageError):
        build_plan(request_, registry, settings)


def test_a_trial_that_raises_is_named_and_the_others_go_on(
    ready: Plan, registry: Registry, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_RAISE", "Mean")
    failed = run(ready, registry, settings)[0]
    assert (failed.state, failed.exit_code) == ("failed", 1)
    assert "RuntimeError: the toy was told to raise - the traceback is in" in failed.message
    monkeypatch.delenv("TOY_RAISE")
    assert run(build_plan(REQUEST, registry, settings), registry, settings)[0].state == "finished"


def test_a_full_disk_is_one_line_and_leaves_no_half_record(
    ready: Plan, registry: Registry, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    import pyarrow.parquet as pq

    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", full)
        failed = run(ready, registry, settings)[0]
    assert failed.state == "failed"
    assert "No space left on device - free some space" in failed.message
    assert list(settings.results.rglob("*.json")) == []
    assert list(settings.results.rglob(".partial-*")) == []
    assert run(ready, registry, settings)[0].state == "finished"


def test_a_record_that_another_process_made_is_taken(ready: Plan, registry: Registry, settings: Settings) -> None:
    first = run(ready, registry, settings)[0]
    second = run(ready, registry, settings)[0]
    assert (first.state, second.state) == ("finished", "elsewhere")
    assert second.record == first.record


def test_a_trial_held_by_another_process_is_passed_over(ready: Plan, settings: Settings) -> None:
    planned = ready.trials[0]
    store = ResultStore(settings.results)
    where = (planned.trial.task.id, planned.trial.choice.id, str(planned.key))
    with store.claim(*where) as ours, store.claim(*where) as also_ours:
        assert ours
        assert not also_ours
    with store.claim(*where) as ours:
        assert ours


def test_a_damaged_record_counts_as_not_done_and_is_reported(
    ready: Plan, registry: Registry, settings: Settings
) -> None:
    record = run(ready, registry, settings)[0].record
    assert record is not None
    store = ResultStore(settings.results)
    path = store.path(record.task, record.method_id, record.key)
    path.write_bytes(path.read_bytes()[:100])
    assert not store.exists(record.task, record.method_id, record.key)
    assert len(store.read_all().problems) == 1
    assert run(build_plan(REQUEST, registry, settings), registry, settings)[0].state == "finished"


def test_a_phantom_anywhere_makes_the_record_a_phantom(registry: Registry, settings: Settings, toy_data: Path) -> None:
    (toy_data / "PHANTOM.json").write_text("{}")
    prepare(build_plan(REQUEST, registry, settings).unprepared[0], Reporter())
    plan = build_plan(REQUEST, registry, settings)
    assert plan.trials[0].phantom
    record = run(plan, registry, settings)[0].record
    assert record is not None and record.phantom


def test_reporters_tell_the_same_run(ready: Plan, registry: Registry, settings: Settings) -> None:
    plain, lines = io.StringIO(), io.StringIO()
    run(ready, registry, settings, PlainReporter(plain))
    plan = build_plan(dataclasses.replace(REQUEST, seeds=(3,)), registry, settings)
    run(plan, registry, settings, JsonReporter(lines))
    assert "[1/1] toy@plain on toy-bright, 100 %, seed 0" in plain.getvalue()
    assert "done   toy@plain on toy-bright, 100 %, seed 0: accuracy 100.0 %" in plain.getvalue()
    events = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [event["event"] for event in events][:: len(events) - 1] == ["trial_started", "trial_ended"]
    assert events[-1]["metrics"] == {"accuracy": 1.0}


def test_an_atomic_write_keeps_the_old_content_when_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_bytes_atomically(path, b"old")
    (tmp_path / "blocked").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        write_bytes_atomically(tmp_path / "blocked" / "x.json", b"new")
    assert path.read_bytes() == b"old"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["blocked", "file.json"]


@pytest.mark.parametrize("error", [RuntimeError("scan-\udcff"), TrialError("scan-\udcff"), SystemExit("scan-\udcff")])
def test_whatever_a_trial_raises_is_its_failure_and_can_be_told(
    ready: Plan, registry: Registry, settings: Settings, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def raise_it(*arguments: object) -> None:
        raise error

    monkeypatch.setattr("medbench.executors.worker.carry_out", raise_it)
    (failed,) = run(ready, registry, settings)
    assert (failed.state, failed.exit_code) == ("failed", 1)
    assert "scan-\\udcff" in failed.message
    assert str(settings.results.parent) not in failed.message  # trackers hear it
    ended = Ended(answer_of(failed))
    assert from_bytes(to_bytes(ended)) == ended
    if isinstance(error, SystemExit):  # of submitit's, when a job is to be queued again
        worker = Worker(registry, settings, leaving=lambda raised: raised is error)
        with pytest.raises(SystemExit):
            worker.attempt(ready.trials[0], Reporter(), started=lambda: None, wait=False)


def test_names_of_files_that_are_no_utf8_can_be_told() -> None:
    events: list[Event] = []
    teller = Teller("key", events.append)
    teller.advance(3, "scan-\udcff")
    teller.phase("read scan-\udcff")
    assert events[0] == Steps("key", 3, "scan-\\udcff")
    assert [from_bytes(to_bytes(event)) for event in events] == events


def test_the_record_of_a_trial_is_found_once_it_is_there(ready: Plan, registry: Registry, settings: Settings) -> None:
    planned = ready.trials[0]
    assert record_of(planned, settings) is None
    assert run(ready, registry, settings)[0].record == record_of(planned, settings)
    ResultStore(settings.results).path("toy-bright", "toy@plain", str(planned.key)).write_bytes(b"{")
    assert record_of(planned, settings) is None
