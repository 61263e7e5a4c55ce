"""Text as the datasets ship it, made fit for a table."""

from __future__ import annotations

import re

_UNFIT = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffd]")
"""Control marks, halves of surrogate pairs, and the mark that stands for a byte lost in an earlier conversion."""


def one_line(text: str) -> str:
    """Text with unfit marks as spaces, and every run of white space as one space; wording and case stay."""
    return " ".join(_UNFIT.sub(" ", text).split())
