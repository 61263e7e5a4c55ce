"""The errors that a user can meet: each is one line and carries the exit code of the process.

What is wrong comes first, then where, then the command or page that mends it. Anything that is not a `MedbenchError`
is a defect of medbench or of a plugin, and is shown as such.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class MedbenchError(Exception):
    """Base of every expected failure; ``exit_code`` is what the process returns."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message} - {self.fix}" if self.fix else self.message


class UsageError(MedbenchError):
    """The command, the settings or a specification is wrong."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A method, dataset, task, recipe or metric that nothing provides."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known) or 'none'}"
        super().__init__(f"unknown {kind} '{name}'", fix=hint)


class PluginError(UsageError):
    """A plugin that breaks the contract, named with its distribution."""


class MissingDataError(MedbenchError):
    """A dataset's files are absent, incomplete or unreadable."""

    exit_code = 3


class MissingCheckpointError(MedbenchError):
    """A checkpoint was not found."""

    exit_code = 3


class CheckpointError(MissingCheckpointError):
    """A checkpoint is there but cannot be used: truncated, unsafe, or of another method."""


class TrialError(MedbenchError):
    """A trial could not be finished."""


class StoreError(MedbenchError):
    """A result could not be written or read back."""


class NewerRecordError(StoreError):
    """A record that a newer medbench wrote: it is neither read nor overwritten."""

    exit_code = 2


class StaleError(MedbenchError):
    """A generated file no longer agrees with the records it is made from."""
