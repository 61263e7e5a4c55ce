"""``leaderboard build`` over ten thousand records: wall-clock seconds and peak memory of the whole process.

The records are written by hand, with bootstrap replicates of two metrics: 100 tasks x 20 methods x 5 seeds. The command runs
in a process of its own, as a user types it, with every format.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from medbench.records import SCHEMA, MetricValue, Provenance, Record, Subset, encode
from medbench.statistics import REPLICATES

TASKS = 100
METHODS = 20
SEEDS = 5
MAX_SECONDS = 10.0
MAX_MIB = 1024.0
_PLUGIN = """
from medbench.hookspecs import hookimpl
from medbench.specs import MetricSpec, Recipe, TaskSpec

@hookimpl
def medbench_tasks():
    metrics = (MetricSpec(name="auroc", title="AUROC"), MetricSpec(name="f1", title="F1"))
    return [
        TaskSpec(
            id=f"bench-{number:03}", title=f"Benchmark {number}", dataset="bench", split="official", protocol="linear probe",
            capabilities=frozenset({"ImageEncoder"}), metrics=metrics, recipes={"standard": Recipe()}, loader="bench:load",
        )
        for number in range(%d)
    ]
"""
_MEASURE = """
import resource, sys
from medbench.cli import main
try:
    main()
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print("PEAK", used.ru_maxrss / 1024, used.ru_utime + used.ru_stime, file=sys.stderr)
"""


class Measured(NamedTuple):
    """What one build took."""

    records: int
    seconds: float
    mib: float
    cpu_s: float

    @property
    def met(self) -> bool:
        return self.seconds <= MAX_SECONDS and self.mib <= MAX_MIB

    @property
    def rows(self) -> list[list[str]]:
        """For a table: what, seconds and peak memory, ratio, target."""
        what = f"leaderboard build, {self.records:,} records, every format"
        return [
            [what, f"{self.seconds:.1f} s", f"{self.seconds / MAX_SECONDS:.2f}", f"at most {MAX_SECONDS:g} s"],
            ["its processor time", f"{self.cpu_s:.1f} s", f"{self.cpu_s / MAX_SECONDS:.2f}", ""],
            ["its peak memory", f"{self.mib:.0f} MiB", f"{self.mib / MAX_MIB:.2f}", f"at most {MAX_MIB:g} MiB"],
        ]


def measure(tasks: int = TASKS, formats: str = "markdown,csv,json,latex") -> Measured:
    """Write the records, build once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = write_records(folder / "results", tasks)
        _install(folder / "site", tasks)
        arguments = ["leaderboard", "build", "--results", "results", "--out", "pages", "--format", formats]
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder / "site")},
            capture_output=True,
            text=True,
            check=True,
        )
        seconds = time.perf_counter() - started
        _, peak, cpu = next(line for line in done.stderr.splitlines() if line.startswith("PEAK")).split()
        return Measured(count, seconds, float(peak), float(cpu))


def write_records(results: Path, tasks: int) -> int:
    """Records with replicates of two metrics; gives their number."""
    generator = np.random.default_rng(0)
    count = 0
    for task in range(tasks):
        for method in range(METHODS):
            skill = 0.6 + 0.015 * method
            for seed in range(SEEDS):
                record = _record(task, method, seed, skill, generator)
                path = results / record.task / record.method_id / f"{record.key}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encode(record))
                count += 1
    return count


def _record(task: int, method: int, seed: int, skill: float, generator: np.random.Generator) -> Record:
    values = {name: float(generator.normal(skill, 0.01)) for name in ("auroc", "f1")}
    return Record(
        schema=SCHEMA,
        key=f"{task:03}{method:03}{seed:03}".ljust(64, "0"),
        phantom=False,
        task=f"bench-{task:03}",
        task_version=1,
        method=f"method-{method:02}",
        variant="base",
        method_version=1,
        dataset="bench",
        dataset_version=1,
        split="official",
        recipe="standard",
        recipe_values={"lr": 1e-3, "epochs": 50},
        recipe_overrides={},
        fraction=1.0,
        seed=seed,
        checkpoint_sha256=f"{method:064x}",
        manifest_sha256="d" * 64,
        subset=Subset(n=1000, sha256="e" * 64),
        test_n=500,
        metrics={
            name: MetricValue(value, low=value - 0.03, high=value + 0.03, n=500) for name, value in values.items()
        },
        floors={"prevalence": {"auroc": MetricValue(0.5, n=500), "f1": MetricValue(0.2, n=500)}},
        ceilings={},
        notes={"epochs": 50.0},
        provenance=Provenance(
            medbench="0.1.0",
            revision="0" * 40,
            versions={"torch": "2.11.0", "numpy": "2.3.0"},
            device="cpu",
            precision="fp32",
            started="2026-01-01T00:00:00Z",
            duration_s=12.5,
            peak_memory_mib=900.0,
        ),
        samples_sha256="f" * 64,
        replicates={
            name: generator.normal(value, 0.015, REPLICATES).astype("<f4").tobytes() for name, value in values.items()
        },
    )


def _install(site: Path, tasks: int) -> None:
    """A plugin with the tasks, so that the records are ranked and tested."""
    info = site / "medbench_bench-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: medbench-bench\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[medbench]\nbench = medbench_bench_tasks\n")
    (site / "medbench_bench_tasks.py").write_text(_PLUGIN % tasks)
