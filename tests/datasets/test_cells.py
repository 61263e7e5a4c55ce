"""Single cells: every text is a label, unknown, or one error that names the column; sex and age in all spellings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench.samples import UNCERTAIN
from medbench_datasets.cells import OLDEST, age_of, is_blank, read_label, read_labels, sex_of, write_label


@pytest.mark.parametrize(
    ("cell", "label"),
    [
        ("1.0", 1),
        ("1", 1),
        ("TRUE", 1),
        ("0.0", 0),
        ("-0.0", 0),
        ("false", 0),
        ("-1.0", UNCERTAIN),
        ("-1", UNCERTAIN),
        ("", None),
        ("NaN", None),
    ],
)
def test_the_cells_of_all_tables_are_read(cell: str, label: int | None) -> None:
    assert read_label(cell) == label


@pytest.mark.parametrize("cell", ["positive", "2.0", "0.5", "-2", "inf", "1,0", " ", "1e0", "10", "-true", "１"])
def test_what_is_no_label_is_an_error(cell: str) -> None:
    with pytest.raises(ValueError, match="is not one of 1, 0, -1 and blank"):
        read_label(cell)


@given(st.sampled_from([None, 0, 1, UNCERTAIN]))
def test_a_written_label_reads_back(label: int | None) -> None:
    assert read_label(write_label(label)) == label


@given(st.text(max_size=8) | st.floats().map(str) | st.integers(-3, 3).map(str) | st.text("-01.", max_size=5))
def test_any_text_is_a_label_or_unknown_or_an_error(cell: str) -> None:
    try:
        label = read_label(cell)
    except ValueError as error:
        assert repr(cell) in str(error)
        return
    if label is None:
        assert is_blank(cell)
    else:
        assert {"true": 1.0, "false": 0.0}.get(cell.casefold()) == label or float(cell) == (-1 if label < 0 else label)


@given(st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "1.0", "0.0", "-1.0"]), min_size=3))
def test_unknown_labels_are_absent_and_the_others_keep_their_names(cells: dict[str, str]) -> None:
    labels = read_labels(cells, "abc")
    assert labels.keys() == {name for name, cell in cells.items() if cell}
    assert all(write_label(value) == cells[name] for name, value in labels.items())


def test_a_malformed_cell_is_named_by_its_column() -> None:
    with pytest.raises(ValueError, match="b: 'maybe' is not one of"):
        read_labels({"a": "1.0", "b": "maybe"}, "ab")


@pytest.mark.parametrize(
    ("cell", "sex"), [("F", "F"), ("female", "F"), ("Male", "M"), ("m", "M"), ("O", ""), ("", ""), ("nan", "")]
)
def test_sex_is_told_by_letter_or_word(cell: str, sex: str) -> None:
    assert sex_of(cell) == sex


@pytest.mark.parametrize(
    ("cell", "age"),
    [
        ("45", "45"),
        ("45.0", "45"),
        ("045Y", "45"),
        ("045y", "45"),
        ("018M", "1"),
        ("060W", "1"),
        ("364D", "0"),
        ("120", "120"),
        ("121", ""),
        ("411Y", ""),
        ("-3", ""),
        ("old", ""),
        ("94+", ""),
        ("", ""),
    ],
)
def test_ages_become_whole_years(cell: str, age: str) -> None:
    assert age_of(cell) == age


@given(st.text() | st.from_regex(r"[0-9]{1,7}(\.[0-9]*)?[YMWDymwd]?", fullmatch=True))
def test_an_age_is_one_that_people_reach(cell: str) -> None:
    assert age_of(cell) == "" or 0 <= int(age_of(cell)) <= OLDEST
