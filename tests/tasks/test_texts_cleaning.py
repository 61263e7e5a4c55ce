"""Cleaning of reports: MOTOR's and BLIP's rules number by number, R2Gen's as this project reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench.errors import UnknownNameError
from medbench_tasks.texts.cleaning import clean

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("release", ["text_motor", "text_brain"])
def test_captions_are_cleaned_as_released(shared: Path, release: str) -> None:
    told = json.loads((shared / "golden/preproc-blip/golden.json").read_text())["results"][release]
    for words in (30, 90):
        assert [clean(text, "motor", words) for text in told["input"]] == told[f"pre_caption_{words}"]


@pytest.mark.parametrize(
    ("report", "cleaned"),
    [
        ("Heart size is normal. No effusion.", "heart size is normal . no effusion ."),
        ("1. No acute disease. 2. Old rib fracture.", "no acute disease . old rib fracture ."),
        ("The ___ lungs, (both) are clear..", "the lungs both are clear ."),
        ("Compared to XXXX.\nNo pneumothorax", "compared to xxxx . no pneumothorax ."),
        ("A 2.5 cm nodule.", "a 25 cm nodule ."),
        ("", ""),
        (" . ", ""),
    ],
)
def test_r2gen_joins_sentences_with_a_stop_between_blanks(report: str, cleaned: str) -> None:
    assert clean(report, "r2gen") == cleaned


def test_none_only_collapses_blanks() -> None:
    assert clean(" The  Heart:\n(normal). ", "none") == "The Heart: (normal)."


@pytest.mark.parametrize("how", ["none", "r2gen", "motor"])
def test_a_report_of_5000_words_is_cut(how: str) -> None:
    assert len(clean("opacity " * 5000, how, 90).split()) == 90  # type: ignore[arg-type]


@given(st.text(), st.sampled_from(["none", "motor"]))
def test_cleaning_twice_changes_nothing(text: str, how: str) -> None:
    once = clean(text, how)  # type: ignore[arg-type]
    assert clean(once, how) == once  # type: ignore[arg-type]


def test_an_unknown_cleaning_is_named() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'motor'"):
        clean("text", "motr")  # type: ignore[arg-type]
