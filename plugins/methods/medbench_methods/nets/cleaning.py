"""How the MGCA family cleans a report before it is tokenised (the MGCA and Med-ST releases)."""

from __future__ import annotations

import re

_NUMBERING = re.compile(r"[0-9]+\.")
_WORD = re.compile(r"\w+")


def clean_mgca(text: str) -> str:
    """Sentences joined with a space.

    Pre-training dropped one-word sentences, and whole reports with nothing left; no evaluation was published. A text of
    which nothing is left therefore keeps its words, so that a label such as "edema" has an embedding of its own.
    """
    return " ".join(sentences(text)) or " ".join(_ascii_words(text))


def clean_medst(text: str) -> str:
    """Sentences joined without a space, as the released evaluations do; a one-word text becomes the empty prompt."""
    return "".join(sentences(text))


def sentences(text: str) -> list[str]:
    """Lower-cased words of each sentence; sentences of one word are dropped, as are numbering and non-ASCII letters."""
    pieces = (piece for part in _NUMBERING.split(text.replace("\n", " ")) for piece in part.split("."))
    kept = (_ascii_words(piece) for piece in pieces if len(_WORD.findall(piece)) > 1)
    return [" ".join(words) for words in kept if words]


def _ascii_words(text: str) -> list[str]:
    words = (word.encode("ascii", "ignore").decode() for word in _WORD.findall(text.lower()))
    return [word for word in words if word]
