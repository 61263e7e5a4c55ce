"""The toy's task once more, whose trials stop in the middle of their first try until they are killed or told to go on."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path
from typing import Any

import medbench_toy

from medbench.hookspecs import hookimpl
from medbench.specs import TaskSpec

TASK = dataclasses.replace(medbench_toy.TASK, id="toy-stops", loader="medbench_stopping:PROTOCOL")


@hookimpl
def medbench_tasks() -> list[TaskSpec]:
    return [TASK]


class StoppingProtocol(medbench_toy.ToyProtocol):
    """Where ``TOY_STOPS`` names a folder, the first try writes its process id there and waits for a file ``go``."""

    def run(self, context: Any) -> Any:
        folder = os.environ.get("TOY_STOPS")
        if folder:
            mark = Path(folder) / f"seed-{context.seed}"
            first = not mark.exists()
            partial = mark.with_suffix(".partial")
            partial.write_text(str(os.getpid()))
            partial.replace(mark)
            context.progress.phase("stop")
            while first and not mark.with_name("go").exists():
                time.sleep(0.1)
        return super().run(context)


PROTOCOL = StoppingProtocol()
