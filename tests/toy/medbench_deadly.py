"""A plugin that hears of trials in whatever process runs them, and does there what files in the folder ``DEADLY`` say.

``once-<seed>``: the trial of that seed is killed as it begins, once. ``always-<seed>``: each time, with a last word.
``pause``: trials wait until the file is gone. ``heard`` is written: process, hook and seed, a line each.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from medbench.hookspecs import hookimpl


@hookimpl
def medbench_trial_started(trial: Any) -> None:
    folder = _hear(f"started {trial.seed}")
    while (folder / "pause").exists():
        time.sleep(0.05)
    once = folder / f"once-{trial.seed}"
    if once.exists():
        once.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if (folder / f"always-{trial.seed}").exists():
        sys.stderr.write("farewell\n")
        os.kill(os.getpid(), signal.SIGTERM)


@hookimpl
def medbench_trial_finished(record: Any) -> None:
    _hear(f"finished {record.seed}")


@hookimpl
def medbench_trial_failed(trial: Any, message: str) -> None:
    _hear(f"failed {trial.seed} {message}")


@hookimpl
def medbench_run_finished(records: Any) -> None:
    _hear(f"over {len(records)}")


def _hear(line: str) -> Path:
    folder = Path(os.environ["DEADLY"])
    with (folder / "heard").open("a") as file:
        file.write(f"{os.getpid()} {line}\n")
    return folder
