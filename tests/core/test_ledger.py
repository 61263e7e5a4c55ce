"""The bookkeeping of trials and workers: every trial ends once, whatever befalls the workers, and none waits for nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench.executors.base import Outcome
from medbench.executors.ledger import TRIES, Ledger
from medbench.plan import PlannedTrial
from medbench.selection import MethodChoice
from medbench.specs import MethodSpec, MethodVariant, MetricSpec, Recipe, TaskSpec
from medbench.trials import Trial


def planned_trial(method: str, dataset: str, key: str, *, checkpoint: str | None = "w", seed: int = 0) -> PlannedTrial:
    variant = MethodVariant(id="v", title="v", checkpoint=None, capabilities=frozenset())
    spec = MethodSpec(
        id=method, title=method, summary="", licence="", pretrained_on=(), loader="x:y", variants=(variant,)
    )
    task = TaskSpec(
        id=f"{dataset}-task",
        title="t",
        dataset=dataset,
        split="main",
        protocol="p",
        capabilities=frozenset(),
        metrics=(MetricSpec(name="m", title="m"),),
        recipes={"standard": Recipe()},
        loader="x:y",
    )
    trial = Trial(MethodChoice(spec, variant), task, "standard", Recipe(), {}, 1.0, seed)
    return PlannedTrial(trial=trial, state="ready", key=key, checkpoint=checkpoint)


def keys(trials: list[PlannedTrial | None]) -> list[str | None]:
    return [None if planned is None else planned.key for planned in trials]


def finished(planned: PlannedTrial) -> Outcome:
    return Outcome(planned, "finished")


@given(
    groups=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy")), max_size=8),
    workers=st.integers(1, 4),
    data=st.data(),
)
def test_every_trial_ends_exactly_once(groups: list[tuple[str, str]], workers: int, data: Any) -> None:
    trials = [planned_trial(method, dataset, str(number)) for number, (method, dataset) in enumerate(groups)]
    ledger = Ledger(trials)
    losses: dict[str, int] = {}
    held: set[str] = set()
    for _ in range(200):
        if ledger.over:
            break
        busy = ledger.with_workers()
        free = [str(worker) for worker in range(workers) if str(worker) not in busy.values()]
        events = ["give"] * bool(free and ledger.waiting()) + ["end", "lose", "fail", "hold"] * bool(busy)
        event = data.draw(st.sampled_from(events)) if _ < 60 else ("give" if "give" in events else "end")
        if event == "give":
            given_ = ledger.next(free[0])
            assert given_ is not None and str(given_.key) not in busy
            assert ledger.waits(str(given_.key)) == (str(given_.key) in held)
            continue
        key = data.draw(st.sampled_from(sorted(busy)))
        number = ledger.started(key)
        assert 1 <= number <= len(trials) and ledger.started(key) == number
        if event == "lose":
            losses[key] = losses.get(key, 0) + 1
            outcome = ledger.lost(key, "by a test")
            assert (outcome is not None) == (losses[key] == TRIES)
        elif event == "hold":
            held.add(key)
            ledger.held(key)
        else:
            state: Any = "finished" if event == "end" else "failed"
            assert ledger.ended(Outcome(ledger.trials[key], state))
        assert len(ledger.with_workers()) + ledger.waiting() + len(ledger.outcomes) == len(trials)
    assert ledger.over
    assert ledger.next("0") is None
    assert sorted(str(outcome.planned.key) for outcome in ledger.outcomes) == sorted(ledger.trials)


def test_a_worker_is_not_given_what_another_is_computing_features_for() -> None:
    trials = [planned_trial("a", "x", "1"), planned_trial("a", "x", "2"), planned_trial("b", "x", "3")]
    ledger = Ledger(trials)
    assert keys([ledger.next("one"), ledger.next("two")]) == ["1", "3"]
    assert keys([ledger.next("three")]) == ["2"]  # nothing else is left: it takes what there is


def test_once_a_trial_of_a_group_has_finished_the_others_run_at_once() -> None:
    trials = [planned_trial("a", "x", str(number)) for number in range(4)] + [planned_trial("b", "x", "4")]
    ledger = Ledger(trials)
    first = ledger.next("one")
    assert first is not None
    assert keys([ledger.next("two")]) == ["4"]
    ledger.ended(finished(first))
    assert keys([ledger.next("one"), ledger.next("three")]) == ["1", "2"]


def test_a_failed_trial_warms_nothing_and_random_weights_share_nothing() -> None:
    trials = [planned_trial("a", "x", str(seed), checkpoint=None, seed=seed) for seed in range(2)]
    ledger = Ledger([*trials, planned_trial("b", "x", "2"), planned_trial("b", "x", "3"), planned_trial("c", "x", "4")])
    assert keys([ledger.next("one"), ledger.next("two"), ledger.next("three")]) == ["0", "1", "2"]
    ledger.ended(Outcome(ledger.trials["2"], "failed"))
    assert keys([ledger.next("three"), ledger.next("four")]) == ["3", "4"]


def test_numbers_count_up_whatever_the_order_and_stay_in_a_later_try() -> None:
    ledger = Ledger([planned_trial("a", dataset, dataset) for dataset in "wxyz"])
    for worker in "123":
        ledger.next(worker)
    assert [ledger.started("x"), ledger.started("w")] == [1, 2]
    ledger.ended(Outcome(ledger.trials["y"], "elsewhere"))  # never began here, and counts
    ledger.lost("x", "by a test")
    assert keys([ledger.next("3"), ledger.next("1")]) == ["z", "x"]
    assert [ledger.started("z"), ledger.started("x")] == [4, 1]


def test_a_lost_trial_comes_after_the_others_and_says_at_last_how_its_worker_died() -> None:
    ledger = Ledger([planned_trial("a", "x", "1"), planned_trial("b", "x", "2")], tries=2)
    assert keys([ledger.next("one")]) == ["1"]
    assert ledger.lost("1", "killed by SIGKILL") is None
    assert keys([ledger.next("one"), ledger.next("two")]) == ["2", "1"]
    outcome = ledger.lost("1", "killed by SIGSEGV")
    assert outcome is not None
    assert (outcome.state, outcome.exit_code) == ("failed", 1)
    assert outcome.message == "its worker was lost 2 times, the last time killed by SIGSEGV"
    assert not ledger.ended(finished(ledger.trials["1"]))  # a late answer changes nothing
    assert ledger.lost("1", "again") is None
    assert [one.state for one in ledger.outcomes] == ["failed"]


@pytest.mark.parametrize("tries", [1, 3])
def test_trials_held_by_other_processes_are_given_last_to_be_waited_for(tries: int) -> None:
    ledger = Ledger([planned_trial("a", "x", "1"), planned_trial("b", "x", "2")], tries=tries)
    ledger.next("one")
    assert not ledger.waits("1")
    ledger.held("1")
    assert keys([ledger.next("one"), ledger.next("two"), ledger.next("three")]) == ["2", "1", None]
    assert ledger.waits("1")
