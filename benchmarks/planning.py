"""A run with nothing left to do, and a plan of many trials: what a user waits for before any work begins.

200 finished trials are records of the size that a classification task writes, under the keys that the plan asks for; the
numbers in them are drawn. The dataset is a phantom, prepared by the command line.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.commands import Commands

FINISHED, PLANNED = 200, 10_000
WARM_S, PLAN_S = 1.0, 2.0
"""Seconds after the interpreter's own start."""
TASKS = "kermany-linear,kermany-knn"
METHOD = "random"


class Planning(NamedTuple):
    """Wall-clock seconds, the best of a few: an interpreter that does nothing, and the two commands."""

    interpreter_s: float
    warm_s: float
    plan_s: float

    @property
    def met(self) -> bool:
        return self.warm_s - self.interpreter_s < WARM_S and self.plan_s - self.interpreter_s < PLAN_S

    @property
    def rows(self) -> list[list[str]]:
        """For a table: what, seconds, times the interpreter's start, target."""

        def row(what: str, seconds: float, target: str) -> list[str]:
            return [what, f"{seconds:.2f}", f"{seconds / self.interpreter_s:.0f}", target]

        return [
            row("python -c pass", self.interpreter_s, ""),
            row(
                f"medbench run, {FINISHED} finished trials, leaderboard printed",
                self.warm_s,
                f"under {WARM_S:g} s more",
            ),
            row(f"medbench plan, {PLANNED:,} trials", self.plan_s, f"under {PLAN_S:g} s more"),
        ]


def compare(repeats: int = 3) -> Planning:
    """Draw, prepare, write the records, then time the commands in turns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = Commands(folder, folder / "byte-code")
        _medbench(
            commands, "phantom", ".", "--datasets", "kermany", "--methods", METHOD, "--images", "48", "--side", "64"
        )
        _medbench(commands, "data", "prepare", "kermany", "--config", "medbench.toml")
        write_finished(folder)
        interpreter, warm, plan = [], [], []
        for _ in range(repeats):
            interpreter.append(commands.seconds(sys.executable, "-c", "pass"))
            warm.append(_medbench(commands, "run", *_trials(FINISHED)))
            plan.append(_medbench(commands, "plan", *_trials(PLANNED)))
    return Planning(min(interpreter), min(warm), min(plan))


def write_finished(folder: Path) -> None:
    """A record for each of the 200 trials, in the results folder of ``folder``'s settings."""
    from msgspec.structs import replace

    from benchmarks.many_records import many_records
    from medbench.plan import Request, build_plan
    from medbench.registry import Registry
    from medbench.settings import load_settings
    from medbench.store import ResultStore
    from medbench.trials import recipe_values

    settings = load_settings(config=folder / "medbench.toml", environment={}, overrides={}, folder=folder)
    registry = Registry.load()
    seeds = tuple(range(FINISHED // len(TASKS.split(","))))
    plan = build_plan(Request(methods=METHOD, tasks=TASKS, seeds=seeds), registry, settings)
    for planned, record in zip(plan.trials, many_records(), strict=False):
        trial = planned.trial
        value = next(iter(record.metrics.values()))
        drawn = next(iter(record.replicates.values()))
        changed = replace(
            record,
            key=str(planned.key),
            phantom=planned.phantom,
            task=trial.task.id,
            task_version=trial.task.version,
            method=trial.choice.spec.id,
            variant=trial.choice.variant.id,
            method_version=trial.choice.spec.version,
            dataset=trial.task.dataset,
            split=trial.task.split,
            recipe=trial.recipe_name,
            recipe_values=recipe_values(trial.recipe),
            recipe_overrides={},
            fraction=trial.fraction,
            seed=trial.seed,
            metrics={metric.name: value for metric in trial.task.metrics},
            replicates={metric.name: drawn for metric in trial.task.metrics},
            floors={},
            ceilings={},
        )
        ResultStore(settings.results).write_record(changed)


def _trials(number: int) -> tuple[str, ...]:
    seeds = ",".join(map(str, range(number // len(TASKS.split(",")))))
    return ("--methods", METHOD, "--tasks", TASKS, "--seeds", seeds, "--config", "medbench.toml")


def _medbench(commands: Commands, *arguments: str) -> float:
    return commands.seconds(sys.executable, "-m", "medbench", *arguments)
