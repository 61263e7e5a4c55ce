"""Start-up time of ``medbench list methods`` beside importing the three libraries that it cannot do without."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

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


def measure(repeats: int = 15) -> Startup:
    """The best of ``repeats`` runs of each, taken in turns so that a busy machine meets both alike."""
    baseline, command = [], []
    for _ in range(repeats):
        baseline.append(_seconds(_BASELINE))
        command.append(_seconds(_COMMAND))
    return Startup(min(baseline), min(command))


def _seconds(command: tuple[str, ...]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begin
