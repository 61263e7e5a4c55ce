"""The words that a standard decoder writes with, made from the training reports alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

PAD, START, END = 0, 1, 2
_SPECIAL = ["[PAD]", "[START]", "[END]"]


class Vocabulary:
    """Pieces of bytes that a text is made of and can be had back from, whatever its language: nothing is unknown.

    Frequent words are one piece; a byte-pair encoding falls back on single bytes for all else. The same reports in any order
    give the same vocabulary.
    """

    def __init__(self, reports: Iterable[str], *, size: int, min_frequency: int) -> None:
        self._tokenizer = Tokenizer(models.BPE())
        self._tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        self._tokenizer.decoder = decoders.ByteLevel()
        self._tokenizer.encode_special_tokens = True  # an "[END]" that a report spells out is text like any other
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            min_frequency=min_frequency,
            special_tokens=_SPECIAL,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        self._tokenizer.train_from_iterator(sorted(reports), trainer)

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def encode(self, reports: Sequence[str], most: int) -> Tensor:
        """(B, T <= ``most``) int64: the start, the pieces, the end, then padding; a report that is cut has no end."""
        rows = [[START, *found.ids, END][:most] for found in self._tokenizer.encode_batch(list(reports))]
        longest = max(map(len, rows))
        return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])

    def decode(self, ids: Tensor) -> list[str]:
        """(B, T) -> B reports, what is special left out; bytes that make no character become U+FFFD."""
        texts: list[str] = self._tokenizer.decode_batch(ids.tolist(), skip_special_tokens=True)
        return [text.strip() for text in texts]
