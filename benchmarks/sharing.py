"""Five frozen tasks on one dataset beside one: the encoder passes once, whatever the number of tasks.

Both are the command line as a user types it, on the same phantom, each with a cache and results of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

TARGET = 1.15
IMAGES = 400
ONE = "kermany-linear"
FIVE = "kermany-linear,kermany-knn,kermany-3class-linear,kermany-3class-knn,kermany-zeroshot"
METHOD = "mgca"


class Comparison(NamedTuple):
    """Wall-clock seconds of a cold run of either, and of another fraction and seed on the warm cache."""

    one_s: float
    five_s: float
    again_s: float

    @property
    def ratio(self) -> float:
        return self.five_s / self.one_s

    @property
    def met(self) -> bool:
        return self.ratio <= TARGET

    @property
    def rows(self) -> list[list[str]]:
        """For a table: what, seconds, ratio, target."""
        return [
            [f"{METHOD}: {ONE}, {IMAGES} images", f"{self.one_s:.1f}", "1.00", ""],
            [f"{METHOD}: five frozen tasks", f"{self.five_s:.1f}", f"{self.ratio:.2f}", f"at most {TARGET}"],
            ["another fraction and seed of the first", f"{self.again_s:.1f}", f"{self.again_s / self.one_s:.2f}", ""],
        ]


def compare() -> Comparison:
    """Draw the phantom, then time the runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drawn = ("phantom", ".", "--datasets", "kermany", "--methods", METHOD, "--images", str(IMAGES), "--side", "224")
        _run(folder, *drawn)
        _run(folder, "data", "prepare", "kermany", "--config", "medbench.toml")
        # Hashing the weights is remembered beside the manifests, which both runs share.
        _run(folder, "plan", "--methods", METHOD, "--tasks", ONE, "--config", "medbench.toml")
        one = _run(folder, *_trials(ONE, "one"))
        again = _run(folder, *_trials(ONE, "one"), "--fractions", "0.5", "--seeds", "1")
        (folder / "cache" / "features").rename(folder / "features-of-one")
        five = _run(folder, *_trials(FIVE, "five"))
    return Comparison(one, five, again)


def _trials(tasks: str, results: str) -> tuple[str, ...]:
    return ("run", "--methods", METHOD, "--tasks", tasks, "--config", "medbench.toml", "--results", results)


def _run(folder: Path, *arguments: str) -> float:
    begin = time.perf_counter()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MEDBENCH_")}
    command = [sys.executable, "-m", "medbench", *arguments]
    subprocess.run(command, cwd=folder, env=kept, check=True, capture_output=True)
    return time.perf_counter() - begin
