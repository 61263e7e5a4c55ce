"""What a word is, in scripts that set blanks and in those that do not (Chinese, Japanese), where each character is one."""

from __future__ import annotations

import re

_ALONE = "぀-ヿ㐀-䶿一-鿿"
_LETTERS = re.compile(rf"[{_ALONE}]|[^\W_{_ALONE}]+")
_BETWEEN_BLANKS = re.compile(rf"[{_ALONE}]|[^\s{_ALONE}]+")


def words_of(text: str) -> list[str]:
    """Runs of letters and digits in lower case, without marks."""
    return _LETTERS.findall(text.lower())


def pieces_of(text: str) -> list[str]:
    """What stands between blanks, as it stands."""
    return _BETWEEN_BLANKS.findall(text)
