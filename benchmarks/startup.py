"""Start-up time of ``medbench list methods`` beside importing the three libraries that it cannot do without."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.commands import Commands

TARGET = 2.5
_BASELINE = (sys.executable, "-c", "import click, pluggy, rich")
_COMMAND = (str(Path(sys.executable).parent / "medbench"), "list", "methods")


class Startup(NamedTuple):
    """Best wall-clock seconds of either command."""

    baseline_s: float
    command_s: float

    @property
    def ratio(self) -> float:
        return self.command_s / self.baseline_s

    @property
    def met(self) -> bool:
        return self.ratio <= TARGET

    @property
    def rows(self) -> list[list[str]]:
        """For a table: what, seconds, ratio, target."""
        return [
            ["python -c 'import click, pluggy, rich'", f"{self.baseline_s:.3f}", "1.00", ""],
            ["medbench list methods", f"{self.command_s:.3f}", f"{self.ratio:.2f}", f"at most {TARGET}"],
        ]


def compare(repeats: int = 15) -> Startup:
    """The best of ``repeats`` runs of each, taken in turns so that a busy machine meets both alike."""
    baseline, command = [], []
    with tempfile.TemporaryDirectory() as name:
        commands = Commands(Path(name), Path(name) / "byte-code")
        for _ in range(repeats):
            baseline.append(commands.seconds(*_BASELINE))
            command.append(commands.seconds(*_COMMAND))
    return Startup(min(baseline), min(command))
