"""The 14 CheXpert observations that an English chest report tells of, by rules: what is named, and how it is asserted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Protocol

from medbench_tasks.texts.assertion import State, cues, state_of
from medbench_tasks.texts.finding_phrases import (
    MENTIONS,
    NORMALITIES,
    NOTHING_FOUND,
    OBSERVATIONS,
    PHRASES_VERSION,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SENTENCE_END = re.compile(r"(?<!\d)[.!?;:]+(?=\s|$)|(?<=\d)[.!?;:]+(?=\s+[a-z]|\s*$)|\s\.\s|\n\s*\n")
_LIST_NUMBER = re.compile(r"(?:(?<=\s)|^)\d{1,2}[.)]\s")
_ENGLISH = re.compile(r"\b(?:the|is|are|was|has|been|no|not|without|of|and|or|with|there|to|on|at|for|normal|clear)\b")
_FOREIGN = re.compile(
    r"\b(?:kein\w*|ohne|und|der|das|ein|nicht|pas|sans|les|des|une?|ni|sin|con|los|las|del|el|se|sem|não|nem|com|senza|nessun\w*|"
    r"nel|della|geen|het|een|de|la|di)\b"
)
_NO_FINDING = "No Finding"
_SUPPORT = "Support Devices"


class Labeller(Protocol):
    """Reads findings off reports; ``version`` names it, its weights and all that moves its answers."""

    @property
    def version(self) -> str: ...

    def label(self, reports: Sequence[str]) -> NDArray[np.int8]:
        """(N, 14) `State` of each of `OBSERVATIONS`."""
        ...


class FindingLabeller:
    """Labels by phrase lists and the cues of `assertion`, sentence by sentence, as CheXpert's labeller combines them.

    An observation of a report is present where any mention affirms it, else uncertain where any doubts it, else absent where
    any denies it. No Finding is present where none of the others but Support Devices is present or uncertain (Irvin et al.,
    AAAI 2019, section on the labeller), provided that the report says of something that it is absent or normal: a report
    that is empty, or whose small words are another language's, has every observation unmentioned.

    Reports should come as they are written: without punctuation, as MOTOR cleans them, scopes end only at words. Phrases, cues
    and sentence rules are this project's, so that its labels are near CheXpert's and are not CheXpert's.
    """

    @property
    def version(self) -> str:
        """``medbench-rules 1``: rises whenever a label may change."""
        return f"medbench-rules {PHRASES_VERSION}"

    def label(self, reports: Sequence[str]) -> NDArray[np.int8]:
        """(N, 14) `State` of each of `OBSERVATIONS`; the same report is read once."""
        import numpy as np

        different = {report: states_of(report) for report in dict.fromkeys(reports)}
        return np.array([different[report] for report in reports], np.int8).reshape(-1, len(OBSERVATIONS))


def states_of(report: str) -> tuple[State, ...]:
    """The `State` of each of `OBSERVATIONS` in one report."""
    told: dict[str, list[State]] = {name: [] for name in OBSERVATIONS}
    nothing_found = False
    for sentence in sentences(report) if _is_english(report.lower()) else ():
        _read(sentence, told)
        nothing_found = nothing_found or _nothing_found().search(sentence) is not None
    states = {name: _combined(found) for name, found in told.items()}
    others = [state for name, state in states.items() if name not in (_NO_FINDING, _SUPPORT)]
    if any(state in (State.PRESENT, State.UNCERTAIN) for state in others):
        states[_NO_FINDING] = State.ABSENT
    elif nothing_found or State.ABSENT in others:
        states[_NO_FINDING] = State.PRESENT
    return tuple(states[name] for name in OBSERVATIONS)


def sentences(report: str) -> list[str]:
    """The report's sentences in lower case with single blanks, without the numbers of a list."""
    parts = _SENTENCE_END.split(_LIST_NUMBER.sub(". ", report.lower()))
    return [sentence for sentence in (" ".join(part.split()) for part in parts) if sentence]


def _is_english(report: str) -> bool:
    """False where the small words are another language's: findings share their Latin names, negations do not."""
    return len(_FOREIGN.findall(report)) <= len(_ENGLISH.findall(report))


def _read(sentence: str, told: dict[str, list[State]]) -> None:
    """Add what a sentence says of each observation to ``told``."""
    found = None
    for name, mention in _mentions().items():
        spans = [match.span() for match in mention.finditer(sentence)]
        normal = _normalities().get(name)
        if normal is not None and not spans and normal.search(sentence) is not None:
            told[name].append(State.ABSENT)
        for start, stop in spans:
            found = cues(sentence) if found is None else found
            told[name].append(state_of(start, stop, found))


def _combined(states: Iterable[State]) -> State:
    given = set(states)
    return next(
        (state for state in (State.PRESENT, State.UNCERTAIN, State.ABSENT) if state in given), State.UNMENTIONED
    )


@cache
def _mentions() -> dict[str, re.Pattern[str]]:
    return {name: _any_of(phrases) for name, phrases in MENTIONS.items()}


@cache
def _normalities() -> dict[str, re.Pattern[str]]:
    return {name: _any_of(phrases) for name, phrases in NORMALITIES.items()}


@cache
def _nothing_found() -> re.Pattern[str]:
    return _any_of(NOTHING_FOUND)


def _any_of(phrases: Sequence[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{'|'.join(phrases)})(?![\w-])")
