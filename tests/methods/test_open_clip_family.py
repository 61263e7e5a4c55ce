"""Any open_clip model: a repository in its form, or an architecture with the user's file."""

from __future__ import annotations

import copy
import importlib.util
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from open_models import check_stable, noise, request_of, write_bomb, write_json
from safetensors.torch import save_file

open_clip = pytest.importorskip("open_clip")

from medbench.capabilities import DenseImageEncoder, ImageEncoder, TextEncoder  # noqa: E402
from medbench.errors import CheckpointError, MissingCheckpointError, PluginError, UnknownNameError, UsageError  # noqa: E402
from medbench_methods import open_clip_family  # noqa: E402
from medbench_methods.nets import open_clip_files, open_hub  # noqa: E402

CONTEXT = 12
TEXTS = ["no finding", "a large right pleural effusion " * 20]
VIT = {"image_size": 32, "layers": 2, "width": 24, "patch_size": 8, "head_width": 12}
RESNET = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}
TIMM = {"image_size": 160, "timm_model_name": "test_vit", "timm_pool": "", "timm_proj": "linear"}
TEXT = {"context_length": CONTEXT, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1}
IMAGES = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "resize_mode": "squash", "interpolation": "bicubic"}


def write(checkpoints: Path, vision: dict[str, Any], name: str = "me/tiny") -> Any:
    """A repository in open_clip's form, and the model as open_clip itself has it."""
    config = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": TEXT}
    folder = checkpoints / "open_clip" / name
    write_json(folder / "open_clip_config.json", {"model_cfg": config, "preprocess_cfg": IMAGES})
    torch.manual_seed(3)
    model = open_clip.CLIP(**copy.deepcopy(config)).eval()
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    return model


@pytest.mark.parametrize(
    ("vision", "width", "side"), [(VIT, 24, 32), (TIMM, 64, 160), (RESNET, 16, 64)], ids=["vit", "timm", "resnet"]
)
def test_both_towers_agree_with_open_clip(vision: dict[str, Any], width: int, side: int, tmp_path: Path) -> None:
    reference = write(tmp_path, vision)
    variant = open_clip_family.variant("me/tiny", tmp_path)
    model = open_clip_family.load(request_of(variant, tmp_path))
    assert isinstance(model, ImageEncoder)
    assert isinstance(model, TextEncoder)
    assert not isinstance(model, DenseImageEncoder)
    assert (model.embed_dim, model.joint_dim, model.preprocess.crop) == (width, 16, side)
    images = noise(3, side)
    check_stable(model, images)
    with torch.inference_mode():
        projected = model.project_images(model.encode_images(images))
        torch.testing.assert_close(projected, reference.encode_image(images))
        tokens = open_clip.SimpleTokenizer(context_length=CONTEXT)(TEXTS)
        torch.testing.assert_close(model.encode_texts(TEXTS), reference.encode_text(tokens))


def test_images_are_made_as_the_configuration_says(tmp_path: Path) -> None:
    write(tmp_path, VIT)
    preprocess = open_clip_family.load(request_of(open_clip_family.variant("me/tiny", tmp_path), tmp_path)).preprocess
    assert (preprocess.mode, preprocess.resize, preprocess.mean) == ("squash", 32, (0.5, 0.5, 0.5))


def test_a_bert_text_tower_and_its_tokenizer_come_from_folders(tmp_path: Path) -> None:
    """The form of BiomedCLIP: a timm ViT, a BERT that the configuration names, a tokenizer beside the weights."""
    from transformers import BertConfig, BertTokenizer

    folder = tmp_path / "open_clip" / "me" / "biomed"
    bert = BertConfig(vocab_size=8, hidden_size=12, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    bert.save_pretrained(tmp_path / "hf" / "some" / "bert")
    folder.mkdir(parents=True)
    (folder / "words").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nno\nfinding\nleft\n")
    BertTokenizer(vocab=str(folder / "words")).save_pretrained(folder)
    names = {"hf_model_name": "some/bert", "hf_tokenizer_name": "some/bert", "hf_proj_type": "mlp"}
    text = {**names, "hf_pooler_type": "cls_last_hidden_state_pooler", "context_length": CONTEXT}
    config = {"embed_dim": 16, "vision_cfg": TIMM, "text_cfg": text}
    write_json(folder / "open_clip_config.json", {"model_cfg": config, "preprocess_cfg": IMAGES})
    local = {**text, "hf_model_name": str(tmp_path / "hf" / "some" / "bert"), "hf_model_pretrained": False}
    reference = open_clip.CustomTextCLIP(16, dict(TIMM), local).eval()
    save_file(reference.state_dict(), folder / "open_clip_model.safetensors")
    model = open_clip_family.load(request_of(open_clip_family.variant("me/biomed", tmp_path), tmp_path))
    ids = torch.tensor([[2, 5, 6, 3] + [0] * (CONTEXT - 4)])
    with torch.inference_mode():
        torch.testing.assert_close(model.encode_texts(["no finding"]), reference.encode_text(ids))
        assert model.encode_texts(["left " * 500]).shape == (1, 16)


def test_an_architecture_takes_the_users_file_with_the_activation_of_its_tag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"embed_dim": 16, "vision_cfg": VIT, "text_cfg": TEXT}
    monkeypatch.setattr(open_clip, "get_model_config", lambda name: copy.deepcopy(config))
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda *_: {"quick_gelu": True, "resize_mode": "squash"})
    reference = open_clip.CLIP(**copy.deepcopy(config), quick_gelu=True).eval()
    path = tmp_path / "open_clip" / "ViT-T--mine.safetensors"
    path.parent.mkdir()
    save_file({f"module.{key}": value for key, value in reference.state_dict().items()}, path)
    variant = open_clip_family.variant("ViT-T:mine", tmp_path)
    model = open_clip_family.load(request_of(variant, tmp_path))
    with torch.inference_mode():
        images = noise(2, 32)
        expected = reference.encode_image(images)
        torch.testing.assert_close(model.project_images(model.encode_images(images)), expected)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write(tmp_path, VIT)
    folder = tmp_path / "open_clip" / "me" / "tiny"
    state = torch.load(folder / "open_clip_pytorch_model.bin", weights_only=True)
    state["visual.positional_embedding"] = torch.zeros(5, 24)
    torch.save(state, folder / "open_clip_pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"1 tensor of another shape \(visual.positional_embedding \(5, 24\)"):
        open_clip_family.load(request_of(open_clip_family.variant("me/tiny", tmp_path), tmp_path))


def test_a_pickle_that_runs_code_is_refused_unrun(tmp_path: Path) -> None:
    write(tmp_path, VIT)
    write_bomb(tmp_path / "open_clip" / "me" / "tiny" / "open_clip_pytorch_model.bin", tmp_path / "mark")
    with pytest.raises(CheckpointError, match="only code could rebuild"):
        open_clip_family.load(request_of(open_clip_family.variant("me/tiny", tmp_path), tmp_path))
    assert not (tmp_path / "mark").exists()


def test_a_broken_configuration_is_one_line(tmp_path: Path) -> None:
    write(tmp_path, VIT)
    write_json(tmp_path / "open_clip" / "me" / "tiny" / "open_clip_config.json", {"model_cfg": {"embed_dim": 4}})
    with pytest.raises(CheckpointError, match="its model_cfg has no text_cfg, vision_cfg"):
        open_clip_family.load(request_of(open_clip_family.variant("me/tiny", tmp_path), tmp_path))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ViT-B-17:openai", "did you mean 'ViT-B-16'"),
        ("ViT-B-16:laion", "unknown open_clip weights of ViT-B-16 'laion'"),
    ],
)
def test_unknown_names_are_said(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=message):
        open_clip_family.load(request_of(open_clip_family.variant(name, tmp_path), tmp_path, local=False))


@pytest.mark.parametrize("name", ["../other/model", "/etc/model", "a/b/c", "ViT-B-16:"])
def test_what_is_no_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no name of"):
        open_clip_family.variant(name, tmp_path)


@pytest.mark.parametrize(
    "name", ["ViT-B-16:laion2b_s34b_b88k", "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"]
)
def test_an_unreachable_hub_is_said_within_seconds(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_hub, "cached", lambda *_: None)
    monkeypatch.setattr(open_hub, "hf_hub_url", lambda *_: "http://127.0.0.1:9/nothing")
    started = time.perf_counter()
    with pytest.raises(MissingCheckpointError, match=r"the hub cannot be reached .* put .* <checkpoints>/open_clip/"):
        open_clip_family.load(request_of(open_clip_family.variant(name, tmp_path), tmp_path, local=False))
    assert time.perf_counter() - started < 10


def test_tagged_weights_come_from_the_repository_that_open_clip_names(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def hub_file(repo: str, filenames: tuple[str, ...], *, fix: str) -> Path:
        asked.append(repo)
        return Path("weights.safetensors")

    monkeypatch.setattr(open_clip_files, "hub_file", hub_file)
    variant = open_clip_family.variant("ViT-B-32:openai", Path())
    files = open_clip_files.find_files(request_of(variant, Path(), local=False))
    assert asked == ["timm/vit_base_patch32_clip_224.openai"]
    assert files.model["quick_gelu"] is True
    assert files.tokenizer is None


def test_without_open_clip_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"open_clip is not installed - pip install 'medbench\[open-clip\]'"):
        open_clip_family.variant("ViT-B-16:openai", tmp_path)
