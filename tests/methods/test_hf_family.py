"""Any transformers encoder from local files: the right output for its type, and nothing drawn or fetched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
from hf_models import PROCESSOR, VIT, load, write
from open_models import check_stable, noise, request_of, write_json

from medbench.capabilities import DenseImageEncoder, ImageEncoder, TextEncoder
from medbench.errors import CheckpointError, UnknownNameError, UsageError
from medbench_methods import hf_family
from medbench_methods.nets.hf_kinds import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_every_known_type_becomes_an_encoder(kind: str, tmp_path: Path) -> None:
    write(tmp_path / "hf" / "me" / "tiny", kind)
    variant = hf_family.variant("me/tiny", tmp_path)
    model = hf_family.load(request_of(variant, tmp_path))
    assert variant.id == "me--tiny"
    check_stable(model, noise(3, 32))
    assert isinstance(model, ImageEncoder)
    assert ("DenseImageEncoder" in variant.capabilities) == (KINDS[kind].maps is not None)
    assert ("TextEncoder" in variant.capabilities) == KINDS[kind].joint
    if KINDS[kind].maps is not None:
        assert isinstance(model, DenseImageEncoder)
        with torch.inference_mode():
            maps = model.encode_pyramid(noise(2, 64))
        assert [one.shape for one in maps] == [
            (2, width, 64 // step, 64 // step) for width, step in zip(model.channels, model.strides, strict=True)
        ]


def test_the_pooled_feature_follows_the_rule_of_the_type(tmp_path: Path) -> None:
    images = noise(2, 32)
    for kind in ("vit", "dinov2", "ijepa"):
        reference = write(tmp_path / "hf" / "me" / kind, kind)
        with torch.inference_mode():
            output = reference(pixel_values=images)
            tokens = output.last_hidden_state
            expected = {"vit": tokens[:, 0], "dinov2": tokens[:, 0], "ijepa": tokens.mean(dim=1)}[kind]
            torch.testing.assert_close(load(f"me/{kind}", tmp_path).encode_images(images), expected)


@pytest.mark.parametrize("kind", ["clip", "siglip", "vision-text-dual-encoder"])
def test_both_towers_agree_with_transformers(kind: str, tmp_path: Path) -> None:
    reference = write(tmp_path / "hf" / "me" / "pair", kind)
    model = load("me/pair", tmp_path)
    assert isinstance(model, TextEncoder)
    images = noise(2, 32)
    ids = torch.tensor([[2, 5, 6, 3, 0, 0, 0, 0]])
    inputs = {"input_ids": ids} if kind == "siglip" else {"input_ids": ids[:, :4]}
    with torch.inference_mode():
        features = model.encode_images(images)
        expected = reference.get_image_features(pixel_values=images)
        torch.testing.assert_close(model.project_images(features), getattr(expected, "pooler_output", expected))
        expected = reference.get_text_features(**inputs)
        texts = model.encode_texts(["no finding"])
        torch.testing.assert_close(texts, getattr(expected, "pooler_output", expected))
        both = model.encode_texts(["no finding", "effusion " * 300])
        torch.testing.assert_close(both[:1], texts, atol=1e-5, rtol=1e-4)
    assert both.shape == (2, model.joint_dim)


def test_a_classifier_without_pooler_gives_its_encoder(tmp_path: Path) -> None:
    """The published ViT classifiers have no pooler; it would be drawn at random and is not asked."""
    folder = tmp_path / "hf" / "me" / "classifier"
    transformers.ViTForImageClassification(transformers.ViTConfig(**VIT)).save_pretrained(folder)
    write_json(folder / "preprocessor_config.json", PROCESSOR)
    check_stable(load("me/classifier", tmp_path), noise(2, 32))


def test_a_torch_file_of_tensors_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "hf" / "me" / "tiny"
    reference = write(folder, "clip")
    (folder / "model.safetensors").unlink()
    torch.save(reference.state_dict(), folder / "pytorch_model.bin")
    check_stable(load("me/tiny", tmp_path), noise(2, 32))


def test_a_folder_as_typed_shows_only_its_last_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "private" / "Model", "vit")
    monkeypatch.chdir(tmp_path)
    variants = [hf_family.variant(name, tmp_path) for name in ("./private/Model", str(tmp_path / "private" / "Model"))]
    assert all(one.id.startswith("model-") and "private" not in one.id + one.title for one in variants)
    assert variants[0].id != variants[1].id
    check_stable(hf_family.load(request_of(variants[0], tmp_path)), noise(2, 32))


def test_the_identity_covers_configuration_and_tokenizer(tmp_path: Path) -> None:
    write(tmp_path / "hf" / "me" / "pair", "clip")
    source = hf_family.variant("me/pair", tmp_path).checkpoint
    assert source is not None
    named = {Path(one).name for one in source.companions}
    assert {"config.json", "preprocessor_config.json", "tokenizer.json"} <= named


def test_without_tokenizer_a_pair_is_an_image_encoder_alone(tmp_path: Path) -> None:
    folder = tmp_path / "hf" / "me" / "pair"
    write(folder, "clip")
    (folder / "tokenizer.json").unlink()
    assert "TextEncoder" not in hf_family.variant("me/pair", tmp_path).capabilities


def test_absent_files_are_named_with_the_command_that_fetches_them(tmp_path: Path) -> None:
    source = hf_family.variant("facebook/no-such-model", tmp_path).checkpoint
    assert source is not None
    assert source.filename == "hf/facebook/no-such-model/model.safetensors"
    assert (source.hub, "hf download facebook/no-such-model" in source.url) == (None, True)


def test_a_snapshot_of_the_hub_cache_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from medbench_methods.nets import open_hub

    snapshot = tmp_path / "cache" / "models--me--tiny" / "snapshots" / "0123abc"
    write(snapshot, "vit")
    refs = tmp_path / "cache" / "models--me--tiny" / "refs"
    refs.mkdir()
    (refs / "main").write_text("0123abc")
    found = open_hub.try_to_load_from_cache
    monkeypatch.setattr(
        open_hub, "try_to_load_from_cache", lambda *a, **options: found(*a, cache_dir=tmp_path / "cache", **options)
    )
    for name in ("me/tiny", "me/tiny@0123abc"):
        check_stable(load(name, tmp_path / "checkpoints"), noise(2, 32))


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({"model_type": "bert"}, UnknownNameError, "transformers model type of hf/me/tiny: 'bert'"),
        ({"architecture": "resnet50"}, UsageError, "is a timm model - name it timm/tiny"),
        ([], CheckpointError, "is no JSON object"),
        ({"auto_map": "abc"}, CheckpointError, "auto_map in its config.json is no object"),
    ],
)
def test_other_repositories_are_told_what_they_are(
    config: object, error: type[Exception], message: str, tmp_path: Path
) -> None:
    write_json(tmp_path / "hf" / "me" / "tiny" / "config.json", config)
    with pytest.raises(error, match=message):
        hf_family.variant("me/tiny", tmp_path)


def test_a_configuration_nested_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hf" / "me" / "tiny" / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text("[" * 200_000)
    with pytest.raises(CheckpointError, match="cannot be read"):
        hf_family.variant("me/tiny", tmp_path)


def test_an_index_of_weights_without_names_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "hf" / "me" / "tiny" / "config.json", {"model_type": "vit"})
    write_json(tmp_path / "hf" / "me" / "tiny" / "model.safetensors.index.json", {"weight_map": ["a"]})
    with pytest.raises(CheckpointError, match="weight_map is no object"):
        hf_family.variant("me/tiny", tmp_path)


def test_a_folder_in_open_clips_form_is_sent_there(tmp_path: Path) -> None:
    write_json(tmp_path / "hf" / "me" / "biomed" / "open_clip_config.json", {})
    with pytest.raises(CheckpointError, match="in open_clip's form"):
        hf_family.variant("me/biomed", tmp_path)


def test_a_name_does_not_lead_out_of_the_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leads out"):
        hf_family.variant("me/../../etc", tmp_path)


def test_the_plan_loads_no_heavy_library(tmp_path: Path) -> None:
    write(tmp_path / "hf" / "me" / "tiny", "vit")
    heavy = {"torch", "numpy", "timm", "transformers", "open_clip"}
    code = (
        "import sys, pathlib; from medbench_methods import hf_family, timm_family, open_clip_family;"
        f"root = pathlib.Path({str(tmp_path)!r}); hf_family.variant('me/tiny', root); hf_family.variant('me/no', root);"
        "timm_family.variant('resnet50', root); open_clip_family.variant('ViT-B-16:openai', root);"
        f"print(*({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
