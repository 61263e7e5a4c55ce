"""MGCA's encoders give what the published code gives, on the deterministic weights of the goldens."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
import torch
from computed import image_arrays, joint_arrays, resnet_stages, text_arrays
from torch.nn.functional import linear
from weights import assert_golden, golden_arrays, golden_images, golden_text, head_state_dict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from medbench_methods.nets.aligned import AlignedEncoder

VARIANTS = {"mgca-resnet50": "resnet50", "mgca-vit_base": "vit-b16"}
# Compared where they belong: the detection head, the segmentation decoders. token_type_ids is an input, all zero.
ELSEWHERE = ("det_head", "det_decoded", "det_nms", "seg_decoder", "seg_logits", "seg_map", "token_type_ids")
IMAGE = ("img_feat", "patch_feat", "img_emb_raw", "img_emb", "patch_emb_raw", "patch_emb")
TEXT = (
    *("caption_ids", "attention_mask", "bert_embedding_output", "bert_last_hidden_state", "bert_last_attention"),
    *("diag_report_feat_arange_positions", "report_feat", "report_emb_raw", "report_emb"),
    *("word_feat", "word_feat_norms", "word_attn", "word_emb_raw", "word_emb"),
)
JOINT = ("sim", "sim_over_temperature", "word_to_patch_attention", "word_context")
PROBES = ("linear_logits_chexpert", "linear_logits_rsna")
STAGES = (
    *(f"encoder299_{stage}" for stage in ("maxpool", "layer1", "layer2", "layer3", "layer4")),
    *(f"det_out{level}" for level in (3, 4, 5)),
    *(f"seg_encoder_feat{level}" for level in range(6)),
)
TRANSFORMER = ("seg_tokens", "last_attention")


class Case(NamedTuple):
    """A golden folder, the encoder loaded from it, and what it computes."""

    folder: Path
    model: AlignedEncoder
    arrays: dict[str, NDArray]
    computed: dict[str, Tensor]


OF_THE_TRUNK = {"resnet50": STAGES, "vit-b16": TRANSFORMER}


@pytest.fixture(scope="module", params=VARIANTS)
def case(request: pytest.FixtureRequest, shared: Path, load_golden: Callable[..., AlignedEncoder]) -> Case:
    folder = shared / "golden" / request.param
    model = load_golden(request.param, "mgca", VARIANTS[request.param])
    computed = image_arrays(model) | text_arrays(model)
    computed |= joint_arrays(computed, model) | _probes(folder, computed["img_feat"])
    computed |= resnet_stages(model) if request.param == "mgca-resnet50" else _transformer(model)
    return Case(folder, model, golden_arrays(folder), computed)


@pytest.mark.parametrize("name", [*IMAGE, *TEXT, *JOINT, *PROBES])
def test_array_equals_the_published_one(case: Case, name: str) -> None:
    assert_golden(case.arrays, name, case.computed[name])


def test_stages_of_the_trunk_equal_the_published_ones(case: Case) -> None:
    for name in OF_THE_TRUNK[VARIANTS[case.folder.name]]:
        assert_golden(case.arrays, name, case.computed[name])


def test_sub_words_join_into_the_published_words(case: Case) -> None:
    text = golden_text(case.folder)
    assert case.model.encode_words(text["sentences"]).words == text["words"]


def test_multi_sentence_report_gives_the_published_ids(case: Case) -> None:
    text = golden_text(case.folder)
    report = text["multi_sentence_report"]
    cleaned = case.model.clean(f"{report['impression']} {report['findings']}")
    assert cleaned == " ".join(text["multi_sentence_path2sent"])
    ids = case.model.text.tokenize([cleaned], to_max=True).ids[0]
    np.testing.assert_array_equal(ids[:40], case.arrays["multi_sentence_ids"])


def test_every_golden_array_of_the_encoders_is_compared(case: Case) -> None:
    names = {name.split("__")[0] for name in case.arrays} - {"multi_sentence_ids"}
    tested = {*IMAGE, *TEXT, *JOINT, *PROBES, *STAGES, *TRANSFORMER}
    assert {name for name in names if not name.startswith(ELSEWHERE)} <= tested & set(case.computed)


def _probes(folder: Path, features: Tensor) -> dict[str, Tensor]:
    logits = {}
    for task in ("chexpert", "rsna"):
        weight, bias = head_state_dict(folder, f"linear_{task}").values()
        logits[f"linear_logits_{task}"] = linear(features, weight, bias)
    return logits


@torch.inference_mode()
def _transformer(model: AlignedEncoder) -> dict[str, Tensor]:
    """Patch tokens as the SETR encoder sees them, and the last block's softmax attention."""
    inputs: list[Tensor] = []
    block = model.trunk.net.blocks[-1].attn
    hook = block.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    (patches,) = model.encode_pyramid(golden_images())
    hook.remove()
    query, key, _ = block.qkv(inputs[0]).unflatten(-1, (3, 12, 64)).permute(2, 0, 3, 1, 4)
    attention = (query @ key.transpose(-2, -1) * block.scale).softmax(dim=-1)
    return {"seg_tokens": patches.flatten(2).transpose(1, 2), "last_attention": attention}
