"""A trial whose training several processes of this machine share: who holds its claim starts them by torchrun and waits."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from medbench.errors import MissingDataError, TrialError, UsageError
from medbench.executors.base import record_of
from medbench.executors.events import Phase, Steps, from_bytes, retell
from medbench.executors.orders import order_of, settings_to_text
from medbench.executors.ranks import EVENTS, FAILED, ORDER, SETTINGS, Failed
from medbench.executors.seats import safe_path, threads_each
from medbench.plan import PlannedTrial
from medbench.protocols import PhaseReporter
from medbench.records import Record
from medbench.runner import Manifests, run_trial

LOG = "log"
_LOOK_EVERY_S = 0.2
_GRACE_S = 20.0
_KINDS = {error.exit_code: error for error in (TrialError, UsageError, MissingDataError)}


class GroupError(RuntimeError):
    """A process of the group failed by a defect, or was killed; its notes hold what the processes printed."""


def carry_out(planned: PlannedTrial, manifests: Manifests, progress: PhaseReporter) -> Record:
    """As `medbench.runner.run_trial`, by a group of processes where the task can be shared and the settings ask for it.

    Raises also `UsageError` where the recipe's ``batch_size`` cannot be divided over them, and `GroupError`.
    """
    settings, trial = manifests.settings, planned.trial
    if settings.nproc_per_node == 1 or not trial.task.distributed:
        return run_trial(planned, manifests, progress)
    _check_divides(planned, settings.nproc_per_node)
    with tempfile.TemporaryDirectory(prefix="medbench-ranks-") as name:
        folder = Path(name)
        (folder / ORDER).write_bytes(msgspec.json.encode(order_of(planned)))
        (folder / SETTINGS).write_text(settings_to_text(settings))
        (folder / EVENTS).touch()
        with (
            (folder / LOG).open("wb") as log,
            (folder / EVENTS).open("rb") as events,
            _torchrun(folder, settings.nproc_per_node, log) as process,
        ):
            while process.poll() is None:
                _retell(events, progress)
                time.sleep(_LOOK_EVERY_S)
            _retell(events, progress)
        record = record_of(planned, settings)  # it counts, though a process may have died on its way out
        if record is None:
            raise _why(folder, process.returncode)
    return record


def _check_divides(planned: PlannedTrial, processes: int) -> None:
    """Before anything is read: the processes themselves would find out after hours of preparation."""
    batch_size = getattr(planned.trial.recipe, "batch_size", 0)
    if batch_size % processes:
        raise UsageError(
            f"a batch of {batch_size} cannot be divided over {processes} processes",
            fix="choose an --nproc-per-node that divides the recipe's batch_size",
        )


@contextmanager
def _torchrun(folder: Path, processes: int, log: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    """The group at work; none of it is left afterwards, whatever happens."""
    # torchrun would give each process one thread; what is set is meant for one process already
    threads = {} if "OMP_NUM_THREADS" in os.environ else threads_each(processes)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"),
            *(f"--nproc-per-node={processes}", "-m", "medbench.executors.ranks", str(folder)),
        ],
        stdin=subprocess.PIPE,  # the processes end when it does
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C is ours to pass on
        env={**os.environ, **safe_path(), **threads},
    )
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _retell(events: BinaryIO, progress: PhaseReporter) -> None:
    """Tell on what the first process has written since; half a line waits for its end."""
    while True:
        start = events.tell()
        line = events.readline()
        if not line.endswith(b"\n"):
            events.seek(start)
            return
        event = from_bytes(line)
        if isinstance(event, Phase | Steps):
            retell(event, progress)


def _why(folder: Path, code: int) -> Exception:
    """What ended the group: an error that a user can mend before a defect, else the first that was told, else the log."""
    files = list(folder.glob(FAILED.format("*")))
    told = [(path.stat().st_mtime_ns, msgspec.json.decode(path.read_bytes(), type=Failed)) for path in files]
    told.sort(key=lambda one: (one[1].defect, one[0]))
    if told and not told[0][1].defect:
        failed = told[0][1]
        return _KINDS.get(failed.exit_code, TrialError)(failed.message)
    log = (folder / LOG).read_text(errors="replace")
    error = GroupError(told[0][1].message if told else _what_the_log_says(log, code))
    error.add_note(log)
    return error


def _what_the_log_says(log: str, code: int) -> str:
    """torchrun writes down how the first process ended; where it did not come so far, its own last line says why."""
    if found := re.search(r"\(exitcode: (-?)(\d+)\)", log):
        killed, number = found.groups()
        if killed:
            memory = " (out of memory?)" if int(number) == signal.SIGKILL else ""
            return f"a process of the group was killed by signal {number}{memory}"
        return f"a process of the group ended with exit code {number}"
    lines = [line for line in log.splitlines() if line.strip()]
    return f"torchrun ended with exit code {code}" + (f": {lines[-1].strip()[:300]}" if lines else "")
