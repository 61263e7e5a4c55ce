"""What trackers are told: the same of a trial and of its record, under names that every library takes."""

from __future__ import annotations

import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from medbench.records import MetricValue, Record
from medbench.trials import Trial
from medbench_trackers.facts import (
    LONGEST_NAME,
    digest,
    parameters,
    safe_names,
    scores,
    started_parameters,
    times,
    trial_name,
)


def test_a_trial_and_its_record_have_one_name_and_the_same_parameters(trial: Trial, record: Record) -> None:
    assert trial_name(record) == trial.label == "toy@plain on toy-bright, 10 %, seed 0"
    assert parameters(record) == started_parameters(trial)


def test_nested_and_odd_hyper_parameters_become_plain_values(record: Record) -> None:
    values = {"lr": 1e-5, "flip": True, "betas": [0.9, 0.99], "clip": None, "net": {"depth": 2, "a b": {"c": "x"}}}
    told = parameters(msgspec.structs.replace(record, recipe_values=values))
    assert {name: value for name, value in told.items() if name.startswith("recipe.")} == {
        "recipe.lr": 1e-5,
        "recipe.flip": True,
        "recipe.betas": "[0.9, 0.99]",
        "recipe.clip": "null",
        "recipe.net.depth": 2,
        "recipe.net.a b.c": "x",
    }


def test_scores_are_values_bounds_and_floors_and_leave_out_what_is_undefined(record: Record) -> None:
    assert scores(record) == {
        "map": 0.5,
        "ci_low/map": 0.4,
        "ci_high/map": 0.6,
        "recall_at_1": 0.75,
        **{name: 0.25 for name in scores(record) if name.startswith("recall_at_1-")},
        "a__b__.._c": 0.125,
        "floor/always bright/map": 0.1,
    }
    assert len(scores(record)) == 7


def test_the_digest_follows_the_scores_and_nothing_else(record: Record) -> None:
    slower = msgspec.structs.replace(record, provenance=msgspec.structs.replace(record.provenance, duration_s=9.0))
    better = msgspec.structs.replace(record, metrics={"map": MetricValue(0.6)})
    assert digest(scores(slower)) == digest(scores(record)) != digest(scores(better))
    assert times(slower)[1] - times(slower)[0] == 9.0


@given(st.lists(st.lists(st.text(max_size=300), min_size=1, max_size=3).map(tuple), unique=True, max_size=12))
def test_no_name_is_refused_and_no_two_are_one(paths: list[tuple[str, ...]]) -> None:
    names = safe_names(paths)
    assert len(set(names.values())) == len(paths)
    for name in names.values():
        assert re.fullmatch(r"[A-Za-z0-9_.\- /]+", name)
        assert len(name) <= LONGEST_NAME + 9
        assert all(part.strip(" .") for part in name.split("/"))


def test_a_name_that_needs_no_change_keeps_it() -> None:
    assert safe_names([("a@b",), ("a_at_b",)])["a_at_b",] == "a_at_b"
    assert safe_names([("floor",)])["floor",] != "floor"
