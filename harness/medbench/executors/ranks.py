"""One of the processes that share a trial's training: ``python -m medbench.executors.ranks FOLDER`` under torchrun.

The folder holds what `medbench.executors.group` wrote: the order and the settings. The first process tells how it goes in
``events`` and writes the record; one that fails leaves ``failed-<rank>.json``. All of them end when the process that started
them does: it holds their standard input open.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from medbench.errors import MedbenchError, UsageError
from medbench.executors.events import Event, Teller, encodable, to_bytes
from medbench.executors.orders import Order, planned_of, settings_from_text
from medbench.files import write_bytes_atomically
from medbench.registry import Registry
from medbench.runner import Manifests, help_trial, run_trial
from medbench.settings import Settings
from medbench.trial_checks import settle_compute

Item = TypeVar("Item")

ORDER, SETTINGS, EVENTS, FAILED = "order.json", "settings.json", "events", "failed-{}.json"
PATIENCE = datetime.timedelta(days=2)
"""How long a process waits for the others: one may prepare data while they do. torchrun ends all as soon as one dies."""


class Failed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a process failed; a defect is anything but a `MedbenchError`."""

    message: str
    exit_code: int
    defect: bool


def main(folder: Path) -> int:
    """Take part in the trial that ``folder`` orders; the exit code."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _take_part(folder, int(os.environ["RANK"]))
    except MedbenchError as error:
        _tell(folder, Failed(encodable(str(error)), error.exit_code, defect=False))
    except (Exception, SystemExit) as error:  # some libraries exit
        traceback.print_exc()
        _tell(
            folder, Failed(encodable(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"), 1, defect=True)
        )
    else:
        return 0
    return 1


def _take_part(folder: Path, rank: int) -> None:
    order = msgspec.json.decode((folder / ORDER).read_bytes(), type=Order)
    settings = settings_from_text((folder / SETTINGS).read_text())
    with _process_group(settings):
        registry = Registry.load()
        planned, manifests = planned_of(order, registry, settings), Manifests(registry, settings)
        if rank:
            help_trial(planned, manifests, Silent())
            return
        with (folder / EVENTS).open("ab", buffering=0) as file:

            def send(event: Event) -> None:
                file.write(to_bytes(event) + b"\n")

            run_trial(planned, manifests, Teller(order.key, send))


@contextlib.contextmanager
def _process_group(settings: Settings) -> Iterator[None]:
    """The group of torchrun's environment, by NCCL with a GPU each or by gloo. Raises `UsageError` where GPUs are too few."""
    import torch
    from torch import distributed

    if settle_compute(settings).device == "cuda":
        rank, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if settings.nproc_per_node > there:
            raise UsageError(
                f"{settings.nproc_per_node} processes need a GPU each, and {there} are visible",
                fix="lower --nproc-per-node, or give the trial more GPUs",
            )
        torch.cuda.set_device(rank)
        distributed.init_process_group("nccl", timeout=PATIENCE, device_id=torch.device("cuda", rank))
    else:
        distributed.init_process_group("gloo", timeout=PATIENCE)
    yield
    distributed.destroy_process_group()  # not after a failure: the others may wait for this process in the middle of a sum


class Silent:
    """A `medbench.protocols.PhaseReporter` that tells nobody."""

    def phase(self, name: str, total: int | None = None) -> None:
        """Nothing."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Nothing."""

    def track(self, items: Iterable[Item], name: str, total: int | None = None) -> Iterable[Item]:
        """The items."""
        return items


def _tell(folder: Path, failed: Failed) -> None:
    write_bytes_atomically(folder / FAILED.format(os.environ["RANK"]), msgspec.json.encode(failed))


def _end_with_parent() -> None:
    """Standard input ends when the process that holds the trial's claim does: nobody may go on without the claim."""
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
