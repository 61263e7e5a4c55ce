"""BLIP's files are told apart, read whole or refused with a line that says what they are."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
import torch
from blip_models import BRAIN_FILES, FILES, load_brain, load_variant

from medbench.capabilities import (
    DenseImageEncoder,
    Explainer,
    ImageEncoder,
    ImageTextMatcher,
    LoadRequest,
    QuestionAnswerer,
    ReportGenerator,
    ReportLearner,
    TextEncoder,
)
from medbench.errors import CheckpointError, MissingCheckpointError
from medbench_methods import blip, brain_blip
from medbench_methods.nets.blip_flavour import BLIP
from medbench_methods.nets.blip_keys import PARTS, kind_of
from medbench_methods.nets.blip_loading import load_net, read_blip
from medbench_methods.nets.blip_phantom import official_layout
from medbench_methods.nets.blip_tiny import LAYERS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

PROTOCOLS = {
    protocol.__name__: protocol
    for protocol in (
        ImageEncoder,
        DenseImageEncoder,
        TextEncoder,
        ImageTextMatcher,
        Explainer,
        ReportGenerator,
        QuestionAnswerer,
    )
}
MANIFESTS = {
    "brain-blip-pretrain": "pretrain",
    "brain-blip-retrieval": "retrieval",
    "brain-blip-itm": "itm",
    "brain-blip-caption": "caption",
    "brain-blip-vqa": "vqa",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoints root with the phantoms of both methods."""
    folder = tmp_path_factory.mktemp("checkpoints")
    paths = [*blip.write_phantom(folder, seed=3), *brain_blip.write_phantom(folder, seed=4)]
    assert all(path.stat().st_size < 12e6 for path in paths)
    return folder


@pytest.fixture
def changed(root: Path, tmp_path: Path) -> Callable[..., Path]:
    """``changed(file, change)`` gives a copy of a phantom with another state_dict."""

    def write(file: str, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> Path:
        content = torch.load(root / file, weights_only=True)
        path = tmp_path / "changed.pth"
        torch.save({**content, "model": change(dict(content["model"]))}, path)
        return path

    return write


@pytest.mark.parametrize("variant", FILES)
def test_a_model_offers_what_its_variant_says_and_nothing_else(root: Path, variant: str) -> None:
    model = load_variant(root, variant)
    offered = {name for name, protocol in PROTOCOLS.items() if isinstance(model, protocol)}
    assert offered == blip.SPEC.variant(variant).capabilities
    assert isinstance(model, ReportLearner) == ("ReportGenerator" in offered)
    assert not model.training


@pytest.mark.parametrize("variant", BRAIN_FILES)
def test_brain_variants_offer_what_they_say(root: Path, variant: str) -> None:
    model = load_brain(root, variant)
    offered = {name for name, protocol in PROTOCOLS.items() if isinstance(model, protocol)}
    assert offered == brain_blip.SPEC.variant(variant).capabilities


@pytest.mark.parametrize("folder", MANIFESTS)
def test_phantoms_have_every_published_key(folder: str, shared: Path) -> None:
    kind = MANIFESTS[folder]
    published = json.loads((shared / "golden" / folder / "manifest.json").read_text())["state_dict"]
    layout = official_layout(BLIP, kind)
    assert kind_of(published) == kind_of(layout) == kind
    assert set(layout) == {key for key in published if not _is_deeper(key)}
    for key, (shape, dtype) in published.items():
        if key in layout:
            assert (len(shape), dtype) == (layout[key].ndim, str(layout[key].dtype).removeprefix("torch.")), key


def _is_deeper(key: str) -> bool:
    layer = re.search(r"\.(?:layer|blocks)\.(\d+)\.", key)
    return layer is not None and int(layer[1]) >= LAYERS


def test_depth_width_and_size_come_from_the_tensors(root: Path) -> None:
    net = load_variant(root, "pretrain").net
    assert (net.vision_model.config.num_hidden_layers, net.text_encoder.config.num_hidden_layers) == (2, 2)
    assert net.vision_model.config.num_attention_heads == 2
    assert net.vision_model.config.image_size == 224
    assert net.vision_model.config.layer_norm_eps == 1e-6
    assert net.text_decoder.cls.predictions.decoder.weight is net.text_decoder.bert.embeddings.word_embeddings.weight


def test_published_width_has_twelve_heads() -> None:
    from medbench_methods.nets.blip_keys import text_config, vision_config

    shapes = {
        "visual_encoder.patch_embed.proj.weight": (768, 3, 16, 16),
        "visual_encoder.pos_embed": (1, 577, 768),
        "visual_encoder.blocks.0.mlp.fc1.weight": (3072, 768),
        "text_encoder.embeddings.word_embeddings.weight": (30524, 768),
        "text_encoder.embeddings.position_embeddings.weight": (512, 768),
        "text_encoder.encoder.layer.0.crossattention.self.key.weight": (768, 768),
        "text_encoder.encoder.layer.0.intermediate.dense.weight": (3072, 768),
    }
    tensors = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    vision, text = vision_config(tensors), text_config(tensors, "text_encoder.", BLIP)
    assert (vision.num_attention_heads, vision.image_size, text.num_attention_heads) == (12, 384, 12)
    assert (text.layer_norm_eps, text.label_smoothing, text.hidden_dropout_prob) == (1e-12, 0.1, 0.1)


def test_momentum_and_queues_may_be_absent_and_a_parallel_prefix_is_cut(
    root: Path, changed: Callable[..., Path]
) -> None:
    slim = changed(
        FILES["pretrain"],
        lambda state: {f"module.{key}": one for key, one in state.items() if "_m." not in key and "queue" not in key},
    )
    images = torch.ones(1, 3, 32, 32)
    whole, without = load_variant(root, "pretrain"), load_variant(root, "pretrain", slim)
    assert torch.equal(whole.encode_images(images), without.encode_images(images))


@pytest.mark.parametrize(
    ("variant", "file", "fix"),
    [
        ("pretrain", "retrieval-coco", "use --methods blip@retrieval-coco"),
        ("retrieval-coco", "pretrain", "use --methods blip@pretrain"),
        ("vqa", "caption-coco", "use --methods blip@caption-coco"),
        ("caption-coco", "vqa", "use --methods blip@vqa"),
    ],
)
def test_a_file_of_another_kind_names_the_variant_that_reads_it(root: Path, variant: str, file: str, fix: str) -> None:
    with pytest.raises(CheckpointError, match=re.escape(fix)):
        load_variant(root, variant, root / FILES[file])


def test_a_kind_that_no_variant_reads_is_refused(root: Path) -> None:
    with pytest.raises(CheckpointError, match="a model for questions of brain BLIP"):
        load_brain(root, "pretrain", root / FILES["vqa"])


def test_a_missing_projection_and_an_unknown_key_are_named(root: Path, changed: Callable[..., Path]) -> None:
    def spoil(state: dict[str, Tensor]) -> dict[str, Tensor]:
        del state["text_proj.weight"]
        return state | {"extra.weight": torch.zeros(1)}

    with pytest.raises(CheckpointError, match=r"1 missing key \(text_proj.weight\); 1 unexpected key \(extra.weight\)"):
        load_variant(root, "pretrain", changed(FILES["pretrain"], spoil))


def test_a_tensor_that_tells_a_shape_is_missed_by_its_name(root: Path, changed: Callable[..., Path]) -> None:
    file = changed(
        FILES["pretrain"], lambda state: {key: one for key, one in state.items() if key != "vision_proj.weight"}
    )
    with pytest.raises(CheckpointError, match=r"1 missing key \(vision_proj.weight\)"):
        load_variant(root, "pretrain", file)


def test_tied_tensors_that_differ_are_refused(root: Path, changed: Callable[..., Path]) -> None:
    key = "text_decoder.cls.predictions.decoder.weight"
    file = changed(FILES["caption-coco"], lambda state: state | {key: state[key] + 1})
    with pytest.raises(CheckpointError, match="share a tensor"):
        load_variant(root, "caption-coco", file)


@pytest.mark.parametrize(
    ("key", "fix"),
    [
        ("img_encoder_q.model.conv1.weight", "use --methods mgca"),
        ("mask_generator.weight", "use --methods medslip"),
        ("create_knowledge.text_proj.weight", "use --methods motor"),
        ("vision_model.embeddings.class_embedding", "model_base"),
        ("fc.weight", "model_base"),
    ],
)
def test_a_file_of_another_method_is_named(root: Path, tmp_path: Path, key: str, fix: str) -> None:
    path = tmp_path / "other.pth"
    torch.save({"state_dict": {key: torch.zeros(2)}}, path)
    with pytest.raises(CheckpointError, match=re.escape(fix)):
        load_variant(root, "pretrain", path)


@pytest.mark.parametrize("key", ["BLIP.text_encoder.x", "question_linear.weight", "BLIP.visual_encoder.cls_token"])
def test_motors_file_for_questions_is_told_in_its_own_container(root: Path, tmp_path: Path, key: str) -> None:
    path = tmp_path / "VQA-RAD_best.pth"
    torch.save({"epoch": 1, "model_state": {key: torch.zeros(2)}, "optimizer_state": {}}, path)
    with pytest.raises(CheckpointError, match=r"this is a MOTOR checkpoint.*use --methods motor"):
        load_variant(root, "vqa", path)


@pytest.mark.parametrize(
    ("variant", "key"),
    [
        ("pretrain", "visual_encoder.pos_embed"),
        ("pretrain", "visual_encoder.patch_embed.proj.weight"),
        ("pretrain", "vision_proj.weight"),
        ("pretrain", "text_encoder.embeddings.word_embeddings.weight"),
        ("caption-coco", "text_decoder.bert.embeddings.position_embeddings.weight"),
        ("vqa", "text_encoder.encoder.layer.0.crossattention.self.key.weight"),
    ],
)
@pytest.mark.parametrize("shape", [(), (8,), (0, 2, 2, 2, 2)])
def test_tensors_of_other_axes_are_refused_in_one_line(
    root: Path, changed: Callable[..., Path], variant: str, key: str, shape: tuple[int, ...]
) -> None:
    file = changed(FILES[variant], lambda state: state | {key: torch.zeros(shape)})
    with pytest.raises(
        CheckpointError, match=rf"1 tensor of another shape \({re.escape(f'{key} {shape}')} for"
    ) as caught:
        load_variant(root, variant, file)
    assert "\n" not in str(caught.value)


def test_a_method_that_publishes_no_file_has_none_downloaded_again(root: Path, changed: Callable[..., Path]) -> None:
    for key, says in (("text_proj.weight", "missing"), ("text_decoder.cls.predictions.bias", "differ|missing")):
        file = changed(BRAIN_FILES["pretrain"], lambda state, key=key: {k: one for k, one in state.items() if k != key})
        with pytest.raises(CheckpointError, match=says) as caught:
            load_brain(root, "pretrain", file)
        assert caught.value.fix == "copy the file again from where it was trained"


@pytest.mark.parametrize("variant", ["pretrain", "vqa"])
@pytest.mark.parametrize("part", ["text_encoder.", "text_decoder.bert."])
def test_words_of_every_part_are_those_of_the_vocabulary(
    root: Path, changed: Callable[..., Path], variant: str, part: str
) -> None:
    key = f"{part}embeddings.word_embeddings.weight"
    file = changed(FILES[variant], lambda state: state | {key: torch.zeros(30522, 16)})
    with pytest.raises(CheckpointError, match=rf"{re.escape(key)} knows 30,522 tokens, not the 30,524 of BLIP"):
        load_variant(root, variant, file)


def test_a_vocabulary_of_another_size_is_refused(root: Path, changed: Callable[..., Path]) -> None:
    key = "text_encoder.embeddings.word_embeddings.weight"
    motor = changed(FILES["retrieval-coco"], lambda state: state | {key: torch.zeros(31092, 4)})
    with pytest.raises(CheckpointError, match=r"31,092 tokens.*MOTOR's vocabulary - use --methods motor"):
        load_variant(root, "retrieval-coco", motor)


def test_vocabulary_is_read_at_the_first_text_and_checked(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tokenizers" / "bert-base-uncased"
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nmass\n")
    model = blip.load(LoadRequest(variant="pretrain", checkpoint=root / FILES["pretrain"], assets=tmp_path))
    assert model.encode_images(torch.zeros(1, 3, 32, 32)).shape == (1, model.embed_dim)
    with pytest.raises(CheckpointError, match=r"holds 6 tokens with \[PAD\] 0, \[CLS\] 2"):
        model.encode_texts(["mass"])


def test_truncated_missing_and_dangerous_files_are_refused(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "model_base.pth"
    with pytest.raises(MissingCheckpointError, match="no checkpoint at"):
        load_variant(root, "pretrain", path)
    path.write_bytes((root / FILES["pretrain"]).read_bytes()[:100_000])
    with pytest.raises(CheckpointError, match=r"truncated or not a checkpoint|not a readable checkpoint"):
        load_variant(root, "pretrain", path)
    torch.save({"model": {"visual_encoder.cls_token": torch.zeros(1)}, "config": _Harmful()}, path)
    with pytest.raises(CheckpointError, match="only code could rebuild"):
        load_variant(root, "pretrain", path)


def test_parts_of_a_file_may_be_loaded_alone(root: Path) -> None:
    path = root / FILES["pretrain"]
    tensors = read_blip(path, BLIP)
    net = load_net(path, tensors, PARTS["caption"], BLIP, lambda key: not key.startswith("text_decoder."))
    assert net.text_encoder is None
    assert net.text_decoder is not None


class _Harmful:
    """Pickled as a call, which no loader may make."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("exit 1",)
