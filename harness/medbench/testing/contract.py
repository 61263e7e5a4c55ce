"""What a check finds, in words, and how checks are held together: the vocabulary of `medbench.testing`.

A check is a generator of `Finding` (the plugin breaks the contract) and `LeftOut` (it could not be tried, and why). It never
lets an exception of the plugin through: what a plugin raises is a finding too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from medbench.errors import MedbenchError, MissingCheckpointError, MissingDataError
from medbench.leaderboard.text import clean

T = TypeVar("T")

PLUGIN_ERRORS = (Exception, SystemExit)
"""What a plugin may raise: anything, and it may call ``sys.exit``."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that breaks the contract: where (``mine@resnet18``), what is wrong, and how it is mended."""

    where: str
    what: str
    mend: str = ""

    @property
    def line(self) -> str:
        """One line for a terminal."""
        return clean(f"{self.where}: {self.what}" + (f": {self.mend}" if self.mend else ""))


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that was not tried, and why.

    ``kind``: a ``part`` of the checks; files are ``absent``; or the ``whole`` method, dataset or task, of which then nobody can
    say that it keeps the contract.
    """

    where: str
    why: str
    kind: Literal["part", "absent", "whole"] = "part"

    @property
    def line(self) -> str:
        """One line for a terminal."""
        return clean(f"{self.where}: not checked: {self.why}")


Outcome = Finding | LeftOut
Check = Iterator[Outcome]


@dataclass(frozen=True, slots=True)
class Report:
    """What the checks of one method, dataset or task (``subject``) found; each line once, in the order found."""

    subject: str
    findings: tuple[Finding, ...]
    left_out: tuple[LeftOut, ...]

    @classmethod
    def of(cls, subject: str, outcomes: Iterable[Outcome]) -> Report:
        """Run the checks to their end."""
        found = tuple(dict.fromkeys(outcomes))
        return cls(
            subject,
            tuple(one for one in found if isinstance(one, Finding)),
            tuple(one for one in found if isinstance(one, LeftOut)),
        )

    @property
    def tried(self) -> bool:
        """Whether anything could be tried at all."""
        return not any(one.kind == "whole" for one in self.left_out)

    @property
    def text(self) -> str:
        """The findings, then what was left out, a line each; or that the contract is kept."""
        outcomes: tuple[Outcome, ...] = (*self.findings, *self.left_out)
        lines = [one.line for one in outcomes]
        kept = [] if self.findings or not self.tried else [f"{self.subject} keeps the contract"]
        return "\n".join([*kept, *lines])


def attempt(where: str, what: str, call: Callable[[], T], mend: str = "") -> T | Finding | LeftOut:
    """What ``call`` gives; where it raises, a `Finding` that says so (``what`` names the call).

    Files that the plugin says are absent (`MissingDataError`, `MissingCheckpointError`) are no fault: then `LeftOut`.
    """
    try:
        return call()
    except (MissingDataError, MissingCheckpointError) as error:
        return LeftOut(where, f"{what}: {error}", "absent")
    except PLUGIN_ERRORS as error:
        return Finding(where, f"{what} raised {in_words(error)}", mend)


def in_words(error: BaseException) -> str:
    """``KeyError: 'image'``; of medbench's own errors the message, which says what is wrong by itself."""
    if isinstance(error, MedbenchError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
