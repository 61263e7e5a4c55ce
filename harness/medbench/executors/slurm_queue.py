"""What Slurm says of the user's jobs, by ``squeue`` alone: ``sacct`` answers only where the cluster keeps accounts."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_OVER = frozenset(
    {
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    }
)
_HOW = {
    "CANCELLED": "was cancelled",
    "DEADLINE": "met its deadline",
    "NODE_FAIL": "lost its node",
    "OUT_OF_MEMORY": "ran out of memory",
    "PREEMPTED": "was preempted",
    "TIMEOUT": "met its time limit",
    "COMPLETED": "ended without an answer",
    "GONE": "left the queue without an answer",
}
_TIME_LIMIT_S = 60
_TAIL_BYTES = 8192
_LONGEST = 200
_NOISE = ("srun:", "slurmstepd:")


@dataclass(frozen=True, slots=True)
class JobState:
    """A job as the queue has it: Slurm's name of its state, why it is in it, and the job's name."""

    state: str
    reason: str = ""
    name: str = ""

    @property
    def over(self) -> bool:
        """Whether the job will not go on."""
        return self.state in _OVER or self.state == GONE.state

    @property
    def running(self) -> bool:
        """Whether the job holds a node."""
        return self.state in {"RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED"}

    @property
    def held(self) -> bool:
        """Whether the job waits for somebody to release it."""
        return not self.over and not self.running and "held" in self.reason.replace("Held", "held")


QUEUED = JobState("PENDING")
GONE = JobState("GONE")
"""A job that the queue no longer knows: Slurm forgets an ended one after ``MinJobAge`` seconds."""


def read_queue(others: Collection[int] = ()) -> dict[str, JobState] | str:
    """The user's jobs by id, ``12`` or ``12_3`` in an array, the recently ended ones too; else why squeue gave no answer.

    Those of ``others``, by user id, are among them where the cluster shows them.
    """
    users = ",".join(str(user) for user in sorted({os.getuid(), *filter(_is_known, others)}))
    command = ["squeue", "--noheader", "--array", "--states=all", f"--user={users}", "--format=%i|%T|%j|%r"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIME_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return " ".join(str(error).split())
    if done.returncode != 0:
        return last_line(done.stderr) or f"exit code {done.returncode}"
    found = {}
    for line in done.stdout.splitlines():
        job, _, rest = line.partition("|")
        state, _, rest = rest.partition("|")
        name, _, reason = rest.rpartition("|")
        found[job.strip()] = JobState(state.strip(), reason.strip(), name.strip())
    return found


def _is_known(user: int) -> bool:
    """squeue refuses to answer where one of the users is unknown."""
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True


def how_it_ended(job: str, state: JobState, logs: Path) -> str:
    """``job 12_3 lost its node - its log is in ...``, with the last line of the log where that says more."""
    text = short_end(job, state)
    log = next((path for path in _logs(job, logs) if path.is_file() and path.stat().st_size), None)
    if log is None:
        return f"{text} and left no log in {logs}: the nodes must share that folder"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        tail = last_line(file.read().decode(errors="replace"))
    return f"{text}, its log {log} ends with '{tail}'" if tail else f"{text}, its log is {log}"


def short_end(job: str, state: JobState) -> str:
    """``job 12_3 lost its node``: what trackers hear, as a path tells who somebody is."""
    return f"job {job} {_HOW.get(state.state, f'ended as {state.state}')}"


def last_line(text: str) -> str:
    """The last line that says something, best one that is not Slurm's own, at most 200 characters."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    own = [line for line in lines if not line.startswith(_NOISE)]
    return "".join((own or lines)[-1:])[:_LONGEST]


def _logs(job: str, folder: Path) -> tuple[Path, ...]:
    return folder / f"{job}_0_log.err", folder / f"{job}_0_log.out"
