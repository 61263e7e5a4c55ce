"""What the package says of its methods, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from medbench.specs import MethodSpec
from medbench_methods import medbench_methods

SPECS = {spec.id: spec for spec in medbench_methods()}


def test_methods_with_their_defaults() -> None:
    assert {name: spec.variants[0].id for name, spec in SPECS.items() if spec.open_variants is None} == {
        "mgca": "resnet50",
        "medst": "vit-b16",
        "medslip": "resnet50",
        "blip": "pretrain",
        "brain-blip": "pretrain",
        "motor": "pretrain",
        "imagenet": "resnet50",
        "random": "resnet50",
    }


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_import_strings_resolve(spec: MethodSpec) -> None:
    for target in filter(None, (spec.loader, spec.phantom)):
        module, name = target.split(":")
        assert callable(getattr(import_module(module), name))


def test_pretraining_data_is_declared() -> None:
    assert {name: spec.pretrained_on for name, spec in SPECS.items() if spec.open_variants is None} == {
        "mgca": ("mimic-cxr", "imagenet"),
        "medst": ("mimic-cxr", "imagenet"),
        "medslip": ("mimic-cxr",),
        "blip": None,
        "brain-blip": ("brain-pubmed",),
        "motor": ("mimic-cxr", "imagenet"),
        "imagenet": ("imagenet",),
        "random": (),
    }


def test_the_data_of_open_families_is_undeclared() -> None:
    assert {spec.pretrained_on for spec in SPECS.values() if spec.open_variants is not None} == {None}


def test_a_variant_that_cannot_be_pretrained_says_so() -> None:
    assert "cannot pre-train" in SPECS["medst"].variant("resnet50").title


def test_importing_the_package_loads_no_heavy_library() -> None:
    heavy = ("torch", "numpy", "timm", "transformers", "torchvision", "pandas", "sklearn", "pyarrow")
    code = f"import sys, medbench_methods; print(*(set({heavy!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
