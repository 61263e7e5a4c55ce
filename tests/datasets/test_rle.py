"""The relative run-length code, against the published function's output and by round trip."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from medbench.masks import decode_mask, empty_mask, encode_mask
from medbench_datasets.rle import RleError, RleOverrunError, blank_mask, decode_rle, encode_rle, unite

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12))


def test_it_decodes_as_the_published_function_does(shared: Path) -> None:
    folder = shared / "golden" / "mgca-metrics"
    text = json.loads((folder / "golden.json").read_text())["text"]["rle"]
    expected = np.load(folder / "golden.npz")["rle_mask"]
    np.testing.assert_array_equal(decode_mask(decode_rle(text, height=8, width=8)), expected > 0)


@settings(max_examples=60, deadline=None)
@given(masks)
def test_encoding_and_decoding_gives_the_mask_back(pixels: NDArray[np.bool_]) -> None:
    height, width = pixels.shape
    text = encode_rle(pixels)
    mask = decode_rle(text, height=height, width=width) if text else blank_mask(height, width)
    assert mask == encode_mask(pixels)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8))
def test_runs_decode_as_the_position_rule_says_or_overrun(runs: list[tuple[int, int]]) -> None:
    height, width = 6, 7
    flat, position = np.zeros(height * width + 200, bool), 0
    for start, length in runs:
        position += start
        flat[position : position + length] = True
        position += length
    text = " ".join(f"{start} {length}" for start, length in runs)
    if flat[height * width :].any():
        with pytest.raises(RleOverrunError, match="of 42"):
            decode_rle(text, height=height, width=width)
    else:
        expected = flat[: height * width].reshape(width, height).T
        assert decode_rle(text, height=height, width=width) == encode_mask(expected)


@pytest.mark.parametrize("text", ["", "1", "1 2 3", "a 2", "-1 4", "1.5 2", "1 9999999999", "٣ 1"])
def test_malformed_text_is_refused(text: str) -> None:
    with pytest.raises(RleError):
        decode_rle(text, height=4, width=4)


def test_a_run_to_the_last_pixel_fits_and_one_more_overruns() -> None:
    assert decode_mask(decode_rle("15 1", height=4, width=4))[3, 3] == 1
    with pytest.raises(RleOverrunError):
        decode_rle("15 2", height=4, width=4)


def test_the_blank_mask_is_the_one_that_drawing_gives() -> None:
    assert blank_mask(5, 3) == empty_mask(5, 3)


def test_union_covers_both_masks() -> None:
    both = unite([decode_rle("0 2", height=4, width=4), decode_rle("1 3", height=4, width=4)])
    assert both == decode_rle("0 4", height=4, width=4)
