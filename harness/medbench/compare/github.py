"""A comparison for GitHub Actions: annotations as workflow commands, and the table on the page of the run."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from medbench.compare.outcome import fails, leaves_open, outcome_of
from medbench.compare.summary import label_of, markdown_text, sentence_of
from medbench.compare.verdicts import VERDICTS, Comparison, Line
from medbench.errors import StoreError
from medbench.leaderboard.text import clean

_TOLD = {"regressed", "refused", "missing", "not tested"}
_DATA = re.compile(r"[%\r\n]")
_PROPERTY = re.compile(r"[%\r\n:,]")


def annotations_of(comparison: Comparison) -> list[str]:
    """A workflow command for each line that wants a look, and one for the outcome where the gate does not pass.

    The worst come first: the runner shows ten of a step.
    """
    found = [
        _command(_level(line, comparison), label_of(line), sentence_of(line))
        for line in sorted(comparison.lines, key=lambda one: VERDICTS.index(one.verdict))
        if _wants_a_look(line)
    ]
    damaged = "error" if comparison.rules.gates else "warning"
    found += [_command(damaged, "a record cannot be read", clean(problem)) for problem in comparison.problems]
    outcome = outcome_of(comparison)
    if outcome.code:
        found.append(_command("error", "medbench compare", "; ".join(outcome.reasons)))
    return found


def muted(text: str) -> str:
    """``text`` between the commands that make the runner ignore commands: a name in it must not become one."""
    token = secrets.token_hex(16)
    return f"::stop-commands::{token}\n{text.rstrip()}\n::{token}::"


def write_step_summary(comparison: Comparison, path: Path) -> None:
    """Append the Markdown to the file that the runner shows. Raises `StoreError`."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(markdown_text(comparison) + "\n")
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}", fix="check GITHUB_STEP_SUMMARY") from error


def _level(line: Line, comparison: Comparison) -> str:
    return "error" if fails(line, comparison) or leaves_open(line, comparison) else "warning"


def _wants_a_look(line: Line) -> bool:
    return line.verdict in _TOLD and (line.gates or not line.metric)


def _command(level: str, title: str, message: str) -> str:
    """``::error title=...::message``, escaped as the runner reads it."""
    return f"::{level} title={_escaped(_PROPERTY, title)}::{_escaped(_DATA, message)}"


def _escaped(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda found: f"%{ord(found[0]):02X}", text)
