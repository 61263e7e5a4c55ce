"""BLIP's texts: cleaning as released, first tokens, lengths, prompts, and what is written from ids."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING

import pytest
import torch

from medbench_methods.nets.blip_flavour import BLIP, BRAIN_BLIP, BRAIN_BLIP_LONG
from medbench_methods.nets.blip_phantom import write_vocabulary
from medbench_methods.nets.blip_texts import (
    BlipTexts,
    TextsReader,
    clean_caption,
    clean_map,
    clean_question,
    load_texts,
)

if TYPE_CHECKING:
    from pathlib import Path

    from medbench_methods.nets.blip_flavour import BlipFlavour

LONG = " ".join(["ab"] * 300)


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoints root with the stand-in vocabulary, which spells words letter by letter."""
    root = tmp_path_factory.mktemp("assets")
    write_vocabulary(root, BLIP)
    return root


@pytest.fixture(scope="module")
def texts(assets: Path) -> BlipTexts:
    return load_texts(assets, BLIP)


@pytest.mark.parametrize("release", ["text_brain", "text_motor"])
def test_cleaning_is_the_published_one(shared: Path, release: str) -> None:
    published = json.loads((shared / "golden" / "preproc-blip" / "golden.json").read_text())["results"][release]
    for words in (90, 30):
        assert [clean_caption(text, words) for text in published["input"]] == published[f"pre_caption_{words}"]
    assert [clean_question(text, 35) for text in published["input"]] == published["pre_question_35"]


def test_a_word_that_is_not_separated_by_one_space_stays() -> None:
    assert clean_caption("A\nb\tc  d", 9) == "a\nb\tc d"
    assert clean_caption("é <b>Brain</b> 3.5", 9) == "é <b>brain</b> 3 5"


def test_a_text_for_maps_as_released_loses_its_marks_and_parts_at_hyphens_and_slashes() -> None:
    text = """T2-weighted MRI/CT: "a mass", (left's) #3; why? No! * ~ 3.5 <b>cm</b>"""
    assert clean_map(text, 99) == "t2 weighted mri ct a mass lefts 3 why no 35 <b>cm< b>"
    assert clean_map(text, 4) == "t2 weighted mri ct"
    assert clean_map("", 9) == ""


def test_texts_are_read_once_and_within_the_positions_of_the_nets(assets: Path) -> None:
    read = pickle.loads(pickle.dumps(TextsReader(assets, BRAIN_BLIP, 50)))
    assert read() is read()
    assert read().reports([LONG]).ids.shape == read().answers([LONG]).ids.shape == (1, 50)
    assert read().embedded([LONG]).ids.shape == (1, 35)


@pytest.mark.parametrize(
    ("flavour", "embedded", "report"), [(BLIP, 35, 40), (BRAIN_BLIP, 35, 200), (BRAIN_BLIP_LONG, 200, 200)]
)
def test_lengths_are_the_releases(assets: Path, flavour: BlipFlavour, embedded: int, report: int) -> None:
    read = load_texts(assets, flavour)
    assert read.embedded([LONG]).ids.shape == read.fused([LONG]).ids.shape == (1, embedded)
    assert read.reports([LONG]).ids.shape == (1, report)
    assert read.questions([LONG]).ids.shape == (1, 35)


def test_first_tokens_follow_the_use(texts: BlipTexts) -> None:
    firsts = {
        "embedded": texts.embedded(["x"]),
        "fused": texts.fused(["x"]),
        "questions": texts.questions(["x"]),
        "answers": texts.answers(["x"]),
        "reports": texts.reports(["x"]),
        "looked for": texts.looked_for("x", as_released=False),
        "looked for as released": texts.looked_for("x", as_released=True),
    }
    assert {use: int(tokens.ids[0, 0]) for use, tokens in firsts.items()} == {
        "embedded": 101,
        "fused": 30523,
        "questions": 30523,
        "answers": 30522,
        "reports": 30522,
        "looked for": 30523,
        "looked for as released": 101,
    }
    assert all(int(tokens.ids[0, -1]) == 102 for tokens in firsts.values())


def test_padding_is_masked(texts: BlipTexts) -> None:
    tokens = texts.embedded(["abc", ""])
    assert tokens.mask.tolist() == [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]
    assert tokens.ids[1, 2:].tolist() == [0, 0, 0]


def test_prompt_has_no_end_and_starts_reports(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizers").mkdir()
    (tmp_path / "tokenizers" / "bert-base-uncased").symlink_to(shared / "data" / "vocab" / "bert_base_uncased")
    read = load_texts(tmp_path, BLIP)
    assert read.prompt_ids == (30522, 1037, 3861, 1997)
    assert read.reports(["A mass."]).ids.tolist() == [[30522, 1037, 3861, 1997, 1037, 3742, 102]]
    ska = read._tokenizer.convert_tokens_to_ids(["##ska", "mass"])
    assert read.written(torch.tensor([[*ska, 30522, 102, 0], [30523, ska[1], 102, 0, 0]])) == ["ska mass", "mass"]


def test_empty_and_foreign_texts_go_through(texts: BlipTexts) -> None:
    tokens = texts.fused(["", "...", "Ödem 肺炎", "a" * 5000])
    assert tokens.ids.shape[1] <= 35
    assert tokens.mask[:, 0].all()
