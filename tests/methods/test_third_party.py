"""The example package: built and installed as any other, it enters the registry and gives working encoders."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from open_models import check_stable, noise

from medbench.capabilities import ImageEncoder, LoadRequest
from medbench.errors import CheckpointError

SOURCE = Path(__file__).parents[1] / "third_party"


@pytest.fixture(scope="module")
def package() -> ModuleType:
    """The plugin's module, loaded from its file."""
    spec = importlib.util.spec_from_file_location("medbench_small_encoders", SOURCE / "medbench_small_encoders.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_installed_it_is_listed_without_loading_torch(tmp_path: Path) -> None:
    source = tmp_path / "source"
    site = tmp_path / "site"
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*install, "--target", str(site), str(source)], check=True, capture_output=True)
    (point,) = [one for found in importlib.metadata.distributions(path=[str(site)]) for one in found.entry_points]
    assert (point.group, point.value) == ("medbench", "medbench_small_encoders")
    code = (
        "import sys; from medbench.registry import Registry; registry = Registry.load();"
        "print(*(one.id for one in registry.method('small-encoders').variants), 'torch' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(site)},
    )
    assert found.stdout.split() == [
        "cifar-resnet20",
        "cifar-resnet32",
        "mevf-autoencoder",
        "mevf-maml",
        "random-resnet20",
        "False",
    ]


def test_it_is_written_against_the_core_alone() -> None:
    text = (SOURCE / "medbench_small_encoders.py").read_text()
    imported = re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE)
    assert set(imported) <= {"__future__", "collections", "typing", "medbench"}
    assert len(text.splitlines()) < 180


@pytest.mark.parametrize(
    ("variant", "side"), [("cifar-resnet20", 64), ("cifar-resnet32", 64), ("mevf-autoencoder", 128), ("mevf-maml", 84)]
)
def test_the_real_weights_give_an_encoder(variant: str, side: int, package: ModuleType, shared: Path) -> None:
    path = shared / "data" / "encoders" / f"{package.FILES[variant][0]}.safetensors"
    model = package.load(LoadRequest(variant=variant, checkpoint=path))
    assert isinstance(model, ImageEncoder)
    assert (model.embed_dim, model.preprocess.crop) == (64, side)
    check_stable(model, noise(3, side))


def test_a_shortcut_subsamples_and_pads_on_both_sides(package: ModuleType) -> None:
    """Option A: with a silent main branch a block gives its input, every other pixel, between zeros."""
    block = package._resnet(3).layer2[0].eval()
    torch.nn.init.zeros_(block.bn2.weight)
    images = torch.rand(1, 16, 6, 6)
    with torch.inference_mode():
        out = block(images)
    assert torch.equal(out[:, 8:24], images[:, :, ::2, ::2])
    assert out[:, :8].abs().sum() + out[:, 24:].abs().sum() == 0


def test_the_wrong_file_is_refused(package: ModuleType, shared: Path) -> None:
    path = shared / "data" / "encoders" / "cifar10_resnet20.safetensors"
    with pytest.raises(CheckpointError, match="is not cifar-resnet32's"):
        package.load(LoadRequest(variant="cifar-resnet32", checkpoint=path))
