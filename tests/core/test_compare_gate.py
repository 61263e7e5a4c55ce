"""What a gate does not let pass: records beside those it should hold, metrics that it cannot judge, seeds that are lost."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from defusedxml import ElementTree

from medbench.compare.github import annotations_of
from medbench.compare.junit import junit_xml
from medbench.compare.outcome import outcome_of
from medbench.records import MetricValue, Record
from tests.core.compare_toys import TASKS, answers, compared, flipped, metric_line, only, record_of

GATE = {"fail_on_regression": True}
BASE = answers(0.9, 1)
COLLAPSED = flipped(BASE, 120)
OLD = record_of(BASE)
OTHER_WEIGHTS = {"checkpoint_sha256": "f" * 64}
OTHER_RECIPE = {"recipe": "published"}


def verdicts(comparison: Any) -> list[str]:
    return sorted(line.verdict for line in comparison.lines)


@pytest.mark.parametrize("allow", [(), ("weights",), ("version",)])
@pytest.mark.parametrize(
    "changes",
    [OTHER_WEIGHTS, {"method_version": 3}, {"task_version": 3}, {"manifest_sha256": "a" * 64}, {"recipe_values": {}}],
)
def test_a_collapse_does_not_pass_because_old_records_lie_beside_it(changes: Any, allow: tuple[str, ...]) -> None:
    new = [OLD, record_of(COLLAPSED, **changes)]
    comparison = compared([OLD], new, **GATE, allow=frozenset(allow))
    assert (verdicts(comparison), outcome_of(comparison).code) == (["refused", "same"], 2)
    assert any("several sets of records fit" in line.reason for line in comparison.lines)
    kept = compared([OLD], new, **GATE, allow=frozenset({*allow, "extra"}))
    assert (verdicts(kept), outcome_of(kept).code) == (["new", "same"], 0)
    assert verdicts(compared([OLD], new, allow=frozenset(allow))) == ["new", "same"]


def test_a_checkpoint_that_the_new_side_gave_up_is_refused_or_missing() -> None:
    base = [OLD, record_of(COLLAPSED, **OTHER_WEIGHTS)]
    assert outcome_of(compared(base, base[1:], **GATE)).code == 2
    both = compared(base, base[1:], **GATE, fail_on_missing=True)
    assert (verdicts(both), outcome_of(both).code) == (["missing", "same"], 1)


@pytest.mark.parametrize(
    "changes", [OTHER_RECIPE, {"provenance": msgspec.structs.replace(OLD.provenance, precision="bf16")}]
)
def test_another_recipe_or_precision_beside_is_new_until_it_is_allowed(changes: dict[str, Any]) -> None:
    sides = [OLD], [OLD, record_of(COLLAPSED, **changes)]
    assert verdicts(compared(*sides, **GATE)) == ["new", "same"]
    kind = "recipe" if "recipe" in changes else "precision"
    assert verdicts(compared(*sides, **GATE, allow=frozenset({kind}))) == ["refused", "same"]


def methods(base: list[Record], new: list[Record], names: tuple[str, str], **rules: Any) -> Any:
    return compared(base, new, methods=names, **GATE, **rules)


def test_one_method_against_itself_must_have_the_same_weights() -> None:
    sides = [OLD], [record_of(COLLAPSED, **OTHER_WEIGHTS)]
    for names in (("mgca", "mgca"), ("mgca", "mgca@resnet50")):
        line = only(methods(*sides, names))
        assert line.verdict == "refused" and "checkpoint cccccccc / ffffffff" in line.reason
        assert only(methods(*sides, names, allow=frozenset({"weights"}))).verdict == "regressed"


def test_a_side_of_two_methods_is_never_a_mixture_of_weights() -> None:
    mixed = [OLD, record_of(BASE, seed=1, **OTHER_WEIGHTS)]
    comparison = methods(mixed, [record_of(COLLAPSED, method="medst")], ("mgca", "medst"))
    assert verdicts(comparison) == ["refused", "refused", "refused"]
    assert all("several sets" in line.reason for line in comparison.lines)


def test_a_gating_metric_that_is_not_judged_leaves_the_gate_open_whatever_the_others_say() -> None:
    well, untested = record_of(BASE), record_of(BASE, fraction=0.1, key="few")
    bare = msgspec.structs.replace(record_of(COLLAPSED, fraction=0.1, key="few"), replicates={})
    comparison = compared([well, untested], [well, bare], **GATE)
    assert (verdicts(comparison), outcome_of(comparison).code) == (["not tested", "same"], 2)
    assert outcome_of(comparison).reasons == ("1 gating metric could not be tested",)
    assert outcome_of(compared([well, untested], [well, bare])).code == 0


def test_a_task_without_its_plugin_leaves_the_gate_open_and_is_told_of() -> None:
    sides = [[record_of(right), record_of(right, task="gone", key="gone")] for right in (BASE, COLLAPSED)]
    comparison = compared([sides[0][0], sides[0][1]], [sides[0][0], sides[1][1]], TASKS, **GATE)
    assert (verdicts(comparison), outcome_of(comparison).code) == (["not tested", "same"], 2)
    assert any(line.startswith("::error title=mgca@resnet50 on gone") for line in annotations_of(comparison))
    (error, decided) = ElementTree.fromstring(junit_xml(comparison)).iter("error")
    assert "no installed plugin" in error.get("message") and "could not be tested" in decided.get("message")
    told = compared([sides[0][1]], [sides[1][1]], TASKS, **GATE)
    assert only(told).holm is None  # it has no better side, so it is not one of the tests


def test_a_ranking_metric_that_is_absent_leaves_the_gate_open() -> None:
    sides = [[record_of(right, metric="old")] for right in (BASE, BASE)]
    comparison = compared(*sides, **GATE)
    assert {line.metric: line.verdict for line in comparison.lines} == {"map": "not tested", "old": "same"}
    assert outcome_of(comparison).code == 2
    assert outcome_of(compared(*sides, **GATE, metrics="old")).code == 0


@pytest.mark.parametrize("metrics", [{}, {"map": MetricValue(None, note="no positive")}], ids=["absent", "undefined"])
def test_a_ranking_metric_that_became_undefined_fails(metrics: dict[str, MetricValue]) -> None:
    lost = record_of(BASE, metrics=metrics, key="lost")
    comparison = compared([OLD], [lost], **GATE)
    assert (only(comparison).verdict, outcome_of(comparison).code) == ("missing", 1)
    assert outcome_of(comparison).reasons[0] == "1 no longer defined in NEW"
    assert len(list(ElementTree.fromstring(junit_xml(comparison)).iter("failure"))) == 1
    both = outcome_of(compared([OLD], [lost], **GATE, fail_on_missing=True))
    assert "1 missing in NEW" not in both.reasons


def test_what_is_undefined_on_both_sides_is_not_the_same() -> None:
    undefined = record_of(BASE, metrics={"map": MetricValue(None, note="no positive")})
    comparison = compared(
        [undefined, record_of(BASE, fraction=0.1)], [undefined, record_of(BASE, fraction=0.1)], **GATE
    )
    assert (verdicts(comparison), outcome_of(comparison).code) == (["not tested", "same"], 2)
    (line,) = [one for one in comparison.lines if one.verdict == "not tested"]
    assert line.reason == "undefined or absent in some seed of BASE and of NEW"


def test_seeds_that_are_lost_are_missing() -> None:
    seeds = [record_of(answers(0.7, seed), seed=seed) for seed in range(3)]
    comparison = compared(seeds, seeds[:1], fail_on_missing=True)
    (lost,) = [line for line in comparison.lines if line.verdict == "missing"]
    assert (lost.metric, lost.reason) == ("", "seeds 1, 2 in BASE only")
    assert outcome_of(comparison).code == 1
    assert outcome_of(compared(seeds, seeds[1:], fail_on_missing=True)).reasons == ("1 missing in NEW",)
    assert outcome_of(compared(seeds[:1], seeds, fail_on_missing=True)).code == 0
    others = [record_of(answers(0.7, seed), seed=seed + 10) for seed in range(3)]
    assert metric_line(compared(seeds, others)).verdict == "within noise"
    assert verdicts(compared(seeds, others, fail_on_missing=True)) == ["within noise"]


def test_junit_is_never_green_where_the_gate_does_not_pass() -> None:
    nothing = compared([OLD], [record_of(BASE, variant="other")], **GATE)
    untested = compared([OLD], [msgspec.structs.replace(record_of(COLLAPSED), replicates={})], **GATE)
    for comparison in (nothing, untested):
        assert outcome_of(comparison).code == 2
        suite = ElementTree.fromstring(junit_xml(comparison)).find("testsuite")
        assert int(suite.get("errors")) > 0
        (case,) = [one for one in suite.iter("testcase") if one.get("name") == "the comparison could be decided"]
        assert case.find("error").get("message") == "; ".join(outcome_of(comparison).reasons)
    assert b"could be decided" not in junit_xml(compared([OLD], [OLD], **GATE))
