"""The words of questions as numbers, for a question encoder that is trained from scratch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from medbench_tasks.texts.words import words_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PADDING, START, UNKNOWN = 0, 1, 2


class Vocabulary:
    """The words of the training questions, most frequent first; a word that occurs there once is as good as unknown.

    So that the unknown token is trained too.
    """

    def __init__(self, questions: Iterable[str]) -> None:
        counts = Counter(word for question in questions for word in words_of(question))
        kept = sorted((word for word, count in counts.items() if count > 1), key=lambda word: (-counts[word], word))
        self._places = {word: place for place, word in enumerate(kept, UNKNOWN + 1)}

    def __len__(self) -> int:
        return len(self._places) + UNKNOWN + 1

    def encode(self, questions: Sequence[str], max_words: int) -> NDArray[np.int64]:
        """(N, 1 + longest) tokens: `START`, then at most ``max_words`` words, then `PADDING`; an empty question has no word."""
        import numpy as np

        rows = [[self._places.get(word, UNKNOWN) for word in words_of(one)[:max_words]] for one in questions]
        tokens = np.full((len(rows), 1 + max(map(len, rows), default=0)), PADDING, np.int64)
        tokens[:, 0] = START
        for row, places in enumerate(rows):
            tokens[row, 1 : 1 + len(places)] = places
        return tokens
