"""Text as LaTeX reads it: every character with a meaning is escaped, and what a plain pdflatex cannot set is replaced."""

from __future__ import annotations

import re
import unicodedata

from medbench.leaderboard.text import clean

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{''}",
    "`": r"\textasciigrave{}",
    "[": "{[}",
    "]": "{]}",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "†": r"\textdagger{}",
    "‘": "'",
    "’": "'",
    "−": "--",
}
_LETTERS = re.compile(r"[ -~ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿŒœŠšŽž]")
"""What pdflatex sets with its own fonts and the accents of any of them."""


def latex_escape(text: str) -> str:
    """``text`` on one line, without any active character; a letter that is not to be had loses its accents or becomes ``?``."""
    return "".join(map(_one, clean(text)))


def _one(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if _LETTERS.match(character):
        return character
    parts = unicodedata.normalize("NFKD", character)
    plain = "".join(one for one in parts if not unicodedata.combining(one)).strip()
    return "".join(_ESCAPES.get(one, one) for one in plain) if plain and plain.isascii() else "?"
