"""A real Slurm on this machine alone, for as long as it is needed: ``python tests/slurm/cluster.py [COMMAND...]``.

munged, slurmctld and slurmd are started as root in a scratch folder, on free ports, without systemd, control groups or
accounting, and taken down with all jobs at the end. It installs nothing: Debian's packages are ``slurm-wlm`` and ``munge``.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
_PATIENCE_S = 60.0
_PR_SET_PDEATHSIG = 1
_CONF = """
ClusterName=scratch
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={slurmd_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,batch_sched_delay=0,defer_batch=no
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
KillWait=5
MinJobAge=5
JobRequeue=1
SwitchType=switch/none
LaunchParameters=disable_send_gids
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """What of Slurm and munge is not installed, or why it cannot be started here; empty where it can."""
    lacking = [name for name in _NEEDED if _which(name) is None]
    return lacking if lacking or os.geteuid() == 0 else ["root"]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running Slurm: ``environment`` is what its commands need."""

    folder: Path
    environment: Mapping[str, str]

    def __call__(self, *command: str) -> str:
        """What a Slurm command prints. Raises `subprocess.CalledProcessError`."""
        return subprocess.run(
            command, env=self.environment, check=True, capture_output=True, text=True, timeout=_PATIENCE_S
        ).stdout


@contextlib.contextmanager
def slurm(folder: Path, *, cpus: int = 2) -> Iterator[Cluster]:
    """A cluster of this machine below ``folder``, which must be short: a socket lies in it. All ends with the context."""
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(parents=True, mode=0o755)
    folder.chmod(0o755)
    host = socket.gethostname().partition(".")[0]
    ctld_port, slurmd_port = _free_ports(2)
    conf = folder / "slurm.conf"
    conf.write_text(_CONF.format(host=host, folder=folder, cpus=cpus, ctld_port=ctld_port, slurmd_port=slurmd_port))
    environment = {**os.environ, "SLURM_CONF": str(conf)}
    cluster = Cluster(folder, environment)
    started: list[subprocess.Popen[bytes]] = []
    try:
        started.append(_munged(folder / "munge"))
        _wait((folder / "munge" / "socket").exists, started, "munged", folder)
        started.append(_daemon(folder, environment, "slurmctld", "-D"))
        _wait(lambda: _answers(cluster, "scontrol", "ping"), started, "slurmctld", folder)
        started.append(_daemon(folder, environment, "slurmd", "-D", "-N", host))
        _wait(lambda: "idle" in cluster("sinfo", "-h", "-o", "%t"), started, "slurmd", folder)
        yield cluster
    finally:
        _take_down(cluster, started)


def _munged(folder: Path) -> subprocess.Popen[bytes]:
    folder.chmod(0o711)
    key = folder / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    options = [f"--{name}={folder / name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
    command = [str(_which("munged")), "--foreground", "--force", f"--key-file={key}", *options]
    return _start(command, folder / "stderr", os.environ)


def _daemon(folder: Path, environment: Mapping[str, str], name: str, *options: str) -> subprocess.Popen[bytes]:
    return _start([str(_which(name)), *options], folder / f"{name}.stderr", environment)


def _start(command: Sequence[str], errors: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with errors.open("wb") as file:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509  (the caller has no threads)
        )


def _end_with_parent() -> None:
    """No daemon outlives a test that is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _take_down(cluster: Cluster, started: list[subprocess.Popen[bytes]]) -> None:
    with contextlib.suppress(subprocess.SubprocessError):
        cluster("scancel", "--signal=KILL", "--full", "--user=root")
        cluster("scancel", "--user=root")
        deadline = time.monotonic() + 20
        while cluster("squeue", "-h").strip() and time.monotonic() < deadline:
            time.sleep(0.5)
    for process in reversed(started):
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(cluster: Cluster, *command: str) -> bool:
    try:
        return "UP" in cluster(*command)
    except subprocess.CalledProcessError:
        return False


def _wait(ready: Callable[[], bool], started: list[subprocess.Popen[bytes]], name: str, folder: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not ready():
        if started[-1].poll() is not None or time.monotonic() > deadline:
            logs = [*folder.glob(f"{name}*"), *folder.glob("munge/*file")]
            tails = "\n".join(f"{path}:\n{path.read_text(errors='replace')[-2000:]}" for path in logs)
            raise RuntimeError(f"{name} does not come up\n{tails}")
        time.sleep(0.2)


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _main(command: Sequence[str]) -> int:
    if lacking := missing():
        print(f"not here: {', '.join(lacking)} - apt-get install slurm-wlm munge, as root", file=sys.stderr)  # noqa: T201
        return 2
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, slurm(Path(folder)) as cluster:
        shown = command or [os.environ.get("SHELL", "/bin/bash")]
        return subprocess.run(shown, env=dict(cluster.environment), check=False).returncode


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
