"""Timing the command line as a user meets it from the second time on: with byte code, whatever this process is told of that."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Commands:
    """Runs commands in ``folder`` without the user's own settings of medbench; byte code is kept in ``byte_code``."""

    folder: Path
    byte_code: Path

    def seconds(self, *command: str) -> float:
        """Wall-clock seconds of a command, which must succeed."""
        begin = time.perf_counter()
        subprocess.run(command, cwd=self.folder, env=self._environment(), check=True, capture_output=True)
        return time.perf_counter() - begin

    def _environment(self) -> dict[str, str]:
        left_out = {"PYTHONDONTWRITEBYTECODE"}
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("MEDBENCH_") and name not in left_out
        }
        return {**kept, "PYTHONPYCACHEPREFIX": str(self.byte_code)}
