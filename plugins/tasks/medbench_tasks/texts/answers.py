"""Answers to questions: one spelling for those that mean the same, and how a predicted one is scored."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from medbench_tasks.texts.words import pieces_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ARTICLES = frozenset({"a", "an", "the"})
_NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
} | {"none": "0"}
_CONTRACTIONS = {
    stem.replace("'", "") + end: f"{stem}'{end}" if end != "nt" else f"{stem}n't"
    for end, stems in (
        ("nt", "ai are ca could did does do had has have is might must need should was were wo would"),
        ("ve", "could i might must should they we who would you"),
        ("s", "he how she that there what where who"),
        ("re", "they what you"),
        ("ll", "it they"),
        ("d", "it they"),
        ("m", "i"),
    )
    for stem in stems.split()
}
"""By its spelling without the apostrophe; spellings that are words of their own (well, ill, id, its) are left out."""
_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_FULL_WIDTH = str.maketrans(dict.fromkeys("，、。．；：！？（）［］｛｝《》〈〉「」『』【】～", " "))
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_FULL_STOP = re.compile(r"\.(?!\d)")


def normalise(answer: str) -> str:
    """The answer as MEVF and MOTOR compare it: the rules of the VQA v2 evaluation, with ``x ray`` read as ``xray``.

    Marks between two characters become blanks (``non-contrast`` is ``non contrast``) and are deleted elsewhere; a full stop
    stays only before a digit; lower case; articles are dropped; number words to ten become digits, ``none`` is ``0``;
    contractions get their apostrophe back (Goyal et al., CVPR 2017, and Nguyen et al., MICCAI 2019, releases). The marks of
    Chinese and Japanese, which those rules do not know, become blanks.
    """
    bare = _FULL_STOP.sub("", _without_marks(str(answer).translate(_FULL_WIDTH)))
    words = (_NUMBERS.get(word, word) for word in bare.lower().split())
    kept = (_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)
    return " ".join(kept).replace(",", "").replace("x ray", "xray")


def collapse(answer: str) -> str:
    """The answer with its blanks collapsed and nothing else changed, as MOTOR's SLAKE lists keep it."""
    return " ".join(str(answer).split())


def exact_match(predicted: Sequence[str], truth: Sequence[str]) -> NDArray[np.float64]:
    """(N,) 1 where the two are the same string, else 0. Normalise both first."""
    return _scores(lambda given, true: float(given == true), predicted, truth)


def token_f1(predicted: Sequence[str], truth: Sequence[str]) -> NDArray[np.float64]:
    """(N,) F1 of the words of each pair, counted as a bag (Rajpurkar et al., EMNLP 2016, section 6.1).

    Chinese and Japanese count by the character. Two empty answers agree (1); an empty one and another do not (0).
    """
    return _scores(_token_f1, predicted, truth)


def bleu_1(predicted: Sequence[str], truth: Sequence[str]) -> NDArray[np.float64]:
    """(N,) sentence BLEU-1 of each pair: the share of predicted words that are true, times the brevity penalty.

    Clipped counts and exp(1 - true / predicted length) below 1 (Papineni et al., ACL 2002). Chinese and
    Japanese count by the character. Two empty answers agree (1).
    """
    return _scores(_bleu_1, predicted, truth)


def _scores(score: Callable[[str, str], float], predicted: Sequence[str], truth: Sequence[str]) -> NDArray[np.float64]:
    import numpy as np

    return np.array([score(given, true) for given, true in zip(predicted, truth, strict=True)], np.float64)


def _token_f1(predicted: str, truth: str) -> float:
    given, true = pieces_of(predicted), pieces_of(truth)
    if not given or not true:
        return float(given == true)
    return 2 * _shared(given, true) / (len(given) + len(true))


def _bleu_1(predicted: str, truth: str) -> float:
    import math

    given, true = pieces_of(predicted), pieces_of(truth)
    if not given or not true:
        return float(given == true)
    return _shared(given, true) / len(given) * math.exp(min(0.0, 1 - len(true) / len(given)))


def _shared(given: Sequence[str], true: Sequence[str]) -> int:
    return (Counter(given) & Counter(true)).total()


def _without_marks(text: str) -> str:
    """A mark that stands beside a blank anywhere in the text, or in a text with ``1,000``, is deleted; else it is a blank."""
    delete_all = _COMMA_IN_NUMBER.search(text) is not None
    bare = text
    for mark in _MARKS:
        beside_blank = f"{mark} " in text or f" {mark}" in text
        bare = bare.replace(mark, "" if delete_all or beside_blank else " ")
    return bare
