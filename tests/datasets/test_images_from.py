"""Whose images a dataset holds, and what follows of it for the methods that were pretrained on them."""

from __future__ import annotations

import dataclasses

import pytest

from medbench.contamination import contamination_of
from medbench.specs import MethodSpec
from medbench_datasets import medbench_datasets
from medbench_methods import medbench_methods

DATASETS = {spec.id: spec for spec in medbench_datasets()}
METHODS = {spec.id: spec for spec in medbench_methods()}


def pretrained_on(*declared: str) -> MethodSpec:
    return dataclasses.replace(METHODS["random"], pretrained_on=declared)


def test_sources_of_images() -> None:
    covid = ("covid-cxr", "figure1-covid", "actualmed-covid", "covid19-radiography", "rsna")
    assert {name: spec.images_from for name, spec in DATASETS.items() if spec.images_from} == {
        "rsna": ("chestx-ray14",),
        "siim": ("chestx-ray14",),
        "ms-cxr-t": ("mimic-cxr",),
        "ms-cxr-t-sentences": ("mimic-cxr",),
        "covidx": (*covid, "ricord", "covid-19-ny-sbu", "bimcv-covid19"),
        "slake": ("medical-segmentation-decathlon", "chestx-ray14", "chaos"),
        "vqa-rad": ("medpix",),
        "vqa-med-2019": ("medpix",),
        "roco": ("pmc",),
        "brain-pubmed": ("pmc",),
        "brain-pubmed-panels": ("brain-pubmed",),
        "brain-pubmed-panels-first": ("brain-pubmed",),
    }


def test_no_dataset_holds_its_own_images() -> None:
    assert all(name not in (spec.images_from or ()) for name, spec in DATASETS.items())


@pytest.mark.parametrize(
    ("declared", "tested", "found"),
    [
        ("mimic-cxr", "ms-cxr-t", "overlaps"),
        ("mimic-cxr:train", "ms-cxr-t", "overlaps"),  # nobody says in which part its pairs lie
        ("mimic-cxr", "ms-cxr-t-sentences", "overlaps"),
        ("mimic-cxr", "rsna", "clean"),
        ("mimic-cxr", "iu-xray", "clean"),
        ("chestx-ray14", "rsna", "overlaps"),
        ("chestx-ray14:train", "rsna", "overlaps"),
        ("chestx-ray14", "siim", "overlaps"),
        ("chestx-ray14", "covidx", "overlaps"),  # by way of RSNA
        ("chestx-ray14", "slake", "overlaps"),
        ("chestx-ray14:train", "chestx-ray14", "clean"),
        ("rsna", "siim", "overlaps"),  # both hold images of ChestX-ray14
        ("covid-cxr", "covidx", "overlaps"),
        ("vqa-rad", "vqa-med-2019", "overlaps"),  # both are of MedPix
        ("brain-pubmed", "brain-pubmed-panels-first", "overlaps"),
        ("brain-pubmed", "roco", "overlaps"),
        ("roco", "vqa-rad", "clean"),
        ("mimic-cxr:train", "mimic-cxr", "clean"),
        ("mimic-cxr", "mimic-cxr", "overlaps"),
    ],
)
def test_pretraining_data_against_a_dataset(declared: str, tested: str, found: str) -> None:
    split = DATASETS[tested].splits[0].name
    assert contamination_of(pretrained_on(declared), "", tested, split, DATASETS) == found


@pytest.mark.parametrize(
    ("method", "tested", "found"),
    [
        ("mgca", "rsna", "clean"),
        ("mgca", "siim", "clean"),
        ("mgca", "mimic-cxr", "overlaps"),  # its checkpoint was chosen on the official test part
        ("medst", "ms-cxr-t", "overlaps"),
        ("medslip", "chestx-ray14", "clean"),
        ("medslip", "mimic-cxr", "overlaps"),
        ("motor@retrieval-iu", "iu-xray", "clean"),  # fine-tuned on the training part of that very split
        ("motor@vqa-rad", "vqa-rad", "overlaps"),
        ("motor@pretrain", "vqa-rad", "clean"),
        ("motor@diagnosis", "rsna", "overlaps"),  # fine-tuned on ChestX-ray14
        ("motor@pretrain", "rsna", "clean"),
        ("brain-blip", "brain-pubmed-panels", "overlaps"),
        ("blip", "roco", "undeclared"),
        ("timm", "rsna", "undeclared"),
        ("imagenet", "rsna", "clean"),
        ("random", "mimic-cxr", "clean"),
    ],
)
def test_methods_against_a_dataset(method: str, tested: str, found: str) -> None:
    split = DATASETS[tested].splits[0].name
    name, _, variant = method.partition("@")
    assert contamination_of(METHODS[name], variant, tested, split, DATASETS) == found


@pytest.mark.parametrize("own", ["csv", "image-folder"])
def test_nobody_knows_where_a_users_own_images_are_from(own: str) -> None:
    split = DATASETS[own].splits[0].name
    assert contamination_of(pretrained_on("chestx-ray14"), "", own, split, DATASETS) == "undeclared"
    assert contamination_of(METHODS["mgca"], "resnet50", own, split, DATASETS) == "undeclared"
    assert contamination_of(METHODS["random"], "resnet50", own, split, DATASETS) == "clean"


def test_a_declared_part_is_clean_of_its_own_split_alone() -> None:
    assert contamination_of(pretrained_on("mimic-cxr:train"), "", "mimic-cxr", "r2gen", DATASETS) == "overlaps"
