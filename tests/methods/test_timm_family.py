"""Any timm model by its name: strict about its file, quick to say that it is not there."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import timm
import torch
from open_models import check_stable, noise, request_of, write_bomb
from safetensors.torch import save_file

from medbench.capabilities import DenseImageEncoder, ImageEncoder
from medbench.errors import CheckpointError, MissingCheckpointError, UnknownNameError, UsageError
from medbench_methods import timm_family
from medbench_methods.nets import open_hub


def write(name: str, checkpoints: Path, suffix: str = ".safetensors", seed: int = 1) -> dict[str, torch.Tensor]:
    """A whole classifier as timm publishes it."""
    torch.manual_seed(seed)
    tensors = timm.create_model(name, pretrained=False).state_dict()
    path = checkpoints / "timm" / f"{name}{suffix}"
    path.parent.mkdir(exist_ok=True)
    if suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save({"state_dict": tensors}, path)
    return tensors


@pytest.mark.parametrize(
    ("name", "suffix", "maps"),
    [
        ("test_resnet.r160_in1k", ".safetensors", ((32, 2), (32, 4), (48, 8), (192, 16), (96, 32))),
        ("test_convnext", ".safetensors", ((24, 4), (32, 8), (48, 16), (64, 32))),
        ("test_vit.r160_in1k", ".pth", ((64, 16),)),
    ],
)
def test_a_local_file_becomes_an_encoder(
    name: str, suffix: str, maps: tuple[tuple[int, int], ...], tmp_path: Path
) -> None:
    tensors = write(name, tmp_path, suffix)
    variant = timm_family.variant(name, tmp_path)
    assert (variant.id, variant.name) == (name, name)
    model = timm_family.load(request_of(variant, tmp_path))
    check_stable(model, noise(3, 160))
    assert isinstance(model, ImageEncoder)
    assert isinstance(model, DenseImageEncoder)
    assert tuple(zip(model.channels, model.strides, strict=True)) == maps
    pyramid = model.encode_pyramid(noise(2, 192))
    assert [tuple(one.shape) for one in pyramid] == [(2, width, 192 // step, 192 // step) for width, step in maps]
    held = model.net.state_dict()
    assert all(torch.equal(held[key], tensors[key]) for key in held)


def test_features_are_those_of_timm_itself(tmp_path: Path) -> None:
    tensors = write("test_vit", tmp_path)
    reference = timm.create_model("test_vit", pretrained=False)
    reference.load_state_dict(tensors)
    reference.eval()
    model = timm_family.load(request_of(timm_family.variant("test_vit", tmp_path), tmp_path))
    images = noise(2, 160)
    with torch.inference_mode():
        expected = reference.forward_head(reference.forward_features(images), pre_logits=True)
        torch.testing.assert_close(model.encode_images(images), expected)


def test_images_are_made_as_the_configuration_says(tmp_path: Path) -> None:
    write("test_vit", tmp_path)
    preprocess = timm_family.load(request_of(timm_family.variant("test_vit", tmp_path), tmp_path)).preprocess
    assert (preprocess.resize, preprocess.mode, preprocess.crop) == (168, "shorter", 160)
    assert (preprocess.mean, preprocess.interpolation) == ((0.5, 0.5, 0.5), "bicubic")


def test_own_weights_may_stand_under_a_tag_of_their_own(tmp_path: Path) -> None:
    write("test_resnet", tmp_path)
    (tmp_path / "timm" / "test_resnet.safetensors").rename(tmp_path / "timm" / "test_resnet.mine.safetensors")
    variant = timm_family.variant("test_resnet.mine", tmp_path)
    assert timm_family.load(request_of(variant, tmp_path)).embed_dim == 96


def test_a_file_of_another_model_is_refused(tmp_path: Path) -> None:
    write("test_resnet", tmp_path)
    (tmp_path / "timm" / "test_resnet.safetensors").rename(tmp_path / "timm" / "test_vit.safetensors")
    with pytest.raises(CheckpointError, match=r"does not fit timm's test_vit: \d+ missing keys"):
        timm_family.load(request_of(timm_family.variant("test_vit", tmp_path), tmp_path))


def test_one_missing_tensor_is_refused(tmp_path: Path) -> None:
    tensors = write("test_vit", tmp_path)
    del tensors["blocks.1.attn.qkv.weight"]
    save_file(tensors, tmp_path / "timm" / "test_vit.safetensors")
    with pytest.raises(CheckpointError, match=r"1 missing key \(blocks.1.attn.qkv.weight\)"):
        timm_family.load(request_of(timm_family.variant("test_vit", tmp_path), tmp_path))


def test_a_pickle_that_runs_code_is_refused_unrun(tmp_path: Path) -> None:
    (tmp_path / "timm").mkdir()
    write_bomb(tmp_path / "timm" / "test_vit.pth", tmp_path / "mark")
    with pytest.raises(CheckpointError, match="only code could rebuild"):
        timm_family.load(request_of(timm_family.variant("test_vit", tmp_path), tmp_path))
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("name", ["test_vjt", "resnet50.a1_in2k"])
def test_an_unknown_name_gets_a_suggestion(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'test_vit'|did you mean 'resnet50.a1_in1k'"):
        timm_family.load(request_of(timm_family.variant(name, tmp_path), tmp_path, local=False))


@pytest.mark.parametrize("name", ["../secret", "hf-hub:owner/repo", "a.b.c", "resnet50,x"])
def test_what_is_no_name_is_refused_before_anything_is_loaded(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no name of a timm model"):
        timm_family.variant(name, tmp_path)


def test_an_unreachable_hub_is_said_within_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_hub, "cached", lambda *_: None)
    monkeypatch.setattr(open_hub, "hf_hub_url", lambda *_: "http://127.0.0.1:9/nothing")
    variant = timm_family.variant("test_vit.r160_in1k", tmp_path)
    assert variant.checkpoint is not None
    assert variant.checkpoint.hub == "timm/test_vit.r160_in1k"
    started = time.perf_counter()
    with pytest.raises(
        MissingCheckpointError, match=r"cannot be reached .* put its weights at <checkpoints>/timm/test_vit"
    ):
        timm_family.load(request_of(variant, tmp_path, local=False))
    assert time.perf_counter() - started < 10


def test_the_hub_cache_is_asked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("test_vit.r160_in1k", tmp_path)
    file = tmp_path / "timm" / "test_vit.r160_in1k.safetensors"
    monkeypatch.setattr(open_hub, "cached", lambda repo, name: file if repo == "timm/test_vit.r160_in1k" else None)
    variant = timm_family.variant("test_vit.r160_in1k", tmp_path)
    assert timm_family.load(request_of(variant, tmp_path, local=False)).embed_dim == 64


def test_the_name_is_all_that_is_read_before_a_trial(tmp_path: Path) -> None:
    assert timm_family.variant("resnet50.a1_in1k", tmp_path).id == "resnet50.a1_in1k"
    assert timm_family.variant("ResNet50", tmp_path).id != timm_family.variant("resnet50", tmp_path).id


def test_an_architecture_bound_to_its_size_says_so_in_one_line(tmp_path: Path) -> None:
    write("test_vit_relpos", tmp_path)
    model = timm_family.load(request_of(timm_family.variant("test_vit_relpos", tmp_path), tmp_path))
    with pytest.raises(UsageError, match=r"timm/test_vit_relpos does not take images of 192 x 192 pixels"):
        model.encode_pyramid(noise(1, 192))


def test_a_model_without_maps_says_so_in_one_line(tmp_path: Path) -> None:
    write("test_resnet", tmp_path)
    model = timm_family.load(request_of(timm_family.variant("test_resnet", tmp_path), tmp_path))
    model.net.feature_info = []
    for ask in (lambda: model.channels, lambda: model.encode_pyramid(noise(1, 64))):
        with pytest.raises(UsageError, match="gives no feature maps"):
            ask()


def test_a_file_in_its_authors_layout_is_translated_as_timm_does(tmp_path: Path) -> None:
    tensors = write("test_vit", tmp_path)
    old = {key: value.flatten(1) if key == "patch_embed.proj.weight" else value for key, value in tensors.items()}
    save_file(old, tmp_path / "timm" / "test_vit.safetensors")
    model = timm_family.load(request_of(timm_family.variant("test_vit", tmp_path), tmp_path))
    assert torch.equal(model.net.patch_embed.proj.weight, tensors["patch_embed.proj.weight"])
