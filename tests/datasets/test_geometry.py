"""Fitting boxes to images."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench.samples import Box
from medbench_datasets.geometry import fit_box

numbers = st.floats(-100, 100) | st.sampled_from([math.nan, math.inf, -math.inf])


@given(numbers, numbers, numbers, numbers)
def test_what_is_kept_lies_on_the_image_and_every_change_is_told(
    x: float, y: float, width: float, height: float
) -> None:
    box = Box(0, x, y, width, height)
    fitted = fit_box(box, height=40, width=60, where="here")
    if fitted.box is not None:
        kept = fitted.box
        assert kept.x >= 0
        assert kept.y >= 0
        assert kept.width > 0
        assert kept.height > 0
        assert kept.x + kept.width <= 60 + 1e-9
        assert kept.y + kept.height <= 40 + 1e-9
    assert (fitted.problem is None) == (fitted.box == box)


@pytest.mark.parametrize(
    ("box", "kind", "kept"),
    [
        (Box(0, 1, 2, 3, 4), None, Box(0, 1, 2, 3, 4)),
        (Box(1, 50, -5, 20, 10), "box-clipped", Box(1, 50, 0, 10, 5)),
        (Box(0, 60, 0, 5, 5), "box-outside", None),
        (Box(0, 1, 1, 0, 5), "box-outside", None),
        (Box(0, 1, 1, 5, -1), "box-outside", None),
        (Box(0, math.nan, 1, 5, 5), "box-outside", None),
    ],
)
def test_boxes_are_kept_clipped_or_dropped(box: Box, kind: str | None, kept: Box | None) -> None:
    fitted = fit_box(box, height=40, width=60, where="here")
    assert fitted.box == kept
    assert (fitted.problem.kind if fitted.problem else None) == kind
