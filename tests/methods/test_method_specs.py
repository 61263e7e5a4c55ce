"""What the package says of its methods, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import medbench_methods as medbench_methods_package
from medbench.specs import UNDISCLOSED, MethodSpec
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
        "gloria": "resnet50",
        "convirt": "resnet50",
        "m-flag": "resnet50",
        "ptunifier": "vit-b16",
        "mrm": "vit-b16",
        "refers": "vit-b16",
        "biovil": "resnet50",
        "biovil-t": "resnet50",
        "medklip": "resnet50",
        "medclip": "resnet50",
        "cxr-clip": "r50-m",
        "imagenet": "resnet50",
        "random": "resnet50",
        "chexzero": "vit-b32",
        "rad-dino": "base",
        "biomedclip": "vit-b16",
        "pubmedclip": "vit-b32",
        "dinov2": "base",
        "clip": "vit-b32",
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
        "brain-blip": ("brain-pubmed", UNDISCLOSED),
        "motor": ("mimic-cxr", "imagenet"),
        "gloria": ("chexpert:train",),
        "convirt": None,
        "m-flag": ("mimic-cxr:train",),
        "ptunifier": ("roco", "medicat", "mimic-cxr", UNDISCLOSED),
        "mrm": ("mimic-cxr", "imagenet"),
        "refers": ("mimic-cxr", "imagenet-21k"),
        "biovil": ("mimic-cxr",),
        "biovil-t": ("mimic-cxr",),
        "medklip": ("mimic-cxr",),
        "medclip": ("mimic-cxr", "chexpert:train"),
        "cxr-clip": ("mimic-cxr",),
        "imagenet": ("imagenet",),
        "random": (),
        "chexzero": ("mimic-cxr", UNDISCLOSED),
        "rad-dino": ("mimic-cxr", "chexpert", "chestx-ray14", "padchest", "brax"),
        "biomedclip": ("pmc-15m", "pmc"),
        "pubmedclip": ("roco", UNDISCLOSED),
        "dinov2": ("lvd-142m",),
        "clip": None,
    }


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_what_benchx_trained_anew_saw_the_training_part_alone(spec: MethodSpec) -> None:
    retrained = [one for one in spec.variants if "BenchX" in one.title]
    assert all("mimic-cxr:train" in (spec.seen_by(one.id) or ()) for one in retrained)
    assert not any("mimic-cxr" in (spec.seen_by(one.id) or ()) for one in retrained)


def test_a_published_method_is_a_short_module() -> None:
    """An author of another reads one of these first, and so does whoever checks a table of keys against a file."""
    folder = Path(medbench_methods_package.__file__).parent
    modules = [path for path in folder.glob("*.py") if "offer(SPEC, published)" in path.read_text(encoding="utf-8")]
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in modules}
    assert len(lengths) >= 10
    assert {name: lines for name, lines in lengths.items() if lines >= 80 and name != "known.py"} == {}


def test_the_data_of_open_families_is_undeclared() -> None:
    assert {spec.pretrained_on for spec in SPECS.values() if spec.open_variants is not None} == {None}


def test_a_variant_that_cannot_be_pretrained_says_so() -> None:
    assert "cannot pre-train" in SPECS["medst"].variant("resnet50").title


def test_importing_the_package_loads_no_heavy_library() -> None:
    heavy = ("torch", "numpy", "timm", "transformers", "torchvision", "pandas", "sklearn", "pyarrow")
    code = f"import sys, medbench_methods; print(*(set({heavy!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
