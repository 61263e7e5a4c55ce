"""Groups of samples: age bands ascending, others by name, the unknown in none."""

from __future__ import annotations

from medbench_tasks.subgroups import FEWEST, age_band, members_of, too_few


def test_groups_come_by_grouping_in_order_with_their_members() -> None:
    attributes = {"sex": ["M", "F", "", "F"], "age": ["80", "39.5", "unknown", "-1"], "view": [""] * 4}
    found = [(grouping, group, list(members)) for grouping, group, members in members_of(attributes, ("sex", "age"))]
    assert found == [
        ("sex", "F", [False, True, False, True]),
        ("sex", "M", [True, False, False, False]),
        ("age", "<40", [False, True, False, False]),
        ("age", "80+", [True, False, False, False]),
    ]
    assert list(members_of(attributes, ("view",))) == []


def test_an_age_is_in_one_band() -> None:
    ages = ("0", "39", "40", "59.9", "60", "79", "80", "", "x", "nan", "-3")
    assert [age_band(age) for age in ages] == ["<40", "<40", "40-59", "40-59", "60-79", "60-79", "80+", "", "", "", ""]


def test_a_small_group_says_so() -> None:
    value = too_few(FEWEST - 1)
    assert (value.value, value.n, value.note) == (None, 9, "fewer than 10 samples")
