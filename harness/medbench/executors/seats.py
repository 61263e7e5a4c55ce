"""Where worker processes may sit on this machine: how many at once, and the GPUs and threads of each. Loads no torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medbench.errors import UnknownNameError, UsageError
from medbench.settings import Settings

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_DRIVER_FILES = ("nvidia[0-9]*", "dxg", "kfd")
"""Below /dev: what the drivers of NVIDIA (on Linux, and on Windows through WSL) and of AMD leave there."""
_PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Seat:
    """A place for one worker process: its name, and the environment variables that are its own."""

    name: str
    environment: Mapping[str, str]


def check_devices(settings: Settings) -> None:
    """Refuse one named GPU where several are to be used, too few for a trial, and options that nothing reads.

    Raises `UsageError`.
    """
    for name in settings.executors.get("local", ()):
        raise UnknownNameError("key in [executors.local]", name, ())
    if settings.nproc_per_node > 1 and settings.executor == "local" and settings.device in {"auto", "cuda"}:
        _check_share(settings.nproc_per_node, visible_gpus(os.environ))
    if ":" not in settings.device:
        return
    several = [
        (settings.jobs > 1, f"--jobs {settings.jobs}"),
        (settings.nproc_per_node > 1, f"--nproc-per-node {settings.nproc_per_node}"),
        (settings.executor != "local", f"--executor {settings.executor}"),
    ]
    for wrong, option in several:
        if wrong:
            raise UsageError(
                f"--device {settings.device} is one GPU of this machine, {option} asks for more",
                fix="use --device cuda, and CUDA_VISIBLE_DEVICES to choose among GPUs",
            )


def find_seats(settings: Settings, trials: int) -> tuple[Seat, ...]:
    """The seats for so many trials; fewer than two mean that the trials run in this process.

    ``jobs`` 0 gives each GPU a seat, or each ``nproc_per_node`` GPUs. More jobs than GPUs share them in turn. Raises
    `UsageError` where the jobs need more GPUs for their processes than there are.
    """
    if trials < 2 or settings.jobs == 1 or ":" in settings.device:
        return ()
    gpus = () if settings.device == "cpu" else visible_gpus(os.environ)
    share = settings.nproc_per_node
    _check_share(share, gpus)
    jobs = min(settings.jobs or len(gpus) // share, trials)
    if gpus and share > 1 and jobs * share > len(gpus):
        raise UsageError(
            f"{jobs} jobs of {share} processes need {jobs * share} GPUs, {len(gpus)} are visible",
            fix=f"--jobs {len(gpus) // share}",
        )
    if jobs < 2:
        return ()
    threads = threads_each(jobs * share)
    return tuple(Seat(str(number + 1), {**threads, **_narrowed(gpus, number, share)}) for number in range(jobs))


def visible_gpus(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The names, for CUDA_VISIBLE_DEVICES, of the GPUs that a process with this environment sees.

    Asks that variable, else ``nvidia-smi``; where there is a driver but no such program, torch in a process of its own.
    """
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return until_invalid(named)
    if shutil.which("nvidia-smi") is not None:
        listed = _output(["nvidia-smi", "-L"])
        if listed is not None:
            return gpus_listed(listed)
    if not any(any(Path("/dev").glob(pattern)) for pattern in _DRIVER_FILES):
        return ()
    counted = _output([sys.executable, "-c", "import torch; print(torch.cuda.device_count())"])
    return tuple(str(number) for number in range(int(counted))) if counted and counted.strip().isdigit() else ()


def gpus_listed(text: str) -> tuple[str, ...]:
    """The GPUs in what ``nvidia-smi -L`` prints; of one that is cut in parts (MIG), the parts."""
    names: list[str] = []
    cut: set[str] = set()
    gpu = ""
    for line in text.splitlines():
        if found := re.match(r"GPU (\d+):", line):
            gpu = found[1]
            names.append(gpu)
        elif found := re.match(r"\s+MIG .*\(UUID: (MIG-[^)]+)\)", line):
            cut.add(gpu)
            names.append(found[1])
    return tuple(name for name in names if name not in cut)


def safe_path() -> dict[str, str]:
    """For the environment of a child: a folder that this process does not import from offers it no modules either."""
    return {} if {"", str(Path.cwd())} & set(sys.path) else {"PYTHONSAFEPATH": "1"}


def threads_each(processes: int) -> dict[str, str]:
    """The cores shared out among processes; a number that is set already stands, as the user's or as a share."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {name: str(max(1, cores // processes)) for name in _THREADS if name not in os.environ}


def until_invalid(named: str) -> tuple[str, ...]:
    """The GPUs in a CUDA_VISIBLE_DEVICES. CUDA ends the list at the first entry that names nothing, such as -1."""
    names = []
    for name in (part.strip() for part in named.split(",")):
        if not name or name.startswith("-"):
            break
        names.append(name)
    return tuple(names)


def _check_share(share: int, gpus: Sequence[str]) -> None:
    """Where there is no GPU at all the processes share the CPU."""
    if 0 < len(gpus) < share:
        raise UsageError(
            f"a trial of {share} processes needs {share} GPUs, {len(gpus)} are visible",
            fix="lower --nproc-per-node",
        )


def _narrowed(gpus: Sequence[str], number: int, share: int) -> dict[str, str]:
    if not gpus:
        return {}
    own = [gpus[(number * share + offset) % len(gpus)] for offset in range(share)]
    return {"CUDA_VISIBLE_DEVICES": ",".join(own)}


def _output(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_PATIENCE_S, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
