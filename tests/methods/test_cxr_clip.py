"""CXR-CLIP's image encoders from its trainer's files give what networks built apart from them give."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from known_files import hollow, save
from swin_files import stored_swin, their_swin
from torch import nn
from torchvision.models import resnet50

from medbench.capabilities import LoadRequest
from medbench_methods import cxr_clip
from medbench_methods.nets.published import read_tensors

ONE = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(4))
OTHERS = {  # what stands beside the image encoder in the trainer's state_dict
    "image_projection.projection.weight": torch.zeros(512, 1),
    "text_encoder.text_encoder.embeddings.word_embeddings.weight": torch.zeros(1, 768),
    "text_encoder.text_encoder.embeddings.position_ids": torch.arange(512)[None],
    "text_projection.projection.weight": torch.zeros(512, 768),
    "logit_scale": torch.zeros(()),
}


def load(path: Path, variant: str, state: dict[str, torch.Tensor]):
    """The encoder of a file as the trainer saves it."""
    values = {
        "optimizer": {"state": {}},
        "scheduler": {},
        "config": {"base": {"seed": 1}},
        "epoch": 9,
        "train_loss": 0.5,
    }
    torch.save({"model": state, **values}, path)
    try:
        return cxr_clip.load(LoadRequest(variant=variant, checkpoint=path))
    finally:
        path.unlink()


@torch.inference_mode()
def test_the_resnet_is_torchvisions(tmp_path: Path) -> None:
    torch.manual_seed(3)
    net = resnet50(weights=None).eval()
    net.fc = nn.Identity()
    state = {f"image_encoder.resnet.{name}": tensor for name, tensor in net.state_dict().items()}
    model = load(tmp_path / "r50_mc.tar", "r50-mc", state | OTHERS)
    assert model.embed_dim == 2048
    torch.testing.assert_close(model.encode_images(ONE), net(ONE), rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_the_swin_is_transformers(tmp_path: Path) -> None:
    swin = their_swin()
    state = stored_swin(swin, "image_encoder.image_encoder.")
    model = load(tmp_path / "swint_mcc.tar", "swint-mcc", state | OTHERS)
    assert model.embed_dim == 768
    torch.testing.assert_close(model.encode_images(ONE), swin(ONE).pooler_output, rtol=0, atol=1e-5)


def test_phantoms_have_the_trainers_container(tmp_path: Path) -> None:
    published = cxr_clip.published("swint-m")
    state = hollow(published)
    path = save(published, state, tmp_path / "swint_m.tar")
    assert set(torch.load(path)) == {"model", "optimizer", "scheduler", "config", "epoch", "train_loss"}
    assert set(read_tensors(path)) == set(state)


@pytest.mark.parametrize(("variant", "other"), [("r50-m", "swint-m"), ("swint-m", "r50-m")])
def test_the_other_networks_file_does_not_fit(variant: str, other: str) -> None:
    shapes = {key: tuple(one.shape) for key, one in hollow(cxr_clip.published(other)).items()}
    (images,) = cxr_clip.keys(variant, shapes)
    assert images.matching.fitting == 0
    assert set(images.matching.ignored) == {"image_projection.projection.weight"}


def test_each_variant_says_what_it_has_seen() -> None:
    seen = {one.id: one.pretrained_on for one in cxr_clip.SPEC.variants}
    assert cxr_clip.SPEC.variants[0].id == "r50-m"
    for net in ("r50", "swint"):
        assert seen[f"{net}-m"] == ("mimic-cxr",)
        assert seen[f"{net}-mc"] == ("mimic-cxr", "chexpert")
        assert seen[f"{net}-mcc"] == ("mimic-cxr", "chexpert", "chestx-ray14")
