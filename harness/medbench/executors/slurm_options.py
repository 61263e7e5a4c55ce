"""What ``[executors.slurm]`` of the settings may say, and what of it goes to submitit."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, fields
from typing import Any

from medbench.errors import UnknownNameError, UsageError
from medbench.executors.seats import safe_path
from medbench.settings import Settings

_KINDS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "int | None": (int,)}
_LONG = re.compile(r"(?:(?P<days>\d+)-)?(?P<hours>\d+):(?P<minutes>\d+)(?::\d+)?")
_EXTRA = re.compile(r"--(?P<name>[a-z][a-z0-9-]*)(?:=(?P<value>.*))?", re.DOTALL)
_OURS = frozenset({"array", "error", "job-name", "open-mode", "output", "signal"})
"""By these the driver finds its jobs, their logs and their end."""
_SIGNAL_DELAY_S = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmOptions:
    """The options, each under its name in ``[executors.slurm]``; an empty text leaves the choice to the cluster.

    ``time`` is the limit of a job, in minutes or as ``D-HH:MM``. ``gpus_per_trial`` is ``nproc_per_node`` unless said
    otherwise, and 0 on the CPU. ``cpus_per_task``, ``mem_gb``: of a job. ``array_parallelism``: jobs of an array that run at
    once; ``--jobs`` outweighs it. ``trials_per_job``: trials that a job carries out one after the other. ``requeues``: how
    often a job that meets its time limit goes on in a new turn of the queue. ``poll_s``: seconds between looks at the queue.
    ``extra``: further options of sbatch, as on its command line. ``setup``: shell lines before the trial starts.
    """

    partition: str = ""
    account: str = ""
    qos: str = ""
    time: str = "480"
    gpus_per_trial: int | None = None
    cpus_per_task: int | None = None
    mem_gb: float = 0.0
    array_parallelism: int = 256
    trials_per_job: int = 1
    requeues: int = 3
    poll_s: float = 5.0
    extra: str = ""
    setup: str = ""

    @property
    def minutes(self) -> int:
        """The time limit in whole minutes."""
        return _minutes(self.time)


def options_of(settings: Settings) -> SlurmOptions:
    """The options under these settings. Raises `UsageError` for an unknown one, and for a value that makes no sense."""
    table = dict(settings.executors.get("slurm", {}))
    hints = {one.name: str(one.type) for one in fields(SlurmOptions)}
    if type(table.get("time")) is int:
        table["time"] = str(table["time"])
    for name, value in table.items():
        if name not in hints:
            raise UnknownNameError("option in [executors.slurm]", name, hints)
        if isinstance(value, bool) or not isinstance(value, _KINDS[hints[name]]):
            kind = "a text" if hints[name] == "str" else "a number"
            raise UsageError(f"[executors.slurm] {name} is {value!r}, {kind} is needed")
    options = SlurmOptions(**table)  # type: ignore[arg-type]
    for name, least in (("array_parallelism", 1), ("trials_per_job", 1), ("requeues", 0), ("poll_s", 0.1)):
        if getattr(options, name) < least:
            raise UsageError(f"[executors.slurm] {name} is {getattr(options, name)}, at least {least} is needed")
    for name in ("gpus_per_trial", "cpus_per_task", "mem_gb"):
        if (getattr(options, name) or 0) < 0:
            raise UsageError(f"[executors.slurm] {name} is {getattr(options, name)}, it cannot be negative")
    _minutes(options.time)
    _extra(options.extra)
    if settings.device.startswith("cuda:"):
        raise UsageError(
            f"--device {settings.device} names a GPU of this machine, but Slurm hands GPUs out",
            fix="use --device auto, cuda or cpu",
        )
    return options


def submission_parameters(options: SlurmOptions, settings: Settings) -> dict[str, Any]:
    """The parameters of `submitit.SlurmExecutor` that these options and settings mean."""
    gpus = options.gpus_per_trial
    if gpus is None:
        gpus = 0 if settings.device == "cpu" else settings.nproc_per_node
    chosen: dict[str, Any] = {
        "partition": options.partition,
        "account": options.account,
        "qos": options.qos,
        "time": options.minutes,
        "gpus_per_node": gpus,
        "cpus_per_task": options.cpus_per_task,
        "mem": f"{round(options.mem_gb * 1024)}MB" if options.mem_gb else None,
        "array_parallelism": settings.jobs or options.array_parallelism,
        "signal_delay_s": _SIGNAL_DELAY_S,
        "setup": [*(f"export {name}={value}" for name, value in safe_path().items()), *options.setup.splitlines()],
        # Since Slurm 22.05 srun does not take over what sbatch was told.
        "srun_args": [f"--cpus-per-task={options.cpus_per_task}"] if options.cpus_per_task else None,
        # Slurm itself then requeues what a dead node or a preemption took; the training goes on from its saved state.
        "additional_parameters": {"requeue": True, **_extra(options.extra)},
    }
    return {name: value for name, value in chosen.items() if value}


def _minutes(text: str) -> int:
    found = _LONG.fullmatch(text.strip())
    if found is not None:
        minutes = (int(found["days"] or 0) * 24 + int(found["hours"])) * 60 + int(found["minutes"])
    else:
        minutes = int(text) if text.strip().isdecimal() else 0
    if minutes < 1:
        raise UsageError(
            f"[executors.slurm] time is {text!r}", fix="write minutes, or days, hours and minutes: 480, 1-12:00"
        )
    return minutes


def _extra(text: str) -> dict[str, str | bool]:
    found: dict[str, str | bool] = {}
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"[executors.slurm] extra is {text!r}: {error}") from error
    for word in words:
        match = _EXTRA.fullmatch(word)
        if match is None:
            raise UsageError(
                f"[executors.slurm] extra has '{word}'", fix="write options as --name=value or --name, between spaces"
            )
        if match["name"] in _OURS:
            raise UsageError(
                f"[executors.slurm] extra has '--{match['name']}', which medbench sets itself", fix="leave it out"
            )
        found[match["name"]] = True if match["value"] is None else match["value"]
    return found
