"""A plugin that hears of trials in whatever process runs them, and stumbles there when a file in the results says so.

``stumbles``: that many trials are killed as they begin, process and all. ``pause``: trials of the seeds in it wait until the
file is gone, with their process in ``paused``. ``heard``: what was told, a line each.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from medbench.hookspecs import hookimpl


@hookimpl
def medbench_trial_started(trial: Any, settings: Any) -> None:
    _hear(settings, f"started {trial.seed}")
    pause = settings.results / "pause"
    while pause.exists() and str(trial.seed) in pause.read_text().split():
        (settings.results / "paused").write_text(str(os.getpid()))
        time.sleep(0.05)
    left = settings.results / "stumbles"
    if left.exists() and int(left.read_text()):
        left.write_text(str(int(left.read_text()) - 1))
        os.kill(os.getpid(), signal.SIGKILL)


@hookimpl
def medbench_trial_failed(trial: Any, message: str, settings: Any) -> None:
    _hear(settings, f"failed {trial.seed} {message}")


def _hear(settings: Any, line: str) -> None:
    with (settings.results / "heard").open("a") as file:
        file.write(f"{line}\n")
