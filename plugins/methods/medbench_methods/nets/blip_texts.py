"""Texts of BLIP's family: cleaned as released, turned into tokens with the right first one, and back.

Source: BLIP release, ``data/utils.py`` (cleaning), ``models/blip.py`` (special tokens, prompt), ``train_retrieval.py``,
``models/blip_vqa.py``; brain release, ``vis.py`` (cleaning for maps).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from transformers import BertTokenizer

from medbench.errors import CheckpointError
from medbench_methods.nets.tokens import Tokens
from medbench_methods.nets.vocabulary_files import find_vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from medbench_methods.nets.blip_flavour import BlipFlavour

_MARKS = re.compile(r"[.!\"()*#:;~]")
_MAP_MARKS = re.compile(r"[,.'!?\"()*#:;~]")
_MAP_JOINTS = re.compile(r"[-/]")
_RUNS = re.compile(r"\s{2,}")


def clean_caption(text: str, words: int) -> str:
    """Lower case, ten marks as spaces, runs of white space as one, the first ``words`` words."""
    return _first_words(_MARKS.sub(" ", text.lower()), words)


def clean_question(text: str, words: int) -> str:
    """Lower case, the same marks left out without a space, trailing spaces cut, the first ``words`` words."""
    return " ".join(_MARKS.sub("", text.lower()).rstrip(" ").split(" ")[:words])


def clean_map(text: str, words: int) -> str:
    """As the brain release cleans a text that it draws maps for: 13 marks left out, hyphens and slashes as spaces."""
    return _first_words(_MAP_JOINTS.sub(" ", _MAP_MARKS.sub("", text.lower())), words)


class BlipTexts:
    """A tokenizer with a flavour's cleaning, lengths and first tokens."""

    def __init__(self, tokenizer: Any, flavour: BlipFlavour) -> None:
        self._tokenizer = tokenizer
        self._flavour = flavour
        self.ids = flavour.ids
        prompt: list[int] = tokenizer(flavour.prompt)["input_ids"][:-1]
        self.prompt_ids = (flavour.ids.dec, *prompt[1:])

    def embedded(self, texts: Sequence[str]) -> Tokens:
        """Captions for an embedding of their own: [CLS] stays first."""
        return self._captions(texts, self._flavour.limits.embedding, self._flavour.ids.cls)

    def fused(self, texts: Sequence[str]) -> Tokens:
        """Captions to be matched with an image: [ENC] first."""
        return self._captions(texts, self._flavour.limits.match, self._flavour.ids.enc)

    def looked_for(self, text: str, *, as_released: bool) -> Tokens:
        """A caption whose words are looked for in an image: [ENC] first; as released, by `clean_map` with [CLS] first."""
        limits, ids = self._flavour.limits, self._flavour.ids
        if as_released:
            return self._tokens([clean_map(text, limits.words)], limits.maps, ids.cls)
        return self._captions([text], limits.maps, ids.enc)

    def reports(self, texts: Sequence[str]) -> Tokens:
        """The prompt and each caption, [DEC] first, for the decoder to learn."""
        limits = self._flavour.limits
        prompted = [self._flavour.prompt + clean_caption(text, limits.words) for text in texts]
        return self._tokens(prompted, limits.caption, self._flavour.ids.dec)

    def questions(self, texts: Sequence[str]) -> Tokens:
        """Questions, [ENC] first."""
        limits = self._flavour.limits
        cleaned = [clean_question(text, limits.question_words) for text in texts]
        return self._tokens(cleaned, limits.question, self._flavour.ids.enc)

    def answers(self, texts: Sequence[str]) -> Tokens:
        """Answers as they stand, [DEC] first."""
        return self._tokens(texts, self._flavour.limits.answer, self._flavour.ids.dec)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The vocabulary's word or part of a word (``##...``) for each id."""
        pieces: list[str] = self._tokenizer.convert_ids_to_tokens(list(ids))
        return pieces

    def written(self, ids: Tensor) -> list[str]:
        """(B, T) ids after the prompt -> B texts, without special tokens."""
        return [self._text(row) for row in ids.tolist()]

    def _captions(self, texts: Sequence[str], length: int, first: int) -> Tokens:
        return self._tokens([clean_caption(text, self._flavour.limits.words) for text in texts], length, first)

    def _tokens(self, texts: Sequence[str], length: int, first: int) -> Tokens:
        batch = self._tokenizer(list(texts), padding="longest", truncation=True, max_length=length, return_tensors="pt")
        ids: Tensor = batch["input_ids"]
        ids[:, 0] = first
        return Tokens(ids, batch["attention_mask"])

    def _text(self, ids: list[int]) -> str:
        # The tokenizer does not know [DEC] and [ENC], which weights may still write.
        known = [one for one in ids if one < self._flavour.ids.dec]
        text: str = self._tokenizer.decode(known, skip_special_tokens=True, clean_up_tokenization_spaces=True)
        return text.removeprefix("##").strip()


class TextsReader:
    """Gives the texts of a flavour, read by `load_texts` at the first call; it can be pickled before and after.

    ``positions`` is how many tokens the nets that are to read them have positions for.
    """

    def __init__(self, assets: Path | None, flavour: BlipFlavour, positions: int) -> None:
        self._assets = assets
        self._flavour = replace(flavour, limits=flavour.limits.within(positions))
        self._texts: BlipTexts | None = None

    def __call__(self) -> BlipTexts:
        if self._texts is None:
            self._texts = load_texts(self._assets, self._flavour)
        return self._texts


def load_texts(assets: Path | None, flavour: BlipFlavour) -> BlipTexts:
    """The tokenizer over ``<assets>/tokenizers/<vocabulary>``, a folder with ``vocab.txt`` or that file, or over the hub's.

    Raises `MissingCheckpointError` where there is none to be had, and `CheckpointError` for another model's vocabulary.
    """
    path = find_vocabulary(assets, flavour.vocabulary, flavour.hub_id)
    tokenizer = BertTokenizer(vocab=str(path), do_lower_case=True)
    ids = flavour.ids
    found = (tokenizer.vocab_size, tokenizer.pad_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id)
    if found != (ids.dec, ids.pad, ids.cls, ids.sep):
        raise CheckpointError(
            f"{path} holds {found[0]:,} tokens with [PAD] {found[1]}, [CLS] {found[2]}, [SEP] {found[3]}, not the"
            f" {ids.dec:,} of {flavour.hub_id} with {ids.pad}, {ids.cls}, {ids.sep}",
            fix="put that model's own vocab.txt there",
        )
    return BlipTexts(tokenizer, flavour)


def _first_words(text: str, words: int) -> str:
    """Runs of white space as one space, and the first ``words`` of what spaces part."""
    return " ".join(_RUNS.sub(" ", text).rstrip("\n").strip(" ").split(" ")[:words])
