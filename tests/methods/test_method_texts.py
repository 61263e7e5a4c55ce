"""Cleaning, tokens and words of the MGCA family's text tower."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medbench.errors import CheckpointError, MissingCheckpointError
from medbench_methods.nets import text as text_module
from medbench_methods.nets.cleaning import clean_medst, clean_mgca, sentences

if TYPE_CHECKING:
    from pathlib import Path

    from medbench_methods.nets.text import TextTower

REPORT = "1. No pneumothorax. 2. Stable cardiomegaly.\nUnchanged."


def test_mgca_joins_sentences_with_a_space_and_medst_without() -> None:
    assert clean_mgca(REPORT) == "no pneumothorax stable cardiomegaly"
    assert clean_medst(REPORT) == "no pneumothoraxstable cardiomegaly"


def test_one_word_text_is_kept_by_mgca_and_empty_in_medst() -> None:
    assert clean_mgca("Edema.") == "edema"
    assert clean_medst("Edema.") == ""


def test_letters_outside_ascii_are_dropped() -> None:
    assert sentences("Sjögren’s syndrome") == ["sjgren s syndrome"]


@given(st.text(max_size=60))
def test_cleaned_text_is_lower_case_ascii_words(raw: str) -> None:
    for clean in (clean_mgca, clean_medst):
        assert re.fullmatch(r"(\w+( \w+)*)?", clean(raw), flags=re.ASCII)
        assert clean(raw) == clean(raw).lower()


@torch.inference_mode()
def test_padding_does_not_change_a_report(tower: TextTower) -> None:
    texts = ["no pneumonia", "the heart is small and edema is worse"]
    short, full = tower(tower.tokenize(texts)), tower(tower.tokenize(texts, to_max=True))
    torch.testing.assert_close(short.hidden[:, 0], full.hidden[:, 0], rtol=1e-4, atol=1e-5)
    alone = tower(tower.tokenize(texts[:1]))
    torch.testing.assert_close(short.hidden[:1, 0], alone.hidden[:, 0], rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_word_order_counts_only_with_true_positions(tower: TextTower) -> None:
    tokens = tower.tokenize(["edema worse pneumonia small", "pneumonia small edema worse"])
    first, second = tower(tokens).hidden[:, 0]
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)
    first, second = tower(tokens, true_positions=True).hidden[:, 0]
    assert float((first - second).abs().max()) > 1e-3


@torch.inference_mode()
def test_pieces_sum_into_words_and_attention_is_shifted(tower: TextTower) -> None:
    tokens = tower.tokenize(["no edema"], to_max=True)  # [CLS] no ede ##ma [SEP]
    output = tower(tokens)
    words = tower.words(tokens, output)
    assert words.words == [["[CLS]", "no", "edema", "[SEP]"]]
    torch.testing.assert_close(words.features[0, 1], output.hidden[0, 2] + output.hidden[0, 3])
    torch.testing.assert_close(words.features[0, 2], output.hidden[0, 4])
    assert not words.features[0, 3:].any()
    from_cls = output.attention[0, :, 0].mean(dim=0)
    torch.testing.assert_close(words.attention[0, 1], from_cls[3] + from_cls[4])


@torch.inference_mode()
def test_long_text_is_truncated(tower: TextTower) -> None:
    tokens = tower.tokenize(["the heart " * 200], to_max=True)
    assert tokens.ids.shape == (1, 112)
    assert tower.words(tokens, tower(tokens)).features.shape == (1, 111, 768)


def test_tokenizer_may_be_a_vocabulary_file(assets: Path, tmp_path: Path) -> None:
    vocabulary = assets / "tokenizers" / "bio_clinicalbert" / "vocab.txt"
    (tmp_path / "tokenizers").mkdir()
    (tmp_path / "tokenizers" / "bio_clinicalbert").write_bytes(vocabulary.read_bytes())
    tokenizer = text_module.load_tokenizer(tmp_path)
    assert tokenizer("No Edema")["input_ids"] == [2, 5, 9, 10, 3]


def test_vocabulary_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "tokenizers" / "bio_clinicalbert"
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\npneumonia\n")
    with pytest.raises(CheckpointError, match=r"vocab\.txt holds 6 tokens, not the 28,996"):
        text_module.load_tokenizer(tmp_path)


def test_no_tokenizer_says_where_to_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("medbench_methods.nets.vocabulary_files.hf_hub_download", unreachable)
    with pytest.raises(MissingCheckpointError, match=r"put its vocab.txt at .*tokenizers/bio_clinicalbert/vocab.txt"):
        text_module.load_tokenizer(tmp_path)
