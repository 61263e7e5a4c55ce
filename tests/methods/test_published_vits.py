"""PTUnifier, MRM and REFERS: their features are those of transformers written out over the published tensors."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
import timm
import torch
from known_files import hollow, save
from torch import nn
from vit_forwards import CLIP, clip_state, clip_tokens, drawn, jax_state, jax_tokens

from medbench.capabilities import LoadRequest
from medbench.errors import CheckpointError
from medbench.specs import UNDISCLOSED
from medbench_methods import mrm, ptunifier, refers
from medbench_methods.nets import published as shared

if TYPE_CHECKING:
    from torch import Tensor

    from medbench_methods.nets.encoders import VisionEncoder

State = dict[str, "Tensor"]


@pytest.fixture(scope="module")
def mrm_state() -> State:
    """timm's own names, as MAE keeps them, with the decoder and the texts beside them."""
    with torch.device("meta"):
        net = timm.create_model("vit_base_patch16_224", num_classes=0)
    shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    spare = {"mask_token": (1, 1, 512), "decoder_pos_embed": (1, 197, 768), "decoder_blocks.3.norm1.weight": (768,)}
    texts = {"bert_encoder.model.bert.pooler.dense.weight": (384, 384), "bert_mlp.weight": (384, 768)}
    return drawn(shapes | spare | texts)


def test_ptunifier_is_clip_without_its_last_block() -> None:
    state, images = clip_state(325), pixels(288)
    encoder = from_memory(ptunifier, "vit-b16", state)
    assert (encoder.preprocess.resize, encoder.preprocess.crop) == (288, 288)
    with torch.inference_mode():
        tokens = clip_tokens(state, images)
        assert_same(encoder.encode_images(images), tokens[:, 0])
        assert_same(encoder.encode_pyramid(images)[0], as_map(tokens[:, 1:]))


def test_mrm_is_the_mean_of_patches_before_the_norm(mrm_state: State) -> None:
    encoder, images = from_memory(mrm, "vit-b16", mrm_state), pixels(224)
    with torch.device("meta"):
        net = timm.create_model("vit_base_patch16_224", num_classes=0, global_pool="avg").eval()
    assert isinstance(net.norm, nn.Identity)  # timm's way to pool before any norm; what it makes afresh is left out
    net.fc_norm = nn.Identity()
    net.load_state_dict({name: mrm_state[name] for name in net.state_dict()}, assign=True)
    with torch.inference_mode():
        tokens = net.forward_features(images)
        assert_same(encoder.encode_images(images), net.forward_head(tokens))
        assert_same(encoder.encode_pyramid(images)[0], as_map(tokens[:, 1:]))


def test_refers_joins_queries_keys_and_values() -> None:
    state, images = jax_state(), pixels(224)
    encoder = from_memory(refers, "vit-b16", state)
    with torch.inference_mode():
        tokens = jax_tokens(state, images)
        assert_same(encoder.encode_images(images), tokens[:, 0])
        assert_same(encoder.encode_pyramid(images)[0], as_map(tokens[:, 1:]))
    beside = {
        "fusion.0.weight": (3,),
        "contrastive_bert.fc.weight": (2304, 768),
        "backward_textual.embedding.words": (3,),
    }
    pretraining = {f"visual.vit.{key}": tensor for key, tensor in state.items()} | drawn(beside)
    same = from_memory(refers, "vit-b16", pretraining).state_dict()
    assert all(torch.equal(tensor, same[name]) for name, tensor in encoder.state_dict().items())


@pytest.mark.parametrize(
    ("method", "mean", "std", "interpolation"),
    [
        (mrm, 0.4978, 0.2449, "bilinear"),
        (refers, 0.485, 0.229, "bilinear"),
        (ptunifier, 0.48145466, 0.26862954, "bicubic"),
    ],
)
def test_how_images_are_shown(method: ModuleType, mean: float, std: float, interpolation: str, tmp_path: Path) -> None:
    shown = loaded(method, "vit-b16-benchx", state_of(method, "vit-b16-benchx"), tmp_path).preprocess
    assert (shown.mode, shown.crop, shown.interpolation) == ("shorter", 224, interpolation)
    assert (shown.mean[0], shown.std[0]) == (mean, std)


def test_the_table_of_benchx_ptunifier_decides_its_side(tmp_path: Path) -> None:
    official = loaded(ptunifier, "vit-b16-benchx", state_of(ptunifier, "vit-b16"), tmp_path)
    assert (official.preprocess.resize, official.preprocess.crop) == (288, 288)
    assert official.trunk.net.pos_embed.shape == (1, 325, 768)


def test_the_official_ptunifier_is_the_large_one(tmp_path: Path) -> None:
    line = refusal(ptunifier, "vit-b16", state_of(ptunifier, "vit-b16-benchx"), tmp_path)
    assert f"{CLIP}positional_embedding (197, 768) for (325, 768)" in line
    assert "the nearest known layout is ptunifier@vit-b16-benchx" in line


def test_the_positions_of_clips_texts_are_no_stand_in(tmp_path: Path) -> None:
    state = state_of(ptunifier, "vit-b16")
    assert state["vision_encoder.positional_embedding"].shape == (77, 512)
    del state[f"{CLIP}positional_embedding"]
    line = refusal(ptunifier, "vit-b16", state, tmp_path)
    assert f"1 missing key ({CLIP}positional_embedding)" in line


@pytest.mark.parametrize("key", ["proj", "transformer.resblocks.11.ln_1.weight"])
def test_what_a_whole_clip_has_more_is_not_passed_over(key: str, tmp_path: Path) -> None:
    state = state_of(ptunifier, "vit-b16") | {f"{CLIP}{key}": torch.zeros(768)}
    assert f"1 unexpected key ({CLIP}{key})" in refusal(ptunifier, "vit-b16", state, tmp_path)


def test_a_configuration_that_sacred_wrapped_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("sacred.config.custom_containers")
    wrapped = type("ReadOnlyDict", (dict,), {"__module__": module.__name__})
    module.ReadOnlyDict = wrapped  # type: ignore[attr-defined]
    path = tmp_path / "file.ckpt"
    with monkeypatch.context() as patch:
        for name in ("sacred", "sacred.config", module.__name__):
            patch.setitem(sys.modules, name, module)
        content = {"state_dict": state_of(ptunifier, "vit-b16"), "hyper_parameters": {"config": wrapped(lr=1)}}
        torch.save(content, path)
    assert ptunifier.load(LoadRequest(variant="vit-b16", checkpoint=path)).embed_dim == 768
    assert module.__name__ not in sys.modules


def test_mrms_file_given_as_refers(tmp_path: Path) -> None:
    """What BenchX's configurations do: its loader matches no key, says nothing and goes on with random weights."""
    state = state_of(mrm, "vit-b16")
    for variant in ("vit-b16", "vit-b16-benchx"):
        line = refusal(refers, variant, state, tmp_path)
        assert "198 missing keys" in line and f"{len(state)} unexpected keys" in line
        assert "the nearest known layout is mrm@" in line


@pytest.mark.parametrize(("theirs", "ours"), [(mrm, ptunifier), (ptunifier, mrm), (refers, mrm)])
def test_files_of_each_other(theirs: ModuleType, ours: ModuleType, tmp_path: Path) -> None:
    """BenchX's converter has the prefixes of the first two exchanged."""
    line = refusal(ours, "vit-b16", state_of(theirs, "vit-b16"), tmp_path)
    assert f"the nearest known layout is {theirs.SPEC.id}@" in line


def test_a_prefix_in_the_middle_of_a_key_is_left_there(tmp_path: Path) -> None:
    state = {f"teacher.{key}": tensor for key, tensor in state_of(refers, "vit-b16").items()}
    assert "198 missing keys" in refusal(refers, "vit-b16", state, tmp_path)


def test_what_each_was_pretrained_on() -> None:
    seen = {method.SPEC.id: [one.pretrained_on for one in method.SPEC.variants] for method in (ptunifier, mrm, refers)}
    assert seen["ptunifier"] == [
        ("roco", "medicat", "mimic-cxr", UNDISCLOSED),
        ("mimic-cxr:train", UNDISCLOSED),
    ]
    assert seen["mrm"] == [("mimic-cxr", "imagenet"), ("mimic-cxr:train", "imagenet")]
    assert seen["refers"] == [("mimic-cxr", "imagenet-21k"), ("mimic-cxr:train", "imagenet-21k")]


def from_memory(method: ModuleType, variant: str, state: State) -> VisionEncoder:
    """What `load` makes of a file with that ``state``, without the file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared, "read_tensors", lambda path: state)
        encoder: VisionEncoder = method.load(LoadRequest(variant=variant, checkpoint=Path("memory")))
    return encoder


def loaded(method: ModuleType, variant: str, state: State, folder: Path) -> VisionEncoder:
    path = save(method.published(variant), state, folder / "file.ckpt")
    encoder: VisionEncoder = method.load(LoadRequest(variant=variant, checkpoint=path))
    return encoder


def refusal(method: ModuleType, variant: str, state: State, folder: Path) -> str:
    path = save(method.published(variant), state, folder / "file.ckpt")
    with pytest.raises(CheckpointError) as caught:
        method.load(LoadRequest(variant=variant, checkpoint=path))
    return str(caught.value)


def state_of(method: ModuleType, variant: str) -> State:
    """The published keys and shapes, hollow."""
    return hollow(method.published(variant))


def pixels(side: int) -> Tensor:
    """(1, 3, side, side): noise of the range that real images have."""
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(7)) * 2 - 1


def as_map(tokens: Tensor) -> Tensor:
    """(B, T, C) -> (B, C, side, side)."""
    side = round(tokens.shape[1] ** 0.5)
    return tokens.transpose(1, 2).unflatten(2, (side, side))


def assert_same(found: Tensor, wanted: Tensor) -> None:
    assert wanted.std() > 0.01  # no two constants
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
