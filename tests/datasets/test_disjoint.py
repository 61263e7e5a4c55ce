"""Patients kept apart, and names told apart, in all readers of chest X-ray collections."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from medbench.samples import Problem
from medbench_datasets.disjoint import keep_patients_apart
from medbench_datasets.seen_names import SeenNames

PARTS = st.dictionaries(st.sampled_from(["train", "valid", "test"]), st.lists(st.integers(0, 30).map(str), unique=True))


@given(PARTS)
def test_no_patient_is_in_two_parts_and_the_test_part_is_as_published(parts: dict[str, list[str]]) -> None:
    patient_of = {str(number): f"p{number % 7}" for number in range(31)}
    problems: list[Problem] = []
    kept = keep_patients_apart(parts, patient_of, "here", problems)
    owners = [{patient_of[one] for one in ids} for ids in kept.values()]
    assert sum(map(len, owners)) == len(set().union(*owners))
    assert kept.keys() == parts.keys()
    assert kept.get("test") == parts.get("test")
    assert (kept == parts) == (not problems)
    assert all(one in parts[part] for part, ids in kept.items() for one in ids)


def test_a_shared_patient_is_told_with_what_was_left_out() -> None:
    problems: list[Problem] = []
    patient_of = {"a": "p", "b": "p", "c": "q", "d": "p"}
    kept = keep_patients_apart({"train": ["a", "b", "c"], "test": ["d"]}, patient_of, "split x", problems)
    assert kept == {"train": ["c"], "test": ["d"]}
    assert problems == [Problem("shared-patient", "split x", "patient p of test: 2 images left out of train")]


def test_a_name_is_taken_once_and_one_of_another_case_is_another() -> None:
    seen = SeenNames()
    assert seen.take("A.png") is None
    assert seen.take("a.png") is None
    kinds = [complaint.kind for name in ("A.png", "a.png", "A.PNG", "A.png") if (complaint := seen.take(name))]
    assert kinds == ["duplicate-row"] * 3
    assert seen.repeats == 3
