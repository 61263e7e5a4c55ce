"""How a report is cleaned before it is tokenised or scored: part of a recipe, since it moves the numbers."""

from __future__ import annotations

import re
from typing import Literal, get_args

from medbench.errors import UnknownNameError

Cleaning = Literal["none", "r2gen", "motor"]

_CAPTION_MARKS = re.compile(r'[.!"()*#:;~]')
_R2GEN_NUMBERS = re.compile(r"(?:(?<=[.\s])|^)\d{1,2}\. ")
_R2GEN_UNDERSCORES = re.compile("_+")
_R2GEN_MARKS = re.compile(r"""[.,?;*!%^&_+():\-\[\]{}"'/\\]""")


def clean(text: str, how: Cleaning, max_words: int | None = None) -> str:
    """The text as ``how`` says, cut to its first ``max_words`` words; an empty text stays empty.

    - ``none``: blanks collapsed, nothing else.
    - ``motor``: the caption rule of MOTOR and BLIP (``pre_caption``, release, ``blip_original/utils.py``): lower case; each of
      ``. ! " ( ) * # : ; ~`` becomes a blank; blanks collapsed. Comma, hyphen, question mark, slash and apostrophe stay.
    - ``r2gen``: our reading of R2Gen's report cleaners (Chen et al., EMNLP 2020, release): runs of underscores (what
      de-identification leaves) and of full stops go, as do the numbers of a numbered list; lower case; in each sentence the
      marks ``. , ? ; * ! % ^ & _ + ( ) : - [ ] { } " ' / \\`` are deleted; sentences are joined, and the last ended, by `` .``.
      The two cleaners of the release (IU X-Ray, MIMIC-CXR) differ only in how they spell these steps out.

    Raises `UnknownNameError` for another ``how``.
    """
    if how not in get_args(Cleaning):
        raise UnknownNameError("report cleaning", how, get_args(Cleaning))
    if how == "motor":
        text = _CAPTION_MARKS.sub(" ", text.lower())
    elif how == "r2gen":
        text = _r2gen(text)
    return " ".join(text.split()[:max_words])


def _r2gen(text: str) -> str:
    joined = " ".join(_R2GEN_UNDERSCORES.sub(" ", text).split())
    plain = _R2GEN_NUMBERS.sub("", re.sub(r"\.(?:\s?\.)+", ".", joined))
    sentences = (" ".join(_R2GEN_MARKS.sub("", part).split()) for part in plain.strip().lower().split(". "))
    kept = [sentence for sentence in sentences if sentence]
    return " . ".join(kept) + " ." if kept else ""
