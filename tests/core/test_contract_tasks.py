"""The checks of tasks: each names the fault of a protocol that has it, and finds none in one that has none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from medbench.errors import UnknownNameError
from medbench.records import MetricValue
from medbench.registry import Registry
from medbench.specs import MetricSpec, TaskSpec
from medbench.testing.contract import Report
from medbench.testing.score_checks import said
from medbench.testing.spec_checks import check_task_spec
from medbench.testing.task_checks import TaskTrial, check_task, task_report
from tests.core.contract_here import ask_here

PROTOCOLS = "tests.core.contract_protocols"


@pytest.fixture
def toy(toy_path: Path) -> ModuleType:
    import medbench_toy

    return medbench_toy


def lines(spec: TaskSpec, registry: Registry, folder: Path, how: TaskTrial | None = None) -> list[str]:
    report = Report.of(spec.id, check_task(spec, registry, folder, how or TaskTrial()))
    return [one.line for one in report.findings]


def test_a_good_task_has_no_findings(toy: ModuleType, registry: Registry, tmp_path: Path) -> None:
    assert lines(replace(toy.TASK, loader=f"{PROTOCOLS}:GOOD"), registry, tmp_path) == []


def test_a_method_of_choice_is_what_it_is_tried_with(toy: ModuleType, registry: Registry, tmp_path: Path) -> None:
    found = lines(toy.TASK, registry, tmp_path, TaskTrial(method="toy", overrides={"steps": 1}))
    assert found == [], found


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        ("percent", "accuracy of the method: it is 53.0"),
        ("nointerval", "it has no interval: medbench.statistics draws one over patients"),
        ("undefined", "it is undefined and does not say why"),
        ("outside", "it is 0.99 (0.1 to 0.2), far outside of its interval"),
        ("negative", "it is -0.4 (-0.5 to -0.3), below 0"),
        ("otherspread", "the replicates of accuracy run from"),
        ("byanswers", "the replicates of accuracy are over other draws when the answers are others"),
        ("seedsall", "scoring it changed numpy's random generator"),
        ("threads", "running it changed torch's default dtype"),
        ("byorder", "accuracy is another when the rows are in another order"),
        ("counts", "accuracy is another from the kept predictions"),
        ("random", "two runs with one seed give two values of accuracy: "),
        ("nofloor", "it has no floor: give TrialOutcome.floors"),
        ("stranger", "the predictions of 'model' are not one for each test sample"),
        ("fewreplicates", "gave replicates of accuracy of shape (3,)"),
        ("ownreplicates", "the replicates of accuracy are others when the rows are in another order"),
        ("wrongfirst", "examples gives wrong ones before right ones"),
        ("online", "it asked the network for scores.invalid:80 from core/contract_protocols.py line"),
        ("mute", "its loader gives an object without run and score"),
    ],
)
def test_a_fault_is_named(
    protocol: str,
    words: str,
    toy: ModuleType,
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("medbench.testing.score_checks.ask", ask_here)
    found = lines(replace(toy.TASK, loader=f"{PROTOCOLS}:a_{protocol}"), registry, tmp_path)
    assert any(words in line for line in found), found


def test_what_a_protocol_keeps_of_its_run_is_not_there_later(
    toy: ModuleType, registry: Registry, tmp_path: Path
) -> None:
    found = lines(replace(toy.TASK, loader=f"{PROTOCOLS}:KEEPS"), registry, tmp_path)
    assert any("accuracy is another from the kept predictions in a process of its own" in line for line in found), found


def test_two_runs_that_differ_are_told_with_their_intervals() -> None:
    value = MetricValue(0.5, 0.4, 0.6, n=9)
    assert said(value) == "0.5 (0.4 to 0.6)"


def test_a_ranking_metric_without_replicates_is_told(toy: ModuleType, registry: Registry, tmp_path: Path) -> None:
    spec = replace(toy.TASK, loader=f"{PROTOCOLS}:a_unrankedreplicates")
    report = Report.of(spec.id, check_task(spec, registry, tmp_path, TaskTrial()))
    assert not report.findings, report.text
    assert any("accuracy, which ranks, has no replicates" in one.line for one in report.left_out)


def test_the_toy_offers_no_analysis_and_that_is_said(registry: Registry) -> None:
    report = task_report("toy-bright", registry, TaskTrial(method="toy"))
    assert not report.findings, report.text
    assert any("Analysis: its protocol offers none" in one.line for one in report.left_out)


def test_a_spec_of_something_that_is_not_there_is_named(toy: ModuleType, registry: Registry) -> None:
    def said(**changes: Any) -> str:
        return "\n".join(one.line for one in check_task_spec(replace(toy.TASK, **changes), registry))

    assert "unknown dataset 'toi' - did you mean 'toy'?" in said(dataset="toi")
    assert "unknown split of toy 'other'" in said(split="other")
    metric = MetricSpec(name="accuracy", title="")
    assert "its metrics hold 'accuracy' 2 times" in said(metrics=(metric, metric))
    assert "no_such_library not installed" in said(requires=("no_such_library",))


def test_a_field_that_the_recipe_lacks_is_misuse(registry: Registry) -> None:
    with pytest.raises(UnknownNameError, match="stepz"):
        task_report("toy-bright", registry, TaskTrial(overrides={"stepz": 1}))
