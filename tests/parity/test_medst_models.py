"""MedST's encoders give what the published code gives, and its ViT, known by its layout alone, loads by its manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
import torch
from computed import image_arrays, joint_arrays, resnet_stages, text_arrays
from torch.nn.functional import cross_entropy, linear, normalize
from weights import assert_golden, golden_arrays, golden_images, golden_sentences, golden_text, head_state_dict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from medbench_methods.nets.multiview import MultiViewEncoder

FOLDER = "medst-resnet50"
STAGE_NAMES = ("maxpool", "layer1", "layer2", "layer3", "layer4")
NAMES = (
    *("img_feat", "patch_feat", "img_emb_raw", "img_emb", "patch_emb_raw", "patch_emb", "sim"),
    *(f"encoder{side}_{stage}" for side in (299, 224) for stage in STAGE_NAMES),
    *("caption_ids", "attention_mask", "bert_embedding_output", "bert_last_hidden_state"),
    *("diag_report_feat_arange_positions", "report_feat", "report_emb_raw", "report_emb"),
    *("word_feat", "word_attn", "word_emb"),
    *("temporal_pair_feature", "temporal_sentence_similarity", "temporal_sentence_similarity_all_pairs"),
    *("zeroshot_prompt_ids", "zeroshot_prompt_emb_raw"),
    *("zeroshot_pos_score", "zeroshot_neg_score", "zeroshot_prediction"),
    *("linear_logits_covidx", "linear_loss_covidx"),
)


class Case(NamedTuple):
    """The golden folder, the encoder loaded from it, and what it computes."""

    folder: Path
    model: MultiViewEncoder
    arrays: dict[str, NDArray]
    computed: dict[str, Tensor]


@pytest.fixture(scope="module")
def case(shared: Path, load_golden: Callable[..., MultiViewEncoder]) -> Case:
    folder = shared / "golden" / FOLDER
    model = load_golden(FOLDER, "medst", "resnet50")
    computed = image_arrays(model) | text_arrays(model) | resnet_stages(model)
    computed |= joint_arrays(computed, model) | _temporal(computed) | _zero_shot(folder, model, computed["img_emb"])
    return Case(folder, model, golden_arrays(folder), computed | _probe(folder, computed["img_feat"]))


@pytest.mark.parametrize("name", NAMES)
def test_array_equals_the_published_one(case: Case, name: str) -> None:
    assert_golden(case.arrays, name, case.computed[name])


def test_every_golden_array_is_compared(case: Case) -> None:
    names = {name.split("__")[0] for name in case.arrays}
    assert names - {"token_type_ids"} == set(NAMES)  # that one is an input, all zero


def test_sentences_are_cleaned_as_published(case: Case) -> None:
    text = golden_text(case.folder)
    expected = [*zip(text["sentences"], text["sent_proc"], strict=True), *map(tuple, text["sent_proc_extra"])]
    assert [case.model.clean(raw) for raw, _ in expected] == [cleaned for _, cleaned in expected]


def test_sub_words_join_into_the_published_words(case: Case) -> None:
    text = golden_text(case.folder)
    assert case.model.encode_words(text["sentences"]).words == text["words"]


def test_batch_of_three_equals_its_images_one_by_one(case: Case) -> None:
    images = torch.cat([golden_images(), golden_images()[:1] * 0.5])
    with torch.inference_mode():
        together = case.model.encode_images(images)
    np.testing.assert_allclose(together[:2], case.arrays["img_feat"], rtol=1e-4, atol=1e-5)
    assert together.shape == (3, 2048)


def test_vit_loads_by_its_manifest(load_golden: Callable[..., MultiViewEncoder]) -> None:
    model = load_golden("medst-vit_base", "medst", "vit-b16")
    images = golden_images()
    with torch.inference_mode():
        frontal, lateral = model.encode_images(images), model.encode_images(images, view="lateral")
        texts = model.encode_texts(golden_sentences())
        joint = model.project_images(frontal)
    assert frontal.shape == (2, 768)
    assert texts.shape == (4, 128)
    assert joint.shape == (2, 128)
    assert not torch.allclose(frontal, lateral, atol=1e-2)


def _temporal(computed: dict[str, Tensor]) -> dict[str, Tensor]:
    current, previous = computed["img_emb"]
    reports = computed["report_emb"]
    similarity = reports @ reports.T
    return {
        "temporal_pair_feature": torch.cat([current, previous])[None],
        "temporal_sentence_similarity": (reports[:2] * reports[2:]).sum(dim=-1),
        "temporal_sentence_similarity_all_pairs": similarity,
    }


@torch.inference_mode()
def _zero_shot(folder: Path, model: MultiViewEncoder, image_emb: Tensor) -> dict[str, Tensor]:
    """The mean of the un-normalised prompt embeddings, then normalised, against the image's."""
    text = golden_text(folder)
    prompts = [*text["zeroshot_pos_prompts"], *text["zeroshot_neg_prompts"]]
    raw = model.encode_texts(prompts)
    positive, negative = (image_emb @ normalize(half.mean(dim=0), dim=-1) for half in raw.split(4))
    tokens = model.text.tokenize([model.clean(prompt) for prompt in prompts], to_max=True)
    return {
        "zeroshot_prompt_ids": tokens.ids[:, :24],
        "zeroshot_prompt_emb_raw": raw,
        "zeroshot_pos_score": positive,
        "zeroshot_neg_score": negative,
        "zeroshot_prediction": positive > negative,
    }


def _probe(folder: Path, features: Tensor) -> dict[str, Tensor]:
    weight, bias = head_state_dict(folder, "linear_covidx").values()
    logits = linear(features, weight, bias)
    return {"linear_logits_covidx": logits, "linear_loss_covidx": cross_entropy(logits, torch.tensor([1, 2]))}
