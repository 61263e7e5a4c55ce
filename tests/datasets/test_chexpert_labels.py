"""Label cells of CheXpert and MIMIC-CXR: every text is a label, unknown, or one error that names the column."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench.samples import UNCERTAIN
from medbench_datasets.chexpert_labels import read_label, read_labels, write_label


@pytest.mark.parametrize(
    ("cell", "label"),
    [("1.0", 1), ("1", 1), ("0.0", 0), ("-0.0", 0), ("-1.0", UNCERTAIN), ("-1", UNCERTAIN), ("", None), ("NaN", None)],
)
def test_official_cells_are_read(cell: str, label: int | None) -> None:
    assert read_label(cell) == label


@pytest.mark.parametrize("cell", ["positive", "2.0", "0.5", "-2", "inf", "1,0", " "])
def test_what_is_no_label_is_an_error(cell: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        read_label(cell)


@given(st.sampled_from([None, 0, 1, UNCERTAIN]))
def test_a_written_label_reads_back(label: int | None) -> None:
    assert read_label(write_label(label)) == label


@given(st.text(max_size=8) | st.floats().map(str) | st.integers(-3, 3).map(str))
def test_any_text_is_a_label_or_unknown_or_an_error(cell: str) -> None:
    try:
        label = read_label(cell)
    except ValueError as error:
        assert repr(cell) in str(error)
        return
    if label is None:
        assert cell == "" or math.isnan(float(cell))
    else:
        assert float(cell) == {1: 1.0, 0: 0.0, UNCERTAIN: -1.0}[label]


@given(st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "1.0", "0.0", "-1.0"]), min_size=3))
def test_unknown_labels_are_absent_and_the_others_keep_their_names(cells: dict[str, str]) -> None:
    labels = read_labels(cells, "abc")
    assert labels.keys() == {name for name, cell in cells.items() if cell}
    assert all(write_label(value) == cells[name] for name, value in labels.items())


def test_a_malformed_cell_is_named_by_its_column() -> None:
    with pytest.raises(ValueError, match="b: 'maybe' is not a label"):
        read_labels({"a": "1.0", "b": "maybe"}, "ab")
