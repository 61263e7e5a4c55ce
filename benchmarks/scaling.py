"""Trials on one and on two local Ray workers, of one thread each; then one dataset's features by one and by two actors.

Ray is started once, and a small run before the measured ones has both workers import torch and load the models: what is
timed is `RayExecutor.run`, from the first order to the last record. Either side starts without features and without
records; manifests and the digests of the weights are shared. The tasks are frozen ones of the phantom.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from medbench.executors.ray import RayExecutor
from medbench.plan import Request, build_plan
from medbench.progress import Reporter
from medbench.registry import Registry
from medbench.settings import Settings, load_settings

TARGET = 1.7
IMAGES = 32
METHODS = "mgca,medst"
DATASETS = "kermany,rsna,siim"
TASKS = ",".join(
    f"{dataset}-{protocol}" for dataset in DATASETS.split(",") for protocol in ("linear", "knn", "zeroshot")
)
ENCODED = "kermany-knn"
"""The task whose one dataset is spread over actors."""


class Comparison(NamedTuple):
    """Wall-clock seconds with one worker and with two, of trials and of one dataset's features."""

    trials: int
    one_s: float
    two_s: float
    images: int
    one_actor_s: float
    two_actors_s: float

    @property
    def ratio(self) -> float:
        return self.one_s / self.two_s

    @property
    def met(self) -> bool:
        return self.ratio >= TARGET

    @property
    def rows(self) -> list[list[str]]:
        """For a table: what, seconds, how many times as fast, target."""
        spread = self.one_actor_s / self.two_actors_s
        return [
            [f"{self.trials} frozen trials, one Ray worker of one thread", f"{self.one_s:.1f}", "1.00", ""],
            ["the same, two Ray workers", f"{self.two_s:.1f}", f"{self.ratio:.2f}", f"at least {TARGET}"],
            [f"{self.images} images encoded by Ray Data, one actor", f"{self.one_actor_s:.1f}", "1.00", ""],
            ["the same, two actors (their start included)", f"{self.two_actors_s:.1f}", f"{spread:.2f}", ""],
        ]


def compare(images: int = IMAGES, methods: str = METHODS, tasks: str = TASKS) -> Comparison:
    """Draw the phantom, warm both workers, then time the runs."""
    with tempfile.TemporaryDirectory() as name, _ray():
        folder = Path(name)
        drawn = ("--datasets", DATASETS, "--methods", methods, "--images", str(images), "--side", "224")
        _medbench(folder, "phantom", ".", *drawn)
        _medbench(folder, "data", "prepare", DATASETS, "--config", "medbench.toml")
        settings = load_settings(
            config=folder / "medbench.toml",
            environment={},
            overrides={"device": "cpu", "executor": "ray"},
            folder=folder,
        )
        bench = _Bench(folder, dataclasses.replace(settings, precision="fp32"))
        bench.seconds(methods, "kermany-knn", jobs=2)
        trials, one = bench.seconds(methods, tasks, jobs=1)
        _, two = bench.seconds(methods, tasks, jobs=2)
        first = methods.split(",", maxsplit=1)[0]
        _, one_actor = bench.seconds(first, ENCODED, jobs=1, encode_rows=1)
        _, two_actors = bench.seconds(first, ENCODED, jobs=2, encode_rows=1)
    return Comparison(trials, one, two, images, one_actor, two_actors)


class _Bench:
    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._settings = settings
        self._registry = Registry.load()
        self._runs = 0

    def seconds(self, methods: str, tasks: str, *, jobs: int, encode_rows: int | None = None) -> tuple[int, float]:
        """The number of trials and the time of running them, with results of their own and no features."""
        self._runs += 1
        features = self._settings.cache / "features"
        if features.exists():
            features.rename(self._folder / f"features-{self._runs}")
        options = {"ray": {} if encode_rows is None else {"encode_rows": encode_rows}}
        settings = dataclasses.replace(
            self._settings, results=self._folder / f"results-{self._runs}", jobs=jobs, executors=options
        )
        plan = build_plan(Request(methods=methods, tasks=tasks), self._registry, settings)
        trials = [planned for planned in plan.of_state("ready") if planned.key is not None]
        begin = time.perf_counter()
        outcomes = RayExecutor(self._registry, settings).run(trials, Reporter())
        taken = time.perf_counter() - begin
        if encode_rows is not None and any(
            one.record.notes.get("encoded") for one in outcomes if one.record is not None
        ):
            raise RuntimeError("the trials must find the features that the actors have encoded")
        failed = [outcome.message for outcome in outcomes if outcome.state != "finished"]
        if failed or not outcomes:
            raise RuntimeError(f"the benchmark's trials must end well: {failed[:1]}")
        return len(outcomes), taken


@contextlib.contextmanager
def _ray() -> Iterator[Any]:
    """Ray with two workers; one thread each."""
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", OMP_NUM_THREADS="1", RAY_AUTH_MODE="disabled")
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        yield ray
    finally:
        ray.shutdown()


def _medbench(folder: Path, *arguments: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MEDBENCH_")}
    command = [sys.executable, "-m", "medbench", *arguments]
    subprocess.run(command, cwd=folder, env=kept, check=True, capture_output=True)
