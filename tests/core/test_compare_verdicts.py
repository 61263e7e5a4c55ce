"""Which records are set against which, what is refused, and the verdict in words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from medbench.compare import Rules
from medbench.compare.outcome import outcome_of
from medbench.errors import UnknownNameError, UsageError
from medbench.records import MetricValue, Record
from tests.core.compare_toys import TASKS, answers, compared, flipped, metric_line, only, record_of
from tests.core.record_maker import make_task

BASE = answers(0.7, 1)
DROPPED = flipped(BASE, 30)
GATE = {"fail_on_regression": True}


def provenance(precision: str) -> Any:
    return msgspec.structs.replace(record_of(BASE).provenance, precision=precision)


def test_the_same_records_are_the_same() -> None:
    line = only(compared([record_of(BASE)], [record_of(BASE)], **GATE))
    assert (line.verdict, line.holm) == ("same", None)
    assert outcome_of(compared([record_of(BASE)], [record_of(BASE)], **GATE)).code == 0


@pytest.mark.parametrize(
    ("new", "rules", "verdict", "code"),
    [
        (DROPPED, {}, "regressed", 1),
        (flipped(BASE, 30, to=1.0), {}, "improved", 0),
        (DROPPED, {"tolerance": 20.0}, "within tolerance", 0),
        (flipped(flipped(BASE, 8), 6, 5, to=1.0), {}, "within noise", 0),
        (DROPPED, {"level": 1e-9}, "within noise", 0),
    ],
    ids=["drop", "gain", "borne drop", "noise", "strict level"],
)
def test_a_change_has_a_verdict_and_only_a_regression_fails(new: Any, rules: Any, verdict: str, code: int) -> None:
    comparison = compared([record_of(BASE)], [record_of(new)], **GATE, **rules)
    assert only(comparison).verdict == verdict
    assert outcome_of(comparison).code == code


def test_without_the_flag_a_regression_passes() -> None:
    comparison = compared([record_of(BASE)], [record_of(DROPPED)])
    assert (only(comparison).verdict, outcome_of(comparison).code) == ("regressed", 0)


def test_where_lower_is_better_a_rise_is_a_regression() -> None:
    sides = [[record_of(right, metric="loss")] for right in (BASE, flipped(BASE, 30, to=1.0))]
    assert only(compared(*sides, metrics="loss")).verdict == "regressed"
    assert only(compared(sides[1], sides[0], metrics="loss")).verdict == "improved"


@pytest.mark.parametrize(
    ("kind", "changes", "told"),
    [
        ("weights", {"checkpoint_sha256": "f" * 64}, "checkpoint cccccccc / ffffffff"),
        ("weights", {"checkpoint_sha256": None}, "checkpoint cccccccc / none"),
        ("weights", {"method_version": 3}, "method version 1 / 3"),
        ("recipe", {"recipe_values": {"epochs": 9, "lr": 0.1}}, "epochs 4 / 9; lr absent / 0.1"),
        ("recipe", {"recipe": "published"}, "recipe standard / published"),
        ("split", {"manifest_sha256": "a" * 64}, "data dddddddd / aaaaaaaa"),
        ("version", {"task_version": 3}, "task version 2 / 3"),
        ("version", {"dataset_version": 2}, "dataset version 1 / 2"),
        ("precision", {"provenance": provenance("bf16")}, "precision fp32 / bf16"),
    ],
)
def test_what_differs_is_refused_by_name_and_can_be_allowed(kind: str, changes: dict[str, Any], told: str) -> None:
    sides = [record_of(BASE)], [record_of(DROPPED, **changes)]
    comparison = compared(*sides, **GATE)
    line = only(comparison)
    assert (line.verdict, line.change) == ("refused", None)
    assert told in line.reason and f"--allow {kind}" in line.reason
    assert outcome_of(comparison).code == 2
    allowed = only(compared(*sides, **GATE, allow=frozenset({kind})))
    assert allowed.verdict == "regressed"
    assert any(told.split(";", maxsplit=1)[0] in note for note in allowed.notes)


def test_other_test_samples_are_shown_but_never_paired() -> None:
    sides = [record_of(BASE)], [record_of(DROPPED, samples_sha256="9" * 64)]
    assert "test samples" in only(compared(*sides)).reason
    comparison = compared(*sides, **GATE, allow=frozenset({"split"}))
    line = only(comparison)
    assert line.verdict == "not tested" and line.change is not None and line.change.low is None
    assert line.change.difference == pytest.approx(-0.15)
    assert outcome_of(comparison).code == 2  # a gate that tested nothing does not pass


def test_only_the_ranking_metric_gates_unless_told_otherwise() -> None:
    def both(right: Any) -> list[Record]:
        plain, other = record_of(right), record_of(right, metric="old")
        metrics, replicates = {**plain.metrics, **other.metrics}, {**plain.replicates, **other.replicates}
        return [record_of(right, metrics=metrics, replicates=replicates)]

    sides = both(BASE), both(DROPPED)
    assert [(line.metric, line.verdict) for line in compared(*sides).lines] == [
        ("map", "regressed"),
        ("old", "not gated"),
    ]
    assert compared(*sides).lines[1].change is not None
    assert [line.gates for line in compared(*sides, metrics="all").lines] == [True, True]
    assert [line.gates for line in compared(*sides, metrics="old").lines] == [False, True]
    with pytest.raises(UnknownNameError, match="did you mean 'map'"):
        compared(*sides, metrics="mapp")


def test_a_p_value_is_corrected_for_all_gating_tests() -> None:
    new = flipped(BASE, 8)
    sides = [[record_of(right, fraction=share, key=f"{share}") for share in (0.1, 1.0)] for right in (BASE, new)]
    line = compared(*sides).lines[0]
    assert line.change is not None and line.change.p_value is not None
    assert line.holm == pytest.approx(2 * line.change.p_value)


def test_what_one_side_lacks_is_missing_or_new() -> None:
    sides = [record_of(BASE)], [record_of(BASE), record_of(BASE, fraction=0.1, key="less")]
    assert {line.verdict for line in compared(*sides, **GATE).lines} == {"same", "new"}
    turned = compared(sides[1], sides[0], fail_on_missing=True)
    assert {line.verdict for line in turned.lines} == {"same", "missing"}
    assert outcome_of(turned).code == 1
    assert outcome_of(compared(sides[1], sides[0], **GATE)).code == 0


def test_a_metric_that_became_undefined_is_missing() -> None:
    undefined = record_of(BASE, metrics={"map": MetricValue(None, note="no positive")}, key="undefined")
    comparison = compared([record_of(BASE)], [undefined], fail_on_missing=True)
    assert (only(comparison).verdict, outcome_of(comparison).code) == ("missing", 1)
    assert only(compared([undefined], [record_of(BASE)])).verdict == "not tested"


def test_nothing_in_common_is_undecided() -> None:
    comparison = compared([record_of(BASE)], [record_of(BASE, variant="other")])
    assert {line.verdict for line in comparison.lines} == {"missing", "new"}
    assert outcome_of(comparison).code == 2


def test_generated_and_real_data_are_never_compared() -> None:
    comparison = compared([record_of(BASE)], [record_of(BASE, phantom=True)])
    assert {line.verdict for line in comparison.lines} == {"missing", "new"}


def test_a_task_that_is_not_installed_is_shown_but_not_judged() -> None:
    comparison = compared([record_of(BASE)], [record_of(DROPPED)], {}, **GATE)
    assert (only(comparison).verdict, outcome_of(comparison).code) == ("not tested", 2)
    assert "which way it is better" in only(comparison).reason


def test_too_few_samples_are_not_tested() -> None:
    few = [record_of(answers(share, 1, 12)) for share in (1.0, 0.5)]
    assert "12 test patients" in only(compared([few[0]], [few[1]])).reason


def test_records_without_replicates_are_shown_but_not_tested() -> None:
    old = record_of(BASE, replicates={}, samples_sha256=None)
    line = only(compared([old], [record_of(DROPPED)]))
    assert (line.verdict, line.reason.partition(" (")[0]) == ("not tested", "BASE keeps no replicates of it")
    assert line.change is not None and line.change.difference == pytest.approx(-0.15)


@pytest.mark.parametrize("damaged", [b"", b"12345", b"\x00\x00\x80\x7f" * 1000, b"\x00\x00\xc0\x7f" * 1000, b"\0" * 40])
def test_replicates_that_cannot_be_are_not_tested(damaged: bytes) -> None:
    line = only(compared([record_of(BASE)], [record_of(DROPPED, replicates={"map": damaged})]))
    assert line.verdict == "not tested" and line.reason


def test_sets_of_records_find_their_own_before_they_are_held_against_others() -> None:
    old, newer = record_of(BASE), record_of(DROPPED, checkpoint_sha256="f" * 64)
    assert [line.verdict for line in compared([old], [old, newer]).lines] == ["same", "new"]
    others = [record_of(DROPPED, checkpoint_sha256=letter * 64, key=letter) for letter in "ab"]
    ambiguous = compared([old], others, allow=frozenset({"weights"}))
    assert {(line.verdict, "several sets" in line.reason) for line in ambiguous.lines} == {("refused", True)}
    nearer = [others[0], record_of(DROPPED, checkpoint_sha256="e" * 64, task_version=3, key="far")]
    assert sorted(line.verdict for line in compared([old], nearer).lines) == ["new", "refused"]


def test_two_records_of_one_seed_are_refused() -> None:
    line = only(compared([record_of(BASE), record_of(BASE, key="again")], [record_of(BASE)]))
    assert (line.verdict, line.reason) == ("refused", "BASE has several records of one seed")


def test_two_methods_can_be_set_against_each_other() -> None:
    sides = [record_of(BASE)], [record_of(DROPPED, method="medst", checkpoint_sha256="f" * 64)]
    line = only(compared(*sides, methods=("mgca@resnet50", "medst")))
    assert (line.method, line.verdict) == ("mgca@resnet50 → medst@resnet50", "regressed")


def test_notes_say_what_an_interval_does_not_hold() -> None:
    three = [record_of(answers(0.7, seed), seed=seed) for seed in range(3)]
    line = metric_line(compared(three, [record_of(DROPPED)]))
    assert line.seeds == (3, 1)
    assert line.notes[0].startswith("one seed on a side: its training noise is taken to be")
    assert line.notes[1].startswith("other seeds on the two sides")
    line = only(compared([record_of(BASE)], [record_of(DROPPED)]))
    assert "the level does not hold" in line.notes[0]
    again = only(compared([record_of(BASE, key="k")], [record_of(DROPPED, key="k")]))
    assert any("the same trial gave other numbers" in note for note in again.notes)


def test_a_tolerance_is_of_percent_or_of_one_metric() -> None:
    sides = [record_of(BASE)], [record_of(DROPPED)]
    rank = make_task().metrics[0]
    plain = {"toy-det": make_task(metrics=(type(rank)(name="map", title="rank", unit="plain"),))}
    assert only(compared(*sides, plain, tolerance=20.0)).verdict == "regressed"
    assert only(compared(*sides, plain, tolerances={"map": 0.14})).verdict == "regressed"
    assert only(compared(*sides, plain, tolerances={"map": 0.16})).verdict == "within tolerance"
    assert only(compared(*sides, TASKS, tolerance=14.0)).verdict == "regressed"
    assert only(compared(*sides, TASKS, tolerances={"map": 16.0})).verdict == "within tolerance"
    assert only(compared(*sides, TASKS, tolerance=20.0, tolerances={"map": 14.0})).verdict == "regressed"
    with pytest.raises(UnknownNameError, match="did you mean 'map'"):
        compared(*sides, tolerances={"mapp": 1.0})


@pytest.mark.parametrize(
    "wrong",
    [{"tolerance": -1}, {"tolerance": float("nan")}, {"tolerances": {"map": -1}}, {"level": 0}, {"metrics": " ,"}],
)
def test_rules_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Rules(**wrong)
    with pytest.raises(UnknownNameError, match="did you mean 'weights'"):
        Rules(allow=frozenset({"weight"}))
