"""MeDSLIP's texts become the published tokens, and Bio_ClinicalBERT's last [CLS] makes the published vectors of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel
from weights import ATOL, RTOL, golden_arrays, golden_state_dict

from medbench_methods.nets.medslip_books import place_texts
from medbench_methods.nets.medslip_findings import FINDINGS, PLACES, query_indices
from medbench_methods.nets.observation_text import BookEncoder
from medbench_methods.nets.text import load_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "medslip-zs-rsna"
PRETRAINING = "medslip-pretrain"
LONG_IN_PRETRAINING = ("tube", "loss")


@pytest.fixture(scope="module")
def encoder(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> BookEncoder:
    """Twelve layers of BERT filled by the rule, with the real vocabulary."""
    assets = tmp_path_factory.mktemp("assets")
    (assets / "tokenizers").mkdir()
    (assets / "tokenizers" / "bio_clinicalbert").symlink_to(shared / "data" / "vocab" / "bio_clinicalbert")
    published = json.loads((shared / "golden" / PRETRAINING / "manifest.json").read_text())["bert_state_dict"]
    entries = {key: [shape, "int64" if key.endswith("_ids") else "float32"] for key, shape in published.items()}
    listed = assets / "bert.json"
    listed.write_text(json.dumps({"state_dict": {key: entry for key, entry in entries.items() if "pooler" not in key}}))
    bert = BertModel(BertConfig(vocab_size=28996), add_pooling_layer=False)
    loaded = bert.load_state_dict(golden_state_dict(listed), strict=False)
    assert loaded.missing_keys == []
    assert loaded.unexpected_keys == ["embeddings.position_ids"]
    return BookEncoder(bert.eval(), load_tokenizer(assets))


def test_sentences_of_places_become_the_published_tokens(encoder: BookEncoder, shared: Path) -> None:
    published = json.loads((shared / "golden" / PRETRAINING / "golden.json").read_text())["anatomy_texts"]
    assert place_texts() == published
    ids = golden_arrays(shared / "golden" / PRETRAINING)["anatomy_input_ids"]
    for text, row in zip(place_texts(), ids, strict=True):
        tokens = encoder.tokens(text)
        assert tokens == [int(token) for token in row if token]
        assert 102 not in tokens  # [SEP]


def test_vectors_of_places_and_findings_are_the_published_ones(encoder: BookEncoder, shared: Path) -> None:
    arrays = golden_arrays(shared / "golden" / PRETRAINING)
    _compare(encoder.encode(place_texts()), arrays["anatomy_book"])
    arrays = golden_arrays(shared / "golden" / FOLDER)
    chosen = query_indices(["normal", "pneumonia", "tube", "pressure"])
    rows = [_tokens(arrays, index) for index in chosen]
    assert [len(row) for row in rows] == [19, 57, 64, 21]
    _compare(encoder.encode_ids(rows), arrays["pathology_book"][chosen])


def test_long_texts_are_cut_at_64_as_in_the_zero_shot_scripts(encoder: BookEncoder, shared: Path) -> None:
    """The texts are not at hand: the pieces of the whole one, which pre-training keeps, are put together again."""
    whole, cut = (golden_arrays(shared / "golden" / name) for name in (PRETRAINING, FOLDER))
    for index in query_indices(LONG_IN_PRETRAINING):
        assert _tokens(whole, index)[:64] == _tokens(cut, index)
        assert len(_tokens(whole, index)) > 64
        again = encoder.tokens(_text_of(encoder, _tokens(whole, index)))
        assert again == _tokens(cut, index)


def test_lower_case_and_capitals_give_the_same_tokens(encoder: BookEncoder) -> None:
    assert encoder.tokens("Pleural-Effusion of the LEFT lung") == encoder.tokens("pleural-effusion of the left lung")


def test_names_stand_in_the_published_order(shared: Path) -> None:
    golden = json.loads((shared / "golden" / "medslip-zs-cxr14" / "golden.json").read_text())
    assert list(FINDINGS) == golden["original_class"]
    assert query_indices(golden["target_class"]) == golden["MIMIC_mapping"]
    assert list(PLACES) == json.loads((shared / "golden" / FOLDER / "golden.json").read_text())["anatomy_names"]


def _tokens(arrays: dict[str, np.ndarray], index: int) -> list[int]:
    return arrays["pathology_input_ids"][index][arrays["pathology_attention_mask"][index] > 0].tolist()


def _text_of(encoder: BookEncoder, tokens: list[int]) -> str:
    return " ".join(encoder._tokenizer.convert_ids_to_tokens(tokens[1:])).replace(" ##", "")


def _compare(vectors: torch.Tensor, published: np.ndarray) -> None:
    np.testing.assert_allclose(vectors.numpy(), published, rtol=RTOL, atol=ATOL)
