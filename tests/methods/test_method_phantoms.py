"""Phantom checkpoints have the published form and weights that a head can learn on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch

from medbench.capabilities import LoadRequest, TextEncoder
from medbench.checkpoints import read_checkpoint
from medbench_methods import mgca, random_weights
from medbench_methods.nets.families import MEDST, MGCA
from medbench_methods.nets.family_phantom import official_layout

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from medbench_methods.nets.family import Family

LAYOUTS = {
    "mgca-resnet50": (MGCA, "resnet50", 536),
    "mgca-vit_base": (MGCA, "vit-b16", 368),
    "medst-resnet50": (MEDST, "resnet50", 569),
    "medst-vit_base": (MEDST, "vit-b16", 473),
}


@pytest.mark.parametrize(("family", "variant", "count"), LAYOUTS.values(), ids=LAYOUTS)
def test_layout_has_the_published_number_of_keys(family: Family, variant: str, count: int) -> None:
    assert len(official_layout(family, variant)) == count


@pytest.mark.parametrize("folder", LAYOUTS)
def test_layout_equals_the_manifest(folder: str, shared: Path) -> None:
    published = json.loads((shared / "golden" / folder / "manifest.json").read_text())["state_dict"]
    layout = official_layout(*LAYOUTS[folder][:2])
    ours = {key: [list(like.shape), str(like.dtype).removeprefix("torch.")] for key, like in layout.items()}
    assert list(ours.items()) == list(published.items())


@torch.inference_mode()
def test_phantom_loads_through_the_published_route(tmp_path: Path, assets: Path, images: Tensor) -> None:
    (path,) = mgca.write_phantom(tmp_path, seed=4)
    assert path == tmp_path / "mgca" / "resnet_50.ckpt"
    assert list(path.parent.iterdir()) == [path]
    values = read_checkpoint(path).values
    assert values["pytorch-lightning_version"] == "1.5.10"
    assert values["hyper_parameters"]["img_encoder"] == "resnet_50"
    model = mgca.load(LoadRequest(variant="resnet50", checkpoint=path, assets=assets))
    assert isinstance(model, TextEncoder)
    texts = model.encode_texts(["no pneumonia", "pneumonia is worse"])
    assert texts.shape == model.project_images(model.encode_images(images[:2])).shape == (2, 128)
    assert float((texts[0] - texts[1]).abs().max()) > 1e-3
    path.unlink()


@torch.inference_mode()
@pytest.mark.parametrize(("variant", "level"), [("resnet50", 3), ("vit-b16", 0)])
def test_drawn_features_localise_a_bright_blob(variant: str, level: int) -> None:
    model = random_weights.load(LoadRequest(variant=variant, checkpoint=None, seed=1))
    images, where = _blobs(13)
    features = model.encode_pyramid(images)[level]
    assert 0.05 < float(features.std()) < 20
    assert float(model.encode_images(images[:4]).std(dim=0).mean()) > 1e-3
    score = _readout(features, where, fitted=9)
    found = score.flatten(1).argmax(dim=1)
    hits = where[9:].flatten(1).gather(1, found[:, None]) > 0
    assert int(hits.sum()) >= 3, "a linear readout finds the blob in most of four images"


def _blobs(count: int) -> tuple[Tensor, Tensor]:
    """Images with one bright disc each, and its coverage of a 14 x 14 grid."""
    generator = torch.Generator().manual_seed(3)
    rows, columns = torch.meshgrid(torch.arange(224), torch.arange(224), indexing="ij")
    centre = torch.rand(2, count, 1, 1, generator=generator) * 140 + 40
    disc = (((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2) < 24**2).float()[:, None]
    noise = torch.randn(count, 1, 224, 224, generator=generator) * 0.05
    images = (disc * 0.6 + noise - 0.3).expand(-1, 3, -1, -1)
    return images.contiguous(), torch.nn.functional.adaptive_avg_pool2d(disc, 14)[:, 0]


def _readout(features: Tensor, where: Tensor, *, fitted: int) -> Tensor:
    """Ridge regression of coverage on features over the first ``fitted`` images; its map on the others."""
    table = features.permute(0, 2, 3, 1)
    table = (table - table.mean(dim=(0, 1, 2))) / (table.std(dim=(0, 1, 2)) + 1e-6)
    train, target = table[:fitted].flatten(0, 2), where[:fitted].flatten()
    gram = train.T @ train + 0.05 * len(train) * torch.eye(train.shape[1])
    return table[fitted:] @ torch.linalg.solve(gram, train.T @ (target - target.mean()))
