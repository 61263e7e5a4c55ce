"""Text as the datasets ship it, made fit for a table."""

from __future__ import annotations

import re

UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control marks and halves of surrogate pairs."""
LOST = "\ufffd"
"""The mark that stands for what was lost in a conversion."""

HALF_CHARACTER = "a text has half a character; it was replaced"
"""What is said of a text that `encodable` had to change."""

_HALVES = re.compile("[\ud800-\udfff]")


def one_line(text: str) -> str:
    """Text with unfit and lost marks as spaces, and every run of white space as one space; wording and case stay."""
    return " ".join(UNFIT.sub(" ", text).replace(LOST, " ").split())


def encodable(text: str) -> str:
    """Text that UTF-8 can hold: every half of a surrogate pair is `LOST`, and all else, white space too, stays."""
    return _HALVES.sub(LOST, text)
