"""The checks of samples, masks, boxes and splits, on datasets made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from medbench.masks import encode_mask
from medbench.samples import Box, Mask, RawDataset, Sample
from medbench.specs import SplitSpec
from medbench.testing.contract import LeftOut, Report
from medbench.testing.mask_form import mask_fault
from medbench.testing.sample_checks import check_raw

PARTS = {"train": ["a", "b"], "test": ["c"]}


@pytest.fixture
def toy(toy_path: Path) -> ModuleType:
    import medbench_toy

    return medbench_toy


def report(toy: ModuleType, split: SplitSpec | None = None, parts: Any = PARTS, **first: Any) -> Report:
    """Of three samples of three patients, the first of them changed."""
    samples = [Sample(sample_id=one, patient_id=one, image=f"{one}.png", labels={"bright": 1}) for one in "abc"]
    samples[0] = replace(samples[0], **first)
    spec = replace(toy.DATASET, splits=(split or SplitSpec(name="main", rule="r", source="s"),))
    spec = replace(spec, box_names=("spot",), supervision=spec.supervision | {"boxes", "masks"} & _carried(first))
    return Report.of(spec.id, check_raw(spec, RawDataset(samples=tuple(samples), splits={"main": parts})))


def _carried(first: dict[str, Any]) -> set[str]:
    return {{"mask": "masks"}.get(name, name) for name in first}


def mask(**changes: Any) -> Mask:
    return encode_mask(np.eye(8))._replace(**changes)


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ({"texts": "no effusion"}, "its texts are 'no effusion', a tuple of texts is needed"),
        ({"answers": ("yes", 1)}, "its answers are ('yes', 1), a tuple of texts is needed"),
        ({"others": "b.png"}, "its others are 'b.png', a tuple of texts is needed"),
        ({"labels": {"bright": np.int64(1)}}, "of type int64: give a plain int"),
        ({"labels": {"bright": True}}, "is True of type bool: give a plain int"),
        ({"labels": {"bright": 0.5}}, "give an index into label_values"),
        ({"mask": np.eye(8)}, "its mask is a ndarray, a medbench.samples.Mask is needed"),
        ({"mask": mask(counts="08")}, "has counts of type str, bytes are needed"),
        ({"mask": mask(height=9)}, "has run lengths that sum to 64, not to 9 x 8"),
        ({"mask": mask(counts=b"\xff")}, "has counts that are no COCO compressed run lengths"),
        ({"boxes": ((0, 1, 1, 5, 5),)}, "a tuple of medbench.samples.Box is needed"),
        ({"boxes": (Box(0, 0.1, 0.1, 0.5, 0.5),)}, "none of its boxes is larger than one pixel"),
    ],
)
def test_a_malformed_field_is_named(toy: ModuleType, first: dict[str, Any], words: str) -> None:
    found = report(toy, **first)
    assert words in found.text, found.text


def test_well_formed_samples_pass(toy: ModuleType) -> None:
    found = report(toy, texts=("no effusion",), mask=mask(), boxes=(Box(0, 0, 0, 9, 9),))
    assert not found.findings, found.text


def test_counts_are_read_as_pycocotools_writes_them() -> None:
    generator = np.random.default_rng(0)
    for _ in range(40):
        height, width = generator.integers(1, 70, 2)
        pixels = generator.random((height, width)) < generator.random() ** 2
        good = encode_mask(pixels)
        assert mask_fault(good) == ""
        assert mask_fault(good._replace(width=int(width) + 1))


@pytest.mark.parametrize("rule", ["by image", "no overlap between parts", "nothing is shared", "as released"])
def test_no_wording_of_a_rule_lets_patients_into_several_parts(toy: ModuleType, rule: str) -> None:
    split = SplitSpec(name="main", rule=rule, source="s")
    told = report(toy, split, patient_id="c")
    assert "in split main, 1 patients stand in several parts (first: c)" in told.text
    assert not report(toy, replace(split, shares_patients=True), patient_id="c").findings


def test_a_part_of_published_size_that_is_empty_is_named(toy: ModuleType) -> None:
    split = SplitSpec(name="main", rule="r", source="s", sizes={"train": 2, "valid": 5, "test": 1})
    assert "main/valid is empty: the spec names a size for it" in report(toy, split).text


def test_a_split_that_the_reader_does_not_give_is_left_out(toy: ModuleType) -> None:
    spec = replace(toy.DATASET, splits=(*toy.DATASET.splits, SplitSpec(name="second", rule="r", source="s")))
    raw = RawDataset(samples=(Sample(sample_id="a", patient_id="a", image="a.png"),), splits={"main": {"train": ["a"]}})
    told = [one for one in check_raw(spec, raw) if isinstance(one, LeftOut)]
    assert [one.line for one in told] == ["dataset toy: not checked: split second: its reader does not give it here"]
