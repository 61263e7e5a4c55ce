"""What the core sees of the package before it reads a dataset."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import medbench_datasets
from medbench.loading import resolve
from medbench.specs import DatasetSpec

SPECS = medbench_datasets.medbench_datasets()
HEAVY = ("numpy", "torch", "sklearn", "pydicom", "cv2", "PIL", "pyarrow", "pycocotools", "pandas")


def test_the_hook_hands_over_every_module_with_a_spec() -> None:
    names = [info.name for info in pkgutil.iter_modules(medbench_datasets.__path__)]
    modules = [importlib.import_module(f"medbench_datasets.{name}") for name in names]
    offered = sorted(spec.id for spec in SPECS)
    assert offered == sorted(module.SPEC.id for module in modules if hasattr(module, "SPEC"))
    assert len(set(offered)) == len(offered)


def test_importing_the_package_loads_no_heavy_library() -> None:
    code = f"import sys, medbench_datasets; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.id)
def test_import_strings_lead_to_functions(spec: DatasetSpec) -> None:
    assert spec.phantom is not None
    assert callable(resolve(spec.reader, "reader"))
    assert callable(resolve(spec.phantom, "phantom"))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.id)
def test_every_spec_names_its_licence_citation_and_split_sources(spec: DatasetSpec) -> None:
    assert all((spec.licence, spec.citation or "own" in spec.tags, spec.url, spec.files))
    assert all(split.rule and split.source for split in spec.splits)
