"""MOTOR's pre-trained model, plain and with its knowledge, computes what the release computes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from motor_goldens import (
    assert_motor,
    golden_root,
    load_motor,
    match_arrays,
    text_arrays,
)
from torch.nn.functional import binary_cross_entropy, cross_entropy, normalize, pad
from vision_language_goldens import contrast_loss, is_left_out, step_momentum
from weights import golden_arrays, golden_images, golden_sentences

from medbench_methods.nets.blip_keys import published_key
from medbench_methods.nets.blip_texts import clean_caption, load_texts
from medbench_methods.nets.motor_flavour import MOTOR
from medbench_methods.nets.motor_knowledge import HYPHEN, merge
from medbench_methods.nets.motor_net import node_ids
from medbench_methods.nets.motor_phantom import sinusoids

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor
    from vision_language_goldens import Drawn

FINDINGS = (
    "atelectasis",
    "cardiomegaly",
    "consolidation",
    "edema",
    "enlarged cardiomediastinum",
    "fracture",
    "lung lesion",
    "lung opacity",
    "no finding",
    "pleural effusion",
    "pleural other",
    "pneumonia",
    "pneumothorax",
    "support devices",
)
TRIPLETS = (
    "lung-clear-normal",
    "effusion-located at-left pleural",
    "atelectasis-left lower lobe",
    "pneumonia-right lower lobe",
    "heart-normal-size",
    "opacity-suggestive of-edema",
    "pneumothorax-no",
    "catheter-tip-svc",
)
GIVEN = {"vit_token_index", "gk_token_index", "sk_token_index", "fwd_label", "fwd_image_queue", "fwd_text_queue"}
"""What the release was given, or which part of an array was kept."""
ELSEWHERE = {"sk_queue_text", "temp"}
"""The queue after the step, which has a test of its own, and the temperature, which no evaluation uses and no model keeps."""


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, NDArray[Any]]:
    return golden_arrays(shared / "golden" / "motor-pretrain")


@pytest.fixture(scope="module")
def state(shared: Path, golden: dict[str, NDArray[Any]], drawn: Drawn) -> dict[str, Tensor]:
    """The queue's masks hide padding alone: that hyphens are not read is the model's doing."""
    queued = torch.from_numpy(golden["sk_queue_ids"])
    ids = pad(queued, (0, 90 - queued.shape[1]))
    assert bool((ids == HYPHEN).any())
    return drawn.state(shared / "golden" / "motor-pretrain", is_left_out) | {
        "create_knowledge.text_queue": fresh_queue(),
        "create_knowledge.knowledge_input_ids_queue": ids,
        "create_knowledge.knowledge_attention_mask_queue": (ids != MOTOR.ids.pad).float(),
    }


def fresh_queue() -> Tensor:
    """(256, 8): the queue before the step; the golden's own array is as the step left it."""
    columns = np.random.RandomState(2).standard_normal((256, 8))
    return torch.from_numpy((columns / np.linalg.norm(columns, axis=0)).astype(np.float32))


@pytest.fixture(scope="module")
def root(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return golden_root(tmp_path_factory.mktemp("motor"), shared)


@pytest.fixture(scope="module")
def found(
    state: dict[str, Tensor], golden: dict[str, NDArray[Any]], root: Path, shared: Path, drawn: Drawn
) -> dict[str, Tensor]:
    plain, knowing = load_motor(state, "model", root, "pretrain", "pretrain-knowledge")
    with torch.no_grad():
        arrays = plain_arrays(plain, golden)
        arrays |= general_arrays(knowing, golden)
        arrays |= label_arrays(plain, arrays["image_feat_gk"], root)
        arrays |= specific_arrays(knowing, golden, arrays)
        copies = momentum_copies(knowing, shared, drawn)
        # Last, because it turns the model into its momentum copy.
        return arrays | {"fwd_losses": losses(arrays, golden, *momentum_features(knowing, arrays, copies))}


def plain_arrays(model: Any, golden: dict[str, NDArray[Any]]) -> dict[str, Tensor]:
    tokens = model.image_tokens(golden_images())
    feature = normalize(model.project_images(tokens[:, 0]), dim=-1)
    arrays = text_arrays(model)
    return (
        arrays
        | {"vit_tokens": tokens[:, golden["vit_token_index"]], "image_feat_plain": feature}
        | {"itc_plain": feature @ arrays["text_feat"].T}
        | match_arrays(model, tokens, "_plain")
    )


def general_arrays(model: Any, golden: dict[str, NDArray[Any]]) -> dict[str, Tensor]:
    """The graph of findings, how the image's tokens read it, and what they are then."""
    knowledge, ids = model.net.knowledge, node_ids(model.texts)
    raw = model.net.vision_model(golden_images()).last_hidden_state
    nodes = knowledge.tags(ids)
    first, last = knowledge.general.layers
    between = first(raw, nodes.expand(2, -1, -1))
    attention = attention_weights(last.src_attn, last.sublayer[0].norm(between), nodes.expand(2, -1, -1))
    tokens = knowledge.read_general(raw, ids)
    return {
        "gk_pe_constructed": sinusoids(20, 768)[:, ::64],
        "gk_input_ids": ids,
        "gk_tag_embeds": merge(knowledge.tags.word_embeddings(ids)),
        "gk_tag_output": nodes,
        "gk_tokens": tokens[:, golden["gk_token_index"]],
        "gk_attn": attention[:, :, [0, 1, 98, 196]],
        "image_feat_gk": normalize(model.project_images(tokens[:, 0]), dim=-1),
    }


def attention_weights(layer: Any, queries: Tensor, context: Tensor) -> Tensor:
    """(B, heads, T, S): how much each query reads of each part of the context."""
    query, key = (
        linear(states).unflatten(-1, (layer.heads, -1)).transpose(1, 2)
        for linear, states in zip(layer.linears, (queries, context), strict=False)
    )
    scores: Tensor = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    return scores.softmax(dim=-1)


def label_arrays(model: Any, feature: Tensor, root: Path) -> dict[str, Tensor]:
    """Pre-training's labels, which it asks by their names in five tokens."""
    short = replace(MOTOR, limits=replace(MOTOR.limits, embedding=5))
    tokens = load_texts(root, short).embedded(FINDINGS)
    labels = normalize(model.net.text_proj(model.net.text_states(tokens)[:, 0]), dim=-1)
    return {
        "label_input_ids": tokens.ids,
        "label_feat": labels,
        "label_prob": (100 * feature @ labels.T).sigmoid(),
    }


def specific_arrays(model: Any, golden: dict[str, NDArray[Any]], arrays: dict[str, Tensor]) -> dict[str, Tensor]:
    """The queue of texts, what images take from it, and what texts and images are to each other then."""
    queued = model.texts.embedded(TRIPLETS)
    chosen = model.net.knowledge.specific.retrieve(arrays["image_feat_gk"])
    tokens = model.image_tokens(golden_images())
    feature = normalize(model.project_images(tokens[:, 0]), dim=-1)
    reports = model.texts.answers([clean_caption(text, 90) for text in golden_sentences()])
    each = tokens[[0, 1, 0, 1]]
    logits = model.net.text_decoder(reports.ids, attention_mask=reports.mask, encoder_hidden_states=each).logits
    matches = match_arrays(model, tokens, "_sk")
    return {
        "sk_queue_ids": queued.ids,
        "sk_queue_mask": queued.mask * (queued.ids != HYPHEN),
        "sk_topk": chosen.indices,
        "sk_weight": chosen.weights,
        "sk_tokens": tokens[:, golden["sk_token_index"]],
        "image_feat_sk": feature,
        "itc_sk": feature @ arrays["text_feat"].T,
        "itm_logits_sk": matches["itm_logits_sk"],
        "lm_loss_sum": model.net.caption_losses(each, reports),
        "lm_logits": logits[:, :6, ::97],
    }


def momentum_copies(model: Any, shared: Path, drawn: Drawn) -> dict[str, Tensor]:
    """By the name of each parameter that has one."""
    copied = {"vision_model", "vision_proj", "text_encoder", "text_proj"}
    names = {name: published_key(name) for name, _ in model.net.named_parameters() if name.partition(".")[0] in copied}
    general = {name for name, _ in model.net.named_parameters() if name.startswith("knowledge.general.")}
    names |= {name: name.replace("knowledge.general.", "cross_attn.") for name in general}
    keys = {name: "_m.".join(key.split(".", 1)) for name, key in names.items() if "crossattention" not in key}
    wanted = set(keys.values())
    copies = drawn.state(shared / "golden" / "motor-pretrain", lambda key: key not in wanted)
    return {name: copies[key] for name, key in keys.items()}


def momentum_features(model: Any, arrays: dict[str, Tensor], copies: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Features of both images and of the first two texts by the momentum copy, one step on.

    The texts of the batch are in the queue by then, so that the copy reads them too.
    """
    step_momentum(model.net, copies)
    model.net.knowledge.specific.text_queue[:, :2] = arrays["text_feat"][:2].T
    images = normalize(model.project_images(model.encode_images(golden_images())), dim=-1)
    return images, normalize(model.encode_texts(golden_sentences()[:2]), dim=-1)


def losses(arrays: dict[str, Tensor], golden: dict[str, NDArray[Any]], image_m: Tensor, text_m: Tensor) -> Tensor:
    """Contrast, match, language and label loss of two pairs; each pair's only hard negative is the other's half."""
    tokens = (arrays["text_input_ids"][:2] != 0).sum() - 2
    contrast = contrast_loss(
        arrays["image_feat_sk"],
        arrays["text_feat"][:2],
        image_m,
        text_m,
        golden["fwd_image_queue"],
        golden["fwd_text_queue"],
    )
    right, wrong = arrays["itm_logits_sk"][[0, 1], [0, 1]], arrays["itm_logits_sk"][[0, 1, 1, 0], [1, 0, 0, 1]]
    matches = cross_entropy(torch.cat([right, wrong]), torch.tensor([1, 1, 0, 0, 0, 0]))
    language = arrays["lm_loss_sum"][:2].sum() / tokens
    labels = binary_cross_entropy(arrays["label_prob"], torch.from_numpy(golden["fwd_label"]))
    return torch.stack([contrast, matches, language, labels])


@pytest.mark.parametrize(
    "name",
    [
        *(f"{kind}text_{what}" for kind in ("", "raw") for what in ("input_ids", "cls", "tokens0", "feat")),
        *("vit_tokens", "image_feat_plain", "itc_plain", "itm_cls_plain", "itm_logits_plain"),
        *("gk_pe_constructed", "gk_input_ids", "gk_tag_embeds", "gk_tag_output", "gk_tokens", "gk_attn"),
        *("image_feat_gk", "label_input_ids", "label_feat", "label_prob"),
        *("sk_queue_ids", "sk_queue_mask", "sk_topk", "sk_weight", "sk_tokens", "image_feat_sk", "itc_sk"),
        *("itm_logits_sk", "lm_loss_sum", "lm_logits", "fwd_losses"),
    ],
)
def test_array_equals_the_golden(name: str, found: dict[str, Tensor], golden: dict[str, NDArray[Any]]) -> None:
    assert_motor(golden, name, found[name])


def test_queue_of_the_golden_is_the_one_after_the_step(
    found: dict[str, Tensor], golden: dict[str, NDArray[Any]]
) -> None:
    after = fresh_queue()
    after[:, :2] = found["text_feat"][:2].T
    np.testing.assert_allclose(golden["sk_queue_text"], after, rtol=1e-4, atol=1e-5)


def test_every_array_is_compared_or_given(found: dict[str, Tensor], golden: dict[str, NDArray[Any]]) -> None:
    assert set(golden) - set(found) == GIVEN | ELSEWHERE
