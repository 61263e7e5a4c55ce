"""The tails beside scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, stdtr

from medbench.student import normal_lower_tail, student_lower_tail

REACHES = st.lists(st.floats(-60, 0), min_size=1, max_size=20)


@given(st.one_of(st.integers(1, 200_000), st.floats(0.5, 1e6)), REACHES)
def test_students_tail_is_scipys(freedom: float, reaches: list[float]) -> None:
    reach = np.array(reaches)
    # Of 1e-300 and less both have lost digits.
    np.testing.assert_allclose(student_lower_tail(freedom, reach), stdtr(freedom, reach), rtol=1e-8, atol=1e-290)


@given(REACHES)
def test_the_normal_tail_is_scipys(reaches: list[float]) -> None:
    reach = np.array(reaches)
    np.testing.assert_allclose(normal_lower_tail(reach), ndtr(reach), rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("freedom", [1, 7, 5000])
def test_at_zero_half_lies_below(freedom: int) -> None:
    assert student_lower_tail(freedom, np.zeros(2)).tolist() == [0.5, 0.5]


def test_nothing_gives_nothing() -> None:
    assert student_lower_tail(3, np.zeros(0)).shape == normal_lower_tail(np.zeros(0)).shape == (0,)
