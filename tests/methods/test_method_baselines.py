"""The baselines: random weights by seed alone, ImageNet's from a local file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import timm
import torch
from safetensors.torch import save_file

from medbench.capabilities import LoadRequest
from medbench.errors import CheckpointError, MissingCheckpointError
from medbench_methods import imagenet, random_weights

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


def request(variant: str, checkpoint: Path | None = None, seed: int = 0) -> LoadRequest:
    return LoadRequest(variant=variant, checkpoint=checkpoint, seed=seed)


@pytest.fixture(scope="module")
def classifier() -> dict[str, Tensor]:
    """A whole ResNet-50 with its classifier, as timm stores it."""
    from medbench_methods.nets.drawing import draw_weights

    with torch.device("meta"):
        model = timm.create_model("resnet50", pretrained=False)
    return draw_weights(model.state_dict(), seed=9)


@pytest.mark.parametrize("variant", ["resnet50", "vit-b16"])
def test_random_is_a_function_of_its_seed(variant: str) -> None:
    first, again, other = (random_weights.load(request(variant, seed=seed)).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_random_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    random_weights.load(request("resnet50", seed=3))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_imagenet_reads_a_local_file_and_drops_the_classifier(
    suffix: str, classifier: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / f"resnet50.{suffix}"
    if suffix == "pth":
        torch.save(classifier, path)
    else:
        save_file(classifier, path)
    model = imagenet.load(request("resnet50", path))
    assert model.preprocess.mean == (0.485, 0.456, 0.406)
    assert not model.training
    assert torch.equal(model.trunk.net.conv1.weight, classifier["conv1.weight"])
    assert torch.equal(model.trunk.net.layer4[2].bn3.running_var, classifier["layer4.2.bn3.running_var"])
    assert not [name for name in model.state_dict() if "fc." in name]


def test_imagenet_refuses_a_file_that_does_not_fit(classifier: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "resnet50.safetensors"
    save_file({name: tensor for name, tensor in classifier.items() if not name.startswith("layer4.")}, path)
    with pytest.raises(CheckpointError, match=r"does not fit timm's resnet50.tv_in1k: 50 missing keys \(layer4.0."):
        imagenet.load(request("resnet50", path))


def test_imagenet_without_hub_says_where_to_put_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    create = timm.create_model

    def offline(name: str, *, pretrained: bool, **options: object) -> object:
        if pretrained:
            raise OSError("no network")
        return create(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(
        MissingCheckpointError, match=r"put timm/deit_base.* at <checkpoints>/imagenet/vit-b16.safetens"
    ):
        imagenet.load(request("vit-b16"))


def test_imagenet_takes_the_hubs_weights_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    create = timm.create_model
    asked: list[str] = []

    def hub(name: str, *, pretrained: bool, **options: object) -> object:
        asked.append(name) if pretrained else None
        return create(name, pretrained=False, **options).eval().requires_grad_(False)

    monkeypatch.setattr(timm, "create_model", hub)
    model = imagenet.load(request("resnet50"))
    assert asked == ["resnet50.tv_in1k"]
    assert all(parameter.device.type == "cpu" for parameter in model.parameters())
