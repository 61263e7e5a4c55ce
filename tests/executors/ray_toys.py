"""What the tests of the Ray executor share: prepared toy data, and a reporter that remembers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import medbench_toy

from medbench.executors.base import Outcome
from medbench.plan import PlannedTrial, Request, build_plan
from medbench.preparation import prepare
from medbench.progress import Reporter
from medbench.registry import Registry
from medbench.samples import PhantomSize
from medbench.settings import Settings


def settings_in(folder: Path, results: str = "results") -> Settings:
    """Settings that keep everything below ``folder``; data and cache are shared by all ``results``."""
    return Settings(
        data=folder / "data",
        checkpoints=folder / "checkpoints",
        results=folder / results,
        cache=folder / "cache",
        device="cpu",
        executor="ray",
    )


def draw_toy(settings: Settings) -> None:
    """The toy's raw files: 24 images."""
    medbench_toy.write_phantom(settings.dataset_root("toy"), PhantomSize(images=24, side=16, seed=0))


def ready_trials(
    registry: Registry, settings: Settings, seeds: int, task: str = "toy-bright"
) -> tuple[PlannedTrial, ...]:
    """Trials of the toy on its prepared data, one a seed."""
    request = Request(methods="toy", tasks=task, seeds=tuple(range(seeds)))
    for files in build_plan(request, registry, settings).unprepared:
        prepare(files, Reporter())
    settings.results.mkdir(parents=True, exist_ok=True)
    return build_plan(request, registry, settings).of_state("ready")


@dataclass
class Remembering(Reporter):
    """Every call, as text; ``on_end`` is called when a trial has ended."""

    lines: list[str] = field(default_factory=list)
    on_end: Callable[[], object] = lambda: None

    def trial_started(self, planned: PlannedTrial, number: int, total: int) -> None:
        self.lines.append(f"started {number}/{total}")

    def trial_ended(self, outcome: Outcome) -> None:
        self.lines.append(f"{outcome.state} {outcome.message}".strip())
        self.on_end()

    def phase(self, name: str, total: int | None = None) -> None:
        self.lines.append(f"phase {name}")

    def message(self, text: str) -> None:
        self.lines.append(text)
