"""Counted n-grams of many texts at once, as sorted arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class NgramCounts:
    """How often each n-gram of one length stands in each text: row m says ``count[m]`` times ``ngram[m]`` in ``text[m]``.

    Sorted by text, then n-gram; ``ngram`` counts from 0 to ``kinds`` - 1, the same number for the same words in every text.
    """

    text: NDArray[np.int64]
    ngram: NDArray[np.int64]
    count: NDArray[np.int64]
    kinds: int

    def keys(self, group: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """A number for each row's n-gram within its text, or within ``group`` (texts,) of its text."""
        owner = self.text if group is None else group[self.text]
        return owner * self.kinds + self.ngram

    def of(self, first: int, last: int) -> NgramCounts:
        """Those of the texts ``first`` to ``last`` - 1, renumbered from 0."""
        rows = slice(*np.searchsorted(self.text, [first, last]))
        return NgramCounts(self.text[rows] - first, self.ngram[rows], self.count[rows], self.kinds)


def ngram_counts(texts: Sequence[Sequence[str]], longest: int = 4) -> tuple[NgramCounts, ...]:
    """The n-grams of ``texts`` (lists of words) of 1 to ``longest`` words."""
    numbers = word_numbers(chain.from_iterable(texts))
    word = np.fromiter((numbers[word] for text in texts for word in text), np.int64)
    owner = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    ngram, kinds, found = word, len(numbers), []
    for length in range(1, longest + 1):
        if length > 1:
            # An n-gram is an (n - 1)-gram and a word; those that run on into the next text are dropped.
            whole = owner[: len(owner) - length + 1] == owner[length - 1 :]
            start = np.full(len(word), -1, np.int64)
            start[: len(whole)][whole] = ngram[: len(whole)][whole] * len(numbers) + word[length - 1 :][whole]
            kept = start >= 0
            unique, inverse = np.unique(start[kept], return_inverse=True)
            ngram = np.zeros(len(word), np.int64)
            ngram[kept] = inverse
            kinds = len(unique)
        else:
            kept = np.ones(len(word), bool)
        keys, count = np.unique(owner[kept] * max(kinds, 1) + ngram[kept], return_counts=True)
        found.append(NgramCounts(keys // max(kinds, 1), keys % max(kinds, 1), count, max(kinds, 1)))
    return tuple(found)


def word_numbers(words: Iterable[str]) -> dict[str, int]:
    """A number from 0 for each different word."""
    return {word: number for number, word in enumerate(dict.fromkeys(words))}


def looked_up(keys: NDArray[np.int64], known: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The value of each of ``keys`` among the sorted ``known``; 0 where it is not there."""
    if not len(known):
        return np.zeros(len(keys))
    place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[place] == keys, values[place], 0.0)


def summed(values: NDArray[np.generic], by: NDArray[np.int64], groups: int) -> NDArray[np.float64]:
    """(groups,) the sum of the values of each group."""
    return np.bincount(by, values, groups).astype(np.float64)
