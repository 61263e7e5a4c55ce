"""BioViL's image tower is torchvision's ResNet-50, in the file that hi-ml-multimodal makes; BioViL-T's adds a layer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from known_files import hollow, save
from torch import Tensor, nn
from torchvision.models import resnet50

from medbench.capabilities import LoadRequest
from medbench.errors import CheckpointError
from medbench_methods import biovil, biovil_t
from medbench_methods.nets import published as shared

PROJECTOR = {
    "projector.model.0.weight": (128, 2048, 1, 1),
    "projector.model.1.weight": (128,),
    "projector.model.1.bias": (128,),
    "projector.model.1.running_mean": (128,),
    "projector.model.1.running_var": (128,),
    "projector.model.1.num_batches_tracked": (),
    "projector.model.3.weight": (128, 128, 1, 1),
    "projector.model.3.bias": (128,),
}
"""As that library's model has it, version 0.2.2; it keeps torchvision's classifier too."""


def test_features_are_the_mean_of_the_last_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    net = reference()
    state = {f"encoder.encoder.{name}": tensor for name, tensor in net.state_dict().items()}
    state |= {key: torch.zeros(shape) for key, shape in PROJECTOR.items()}
    assert len(state) == 328
    monkeypatch.setattr(shared, "read_tensors", lambda path: state)
    encoder = biovil.load(LoadRequest(variant="resnet50", checkpoint=Path("memory")))
    images = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(7))
    net.fc = nn.Identity()
    with torch.inference_mode():
        wanted = net(images)
        torch.testing.assert_close(encoder.encode_images(images), wanted, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(encoder.encode_pyramid(images)[-1].mean(dim=(2, 3)), wanted, rtol=1e-4, atol=1e-5)
    assert wanted.std() > 0.01


def test_its_successor_tells_an_image_alone_by_half_of_its_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """What hi-ml-multimodal computes without an earlier image: the mean over places of a convolution of width 1."""
    net = reference()
    generator = torch.Generator().manual_seed(5)
    weight, absent = torch.randn(256, 2048, 1, 1, generator=generator), torch.randn(1, 256, 1, 1, generator=generator)
    state = {f"encoder.encoder.{name}": tensor for name, tensor in net.state_dict().items()}
    state |= {"encoder.backbone_to_vit.weight": weight, "encoder.missing_previous_emb": absent}
    state |= {"encoder.vit_pooler.type_embed": torch.zeros(2, 1, 256)}
    monkeypatch.setattr(shared, "read_tensors", lambda path: state)
    encoder = biovil_t.load(LoadRequest(variant="resnet50", checkpoint=Path("memory")))
    images = torch.rand(2, 3, 64, 64, generator=generator)
    with torch.inference_mode():
        maps = nn.Sequential(*list(net.children())[:-2])(images)
        wanted = nn.functional.conv2d(maps, weight).mean(dim=(2, 3))
        found = encoder.encode_images(images)
    assert encoder.embed_dim == found.shape[1] == 512
    torch.testing.assert_close(found[:, :256], wanted, rtol=1e-4, atol=1e-4)
    assert torch.equal(found[:, 256:], absent.flatten(1).expand(2, -1))


def test_how_images_are_shown(tmp_path: Path) -> None:
    path = save(published(), hollow(published()), tmp_path / "file.pt")
    shown = biovil.load(LoadRequest(variant="resnet50", checkpoint=path)).preprocess
    assert (shown.resize, shown.mode, shown.crop, shown.interpolation) == (512, "shorter", 480, "bilinear")
    assert (shown.mean, shown.std) == ((0, 0, 0), (1, 1, 1))


def test_its_successors_tower_is_not_passed_over(tmp_path: Path) -> None:
    """BioViL-T has the same ResNet under the same names, but its features come after more layers."""
    more = {"encoder.backbone_to_vit.weight": (256, 2048, 1, 1), "encoder.missing_previous_emb": (1, 256, 1, 1)}
    state = hollow(published()) | {key: torch.zeros(()).expand(shape) for key, shape in more.items()}
    assert "2 unexpected keys (encoder.backbone_to_vit.weight, " in refusal(state, tmp_path)


def test_a_resnet_under_its_own_names(tmp_path: Path) -> None:
    with torch.device("meta"):
        names = resnet50().state_dict()
    state = {name: torch.zeros((), dtype=like.dtype).expand(like.shape) for name, like in names.items()}
    assert "missing keys (encoder.encoder.conv1.weight, " in refusal(state, tmp_path)


def published() -> shared.Published:
    return biovil.published("resnet50")


def refusal(state: dict[str, Tensor], folder: Path) -> str:
    path = save(published(), state, folder / "file.pt")
    with pytest.raises(CheckpointError) as caught:
        biovil.load(LoadRequest(variant="resnet50", checkpoint=path))
    return str(caught.value)


def reference() -> nn.Module:
    """torchvision's, with drawn weights and norms that are no identities."""
    torch.manual_seed(3)
    net = resnet50(weights=None).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for positive in (module.weight, module.running_var):
                positive.data.uniform_(0.3, 0.7)
            for other in (module.bias, module.running_mean):
                other.data.normal_(0, 0.1)
    return net
