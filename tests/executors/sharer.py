"""A plugin with a task that a group of processes shares; what happens in it is said by files in the folder ``SHARER``.

``rank-<n>`` holds the process id of each; ``error-<n>`` and ``defect-<n>`` have that rank fail, ``hang`` has all wait.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import medbench_toy
from medbench_toy import ToyProtocol

from medbench.errors import MissingDataError
from medbench.hookspecs import hookimpl
from medbench.specs import TaskSpec


@dataclass(frozen=True, kw_only=True)
class SharedRecipe(medbench_toy.ToyRecipe):
    """A toy recipe with batches."""

    batch_size: int = 4


TASK = replace(
    medbench_toy.TASK,
    id="toy-shared",
    distributed=True,
    recipes={"standard": SharedRecipe()},
    loader="sharer:PROTOCOL",
)


@hookimpl
def medbench_tasks() -> list[TaskSpec]:
    return [TASK]


class SharedProtocol(ToyProtocol):
    """The toy's protocol, in every process."""

    def run(self, context: Any) -> Any:
        import torch
        from torch import distributed

        folder, rank = Path(os.environ["SHARER"]), 0
        if distributed.is_initialized():
            rank, one = distributed.get_rank(), torch.ones(1)
            distributed.all_reduce(one)
            assert int(one) == context.compute.processes
        (folder / f"rank-{rank}").write_text(str(os.getpid()))
        while (folder / "hang").exists():
            time.sleep(0.05)
        if (folder / f"error-{rank}").exists():
            raise MissingDataError("a file is gone", fix="fetch it")
        if (folder / f"defect-{rank}").exists():
            raise ZeroDivisionError("nothing to divide by")
        if distributed.is_initialized():
            distributed.barrier()
        return super().run(context)


PROTOCOL = SharedProtocol()
