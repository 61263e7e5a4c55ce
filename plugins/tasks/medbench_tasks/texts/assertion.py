"""Whether a mention in a sentence is affirmed, negated, doubted or not of this examination, by the cues around it.

After NegEx (Chapman et al., Journal of Biomedical Informatics 2001) and ConText (Harkema et al., same journal, 2009): a cue
before a mention reaches forward, one after it backward, to the end of the sentence or to a word that ends its scope; what only
looks like a cue is passed over. The cues are the project's own. No library does this here: medspaCy 1.3 holds Python 3.11 to a
spaCy that does not load beside numpy 2, and negspacy 1.0 knows negation but neither doubt nor history.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum
from functools import cache
from itertools import takewhile
from typing import NamedTuple


class State(IntEnum):
    """What a report says of an observation; the numbers of CheXpert's label files, with its blank as `UNMENTIONED`."""

    UNMENTIONED = -2
    UNCERTAIN = -1
    ABSENT = 0
    PRESENT = 1


_PSEUDO = (
    r"no (?:significant |interval |definite |appreciable |substantial |other )*"
    r"(?:change|increase|decrease|improvement|difference)(?: (?:in|of))?",
    r"not (?:significantly |necessarily |appreciably )?(?:changed|increased|decreased|improved|only)",
    r"without (?:significant |interval )*(?:change|improvement|increase)(?: in)?",
    r"no further",
    r"no longer visuali[sz]ed(?= due)",
    r"likely (?:unchanged|stable)",
)
_DOUBT_BEFORE = (
    r"(?:cannot|can not|could not|difficult to|not|unable to)(?: be)?(?: completely| entirely| confidently)? "
    r"(?:exclude|rule out)d?",
    r"(?:possibl[ey]|probabl[ey]|likely|perhaps|presumabl[ey]|potential(?:ly)?|questionabl[ey]|equivocal|borderline)",
    r"(?:may|might|could|would)(?: (?:also|well|just|simply))?(?: (?:represent|reflect|be|indicate|relate to|have))?",
    r"(?:question of|question|consider|differential|more likely|less likely|favor(?:s|ing|ed)?|favou?rs?)",
    r"appear(?:s|ing)? to (?:be|represent)",
)
_DOUBT_LINK = (
    r"(?:to )?suggest(?:s|ed|ing|ive)?(?: of)?",
    r"(?:suspected|suspicious for|suspicion (?:of|for)|suspect|concern(?:ing)? (?:for|of)|worrisome for)",
)
_DOUBT_AFTER = (
    # The verb belongs to the cue: alone it would end the scope before it.
    r"(?:(?:is|are|was|were|has|have) )?(?:cannot|can not|could not|not)(?: be| been)?"
    r"(?: completely| entirely| definitively)?(?: be| been)? (?:excluded|ruled out)",
    r"(?:is|are|was|were|remains?) (?:a )?"
    r"(?:possible|possibility|suspected|questioned|in the differential|consideration|difficult to exclude)",
    r"(?:is|are|was|were|seems?|felt) (?:to be )?(?:less |more |not |un)?(?:likely|probable)",
    r"(?:should be|is) considered",
    r"(?:may|might|could)(?: also)? be (?:present|seen|there)",
    r"(?:(?:is|remains) )?borderline(?= in size|$|,| and)",
)
_DOUBT_BOTH = (r"versus|vs\.?|and/or",)
_NEGATED_BEFORE = (
    r"no|not|without|absent|absence of|negative for|free of|clear of|nor|never|denies|lack of|lacks",
    r"(?:rules? out|ruled out|exclud(?:es?|ed|ing))(?= )",
    r"(?:resolved|resolution of|removal of|removed|interval removal of|clearing of|cleared)",
    r"rather than",
)
_NEGATED_AFTER = (
    r"(?:(?:is|are|was|were|has been|have been) )?(?:not|no longer|nowhere) (?:\w+ )?"
    r"(?:seen|identified|present|evident|visuali[sz]ed|detected|demonstrated|appreciated|noted|apparent|found|suspected)",
    r"(?:is|are) (?:absent|negative|excluded|ruled out)",
    r"(?:has|have) (?!not )(?:\w+ )?(?:resolved|cleared|been removed)",
    r"(?:is|are) (?:now )?(?:resolved|cleared|removed)",
    r"free",
)
_ELSEWHERE_BEFORE = (
    r"(?:history|hx) of|(?:evaluate|evaluation|assess|assessment|check|query|eval) for|rule[- ]out|r/o|(?:indication|reason)\W"
    r"|family history of|prior episodes? of|prevent(?:s|ing)?|risk of|status post|s/p",
)
_ENDS = (
    r"but|however|although|though|except|aside from|apart from|other than|nevertheless|yet|which|because|secondary to|due to",
    r"(?:and |, )?there (?:is|are|remains?|has been|was)",
    r"(?:and |, )?(?:is|are|was|were|has|have|remains?|appears?|shows?|demonstrates?)",
    r"(?:and|with) (?:stable|unchanged|mild|moderate|small|large|persistent|new|minimal|interval development)",
)
_JOINING = ("no", "of", "or", "and", "in", "to", "without", "for", "the", "borderline", "possible")
_NOT_JOINED = "".join(rf"(?<!\b{word} )" for word in _JOINING)
_NEW_SUBJECT = (
    rf"(?<=\w ){_NOT_JOINED}"
    r"(?=(?:the )?(?:heart(?! failure)|cardiac silhouette|cardiomediastinal|lungs|bones|trachea)\b)"
)
"""Where a sentence without punctuation goes on to something else: an end of scope without length."""


class Cue(NamedTuple):
    """Where a cue stands and what it is: a key of `_GROUPS`, ``comma`` or ``end-here``."""

    start: int
    stop: int
    kind: str


_GROUPS = {
    "pseudo": _PSEUDO,
    "doubt-after": _DOUBT_AFTER,
    "negated-after": _NEGATED_AFTER,
    "doubt-both": _DOUBT_BOTH,
    "doubt-link": _DOUBT_LINK,
    "doubt-before": _DOUBT_BEFORE,
    "elsewhere": _ELSEWHERE_BEFORE,
    "negated-before": _NEGATED_BEFORE,
    "or": (r"or",),
    "end": _ENDS,
}
"""By kind; of two cues of one length at one place the kind that stands first here is taken."""


def cues(sentence: str) -> tuple[Cue, ...]:
    """The cues of a lower-case sentence, from left to right; the longer of two that start together, none inside another."""
    found = [
        Cue(match.start(), match.end(), kind)
        for kind, pattern in _patterns().items()
        for match in pattern.finditer(sentence)
    ]
    kept: list[Cue] = []
    for cue in sorted(found, key=lambda cue: (cue.start, -cue.stop)):
        if not kept or cue.start >= kept[-1].stop:
            kept.append(cue)
    return tuple(kept)


def state_of(start: int, stop: int, found: tuple[Cue, ...]) -> State:
    """What the cues ``found`` say of the mention from ``start`` to ``stop``; `State.UNMENTIONED` where it is of another time.

    What stands after a mention decides first, then the nearest cue before it; ``no ... to suggest`` negates, whereas doubt
    after a comma (``no effusion, possible pneumonia``) does not inherit the negation. ``A or B`` doubts both unless negated.
    """
    before = _reaching(cue for cue in reversed(found) if cue.stop <= start)
    after = _reaching(cue for cue in found if cue.start >= stop)
    if "elsewhere" in before:
        return State.UNMENTIONED
    decided = next((kind for kind in after if kind in ("doubt-after", "negated-after")), None)
    if decided is not None:
        return State.UNCERTAIN if decided == "doubt-after" else State.ABSENT
    kinds = [kind for kind in before if kind in ("negated-before", "doubt-before", "doubt-link", "doubt-both", "comma")]
    while kinds and kinds[0] == "comma":
        kinds.pop(0)
    if kinds and kinds[0] == "doubt-link" and kinds[1:2] == ["negated-before"]:
        return State.ABSENT
    if kinds:
        return State.ABSENT if kinds[0] == "negated-before" else State.UNCERTAIN
    return State.UNCERTAIN if {"or", "doubt-both"} & {*before, *after[:1]} else State.PRESENT


def _reaching(outwards: Iterable[Cue]) -> list[str]:
    """The kinds of those met before the first that ends a scope, nearest first."""
    return [cue.kind for cue in takewhile(lambda cue: not cue.kind.startswith("end"), outwards)]


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    words = {kind: re.compile(rf"(?<![\w-])(?:{'|'.join(group)})(?![\w-])") for kind, group in _GROUPS.items()}
    return words | {"comma": re.compile(","), "end-here": re.compile(_NEW_SUBJECT)}
