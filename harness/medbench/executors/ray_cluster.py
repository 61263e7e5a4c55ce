"""The Ray cluster of a run: its options, the way to it, what it has, and whether its nodes share the folders."""

from __future__ import annotations

import logging
import math
import os
import re
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from medbench.errors import PluginError, UnknownNameError, UsageError
from medbench.executors.ray_worker import unseen
from medbench.executors.seats import check_devices
from medbench.files import write_bytes_atomically
from medbench.lifecycle import describe
from medbench.settings import Settings
from medbench.specs import TaskSpec

_ANSWER_S = 60.0
_KNOCK_S = 10.0
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
}
"""No report to Ray's makers; the coming behaviour towards tasks without a GPU, which spares a warning; and none of the lines
that Ray prints of its workers, which would stand among those of ``--json``: a loss is told by medbench."""


_ADDRESS = re.compile(r"auto|local|[^/\s]+:\d+")


class RayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The table ``[executors.ray]``. CPUs are for each process of a trial; GPUs replace one a process."""

    address: str = ""
    num_cpus: Annotated[float, msgspec.Meta(gt=0)] = 1
    num_gpus: Annotated[float, msgspec.Meta(gt=0)] | None = None
    encode_rows: Annotated[int, msgspec.Meta(ge=1)] = 20_000


def options_of(settings: Settings) -> RayOptions:
    """The options that the settings give. Raises `UnknownNameError`, and `UsageError` for a value of the wrong kind."""
    given = settings.executors.get("ray", {})
    for name in given:
        if name not in RayOptions.__struct_fields__:
            raise UnknownNameError("option in [executors.ray]", name, RayOptions.__struct_fields__)
    try:
        return msgspec.convert(dict(given), RayOptions)
    except msgspec.ValidationError as error:
        raise UsageError(f"[executors.ray]: {str(error).replace('$.', '')}", fix="see docs/howto/ray.md") from None


@dataclass(frozen=True, slots=True)
class Demand:
    """What a task reserves of a node."""

    num_cpus: float
    num_gpus: float

    def fits(self, resources: dict[str, float]) -> bool:
        """Whether a node with these resources, all free, could take it."""
        return self.num_cpus <= resources.get("CPU", 0) and self.num_gpus <= resources.get("GPU", 0)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that this process is connected to. ``ray`` is the library, ``own`` says that it was started here."""

    ray: Any
    own: bool
    options: RayOptions
    settings: Settings

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """Ray's descriptions of the nodes that are alive."""
        return [node for node in self.ray.nodes() if node["Alive"]]

    @property
    def gpus(self) -> bool:
        """Whether trials run on GPUs. Raises `UsageError` where they must, and the cluster has none."""
        found = any(node["Resources"].get("GPU", 0) for node in self.nodes)
        if self.settings.device.startswith("cuda") and not found:
            raise UsageError("the Ray cluster has no GPU", fix="use --device cpu")
        return found and self.settings.device != "cpu"

    def demand(self, task: TaskSpec, *, gpus: bool) -> Demand:
        """What a trial of the task reserves: a GPU for each of its processes, else CPUs alone."""
        processes = self.settings.nproc_per_node if task.distributed else 1
        wanted = processes if self.options.num_gpus is None else self.options.num_gpus
        return Demand(self.options.num_cpus * processes, wanted if gpus else 0)

    def demand_of_one(self, *, gpus: bool) -> Demand:
        """What a process reserves that only encodes: at most one GPU, however many a training has."""
        return Demand(self.options.num_cpus, min(1, self.options.num_gpus or 1) if gpus else 0)

    def slots(self, demand: Demand) -> int:
        """How many such tasks all nodes together run at once."""
        return sum(_room(node["Resources"], demand) for node in self.nodes)

    def lacks(self, demand: Demand) -> str:
        """'', or that no node is large enough as yet. Raises `UsageError` where none can join, as the cluster is our own."""
        if any(demand.fits(node["Resources"]) for node in self.nodes):
            return ""
        size = f"{demand.num_cpus:g} CPUs and {demand.num_gpus:g} GPUs"
        if self.own:
            raise UsageError(f"a trial asks for {size}: this machine has fewer", fix="see [executors.ray]")
        return f"no node of the Ray cluster has {size}: the trials that need them wait until one joins"

    def check_shared(self) -> None:
        """Raise `UsageError` where a node does not see the folders of results and of the cache as this process does."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        if self.own:
            return
        name = f".shared-{uuid.uuid4().hex}"
        places = [folder.absolute() / name for folder in (self.settings.results, self.settings.cache)]
        probe = self.ray.remote(num_cpus=0, max_retries=0)(unseen)
        try:
            for place in places:
                write_bytes_atomically(place, b"")
            asked = {
                probe.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(
                    [str(place) for place in places]
                ): node
                for node in self.nodes
            }
            answered, _ = self.ray.wait(list(asked), num_returns=len(asked), timeout=_ANSWER_S)
            for one in answered:
                self._judge(one, asked[one])
        finally:
            for place in places:
                place.unlink(missing_ok=True)

    def _judge(self, answer: Any, node: dict[str, Any]) -> None:
        try:
            missing = self.ray.get(answer)
        except self.ray.exceptions.RayError:  # the node is gone: it can spoil nothing
            return
        if missing:
            folder = Path(missing[0]).parent
            raise UsageError(
                f"the Ray node {node['NodeManagerAddress']} does not share {folder}, or may not write there",
                fix="put results and cache on a file system that all nodes share (docs/howto/ray.md)",
            )


@contextmanager
def connected(settings: Settings) -> Iterator[Cluster]:
    """The cluster of ``[executors.ray] address``, of RAY_ADDRESS, or one that is started here and ends with the block.

    A connection that this process has already is used and left open. Raises `PluginError` where Ray is not installed and
    `UsageError` where no cluster can be reached or the options make no sense.
    """
    options = options_of(settings)
    check_devices(settings)
    address = options.address or os.environ.get("RAY_ADDRESS") or "local"
    if not _ADDRESS.fullmatch(address):
        raise UsageError(f"'{address}' is no address of a Ray cluster", fix="give the host:port that ray start tells")
    own = address == "local"
    if not own and _has_token():
        # As ray start does by itself where there is a token. Ray reads it when it is imported; a cluster that asks for
        # no token lets us in all the same.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    ray = _library()
    if ray.is_initialized():
        yield Cluster(ray, False, options, settings)
        return
    _knock(address)
    if own:
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray's own choice for a local start, which it warns of
    start: dict[str, Any] = {"include_dashboard": False} if own else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **start)
    except Exception as error:  # a start that comes too slow is a plain Exception
        ray.shutdown()
        where = "Ray does not start here" if own else f"no Ray cluster can be reached at {address}"
        raise UsageError(f"{where}: {describe(error)}", fix="see docs/howto/ray.md") from error
    try:
        yield Cluster(ray, own, options, settings)
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise `UsageError` where nobody listens there: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S).close()
    except (OSError, OverflowError) as error:
        fix = "start one with ray start, or leave the address out"
        raise UsageError(f"no Ray cluster can be reached at {address}: {describe(error)}", fix=fix) from error


def _has_token() -> bool:
    """Whether Ray would find a token on this machine."""
    path = os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token"
    return "RAY_AUTH_TOKEN" in os.environ or Path(path).expanduser().is_file()


def _library() -> Any:
    for name, value in _QUIET.items():  # read when it is imported, and by the processes that it starts
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise PluginError("the ray executor needs Ray", fix="pip install 'medbench[ray]'") from error
    return ray


def _room(resources: dict[str, float], demand: Demand) -> int:
    wanted = {"CPU": demand.num_cpus, "GPU": demand.num_gpus}
    return min(math.floor(resources.get(name, 0) / count + 1e-9) for name, count in wanted.items() if count)
