"""Whether a method may have seen a task's test images."""

from __future__ import annotations

import dataclasses

import pytest

from medbench.contamination import contamination_of
from medbench.errors import PluginError
from medbench.specs import UNDISCLOSED, DatasetSpec, SplitSpec
from tests.core.record_maker import make_method


def dataset(name: str, *sources: str, known: bool = True) -> DatasetSpec:
    return DatasetSpec(
        id=name,
        title=name,
        modality="X-ray",
        access="open",
        licence="",
        url="",
        files=(),
        supervision=frozenset({"labels"}),
        label_names=("a",),
        splits=(SplitSpec(name="official", rule="", source=""), SplitSpec(name="other", rule="", source="")),
        reader="toy:read",
        images_from=sources if known else None,
    )


DATASETS = {
    one.id: one
    for one in (
        dataset("nih"),
        dataset("rsna", "nih"),
        dataset("siim", "nih"),
        dataset("covidx", "rsna", "elsewhere"),
        dataset("mimic"),
        dataset("pairs", "mimic"),
        dataset("own", known=False),
        dataset("folder", known=False),
        dataset("part-of-own", "own"),
    )
}


@pytest.mark.parametrize(
    ("pretrained_on", "tested", "split", "found"),
    [
        (None, "nih", "official", "undeclared"),
        ((), "nih", "official", "clean"),
        (("mimic",), "nih", "official", "clean"),
        (("nih",), "nih", "official", "overlaps"),
        (("nih",), "rsna", "official", "overlaps"),  # one holds the other's images
        (("rsna",), "nih", "official", "overlaps"),
        (("rsna",), "siim", "official", "overlaps"),  # both hold images of a third
        (("nih",), "covidx", "official", "overlaps"),  # by way of rsna
        (("elsewhere",), "covidx", "official", "overlaps"),  # a dataset that nobody reads
        (("mimic:train",), "mimic", "official", "clean"),
        (("mimic:train",), "mimic", "other", "overlaps"),  # nobody knows which image is where
        (("mimic:test",), "mimic", "official", "overlaps"),
        (("mimic:train",), "pairs", "official", "overlaps"),
        (("mimic:train", "mimic"), "mimic", "official", "overlaps"),
        (("mimic", UNDISCLOSED), "nih", "official", "undeclared"),  # it may hold them
        (("mimic", UNDISCLOSED), "mimic", "official", "overlaps"),
        (("mimic",), "own", "official", "undeclared"),  # nobody knows where a user's own images are from
        ((), "own", "official", "clean"),
        (("own",), "own", "official", "overlaps"),
        (("own",), "folder", "official", "undeclared"),
        (("own",), "mimic", "official", "undeclared"),
        (("mimic",), "part-of-own", "official", "undeclared"),
        (("mimic", "part-of-own"), "own", "official", "overlaps"),
    ],
)
def test_overlap(pretrained_on: tuple[str, ...] | None, tested: str, split: str, found: str) -> None:
    assert contamination_of(make_method("m", pretrained_on), "resnet50", tested, split, DATASETS) == found


def test_a_method_that_is_gone_is_undeclared() -> None:
    assert contamination_of(None, "resnet50", "nih", "official", DATASETS) == "undeclared"


def test_images_from_each_other_end() -> None:
    ring = {"a": dataset("a", "b"), "b": dataset("b", "a")}
    assert contamination_of(make_method("m", ("a",)), "resnet50", "b", "official", ring) == "overlaps"


def test_a_part_that_is_none_is_refused() -> None:
    with pytest.raises(PluginError, match="'mimic:training', parts are train, valid, test"):
        dataclasses.replace(make_method("m", None), pretrained_on=("mimic:training",))


def test_a_variant_may_have_seen_other_data_than_its_method() -> None:
    method = make_method("m", ("mimic",))
    own = dataclasses.replace(method.variants[0], id="own", pretrained_on=("nih",))
    method = dataclasses.replace(method, variants=(*method.variants, own))
    assert contamination_of(method, "resnet50", "rsna", "official", DATASETS) == "clean"
    assert contamination_of(method, "own", "rsna", "official", DATASETS) == "overlaps"
    assert contamination_of(method, "of-an-open-family", "mimic", "official", DATASETS) == "overlaps"
