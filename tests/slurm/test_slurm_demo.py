"""The README's demo by Slurm: the same records as the local executor gives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from medbench.store import ResultStore
from tests.e2e.conftest import Shell
from tests.slurm.cluster import Cluster

pytestmark = pytest.mark.slow


def test_the_demo_gives_the_records_of_the_local_executor(tmp_path: Path, real_slurm: Cluster) -> None:
    environment = {
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "XDG_CACHE_HOME": str(tmp_path / "xdg"),
        "SLURM_CONF": real_slurm.environment["SLURM_CONF"],
        "OMP_NUM_THREADS": "1",
        "MEDBENCH_DEVICE": "cpu",
    }
    shell = Shell(tmp_path, environment)
    shell("phantom", "phantom", "--datasets", "rsna,siim", "--images", "48")
    run = ("run", "--config", "phantom/medbench.toml", "--recipe", "quick")
    done = shell(*run, "--methods", "mgca,medst", "--tasks", "rsna-det,siim-seg", "--executor", "slurm")
    by_slurm = _records(tmp_path / "phantom" / "results")
    assert f"{len(by_slurm)} jobs submitted" in done.stderr
    assert {task for task, _ in by_slurm} == {"rsna-det", "siim-seg"}
    assert {method.partition("@")[0] for _, method in by_slurm} == {"mgca", "medst"}
    shell(*run, "--methods", "mgca", "--tasks", "siim-seg", "--results", str(tmp_path / "local"))
    local = _records(tmp_path / "local")
    assert local
    for name, (key, metrics) in local.items():
        assert by_slurm[name] == (key, metrics)


def _records(results: Path) -> dict[tuple[str, str], tuple[str, object]]:
    loaded = ResultStore(results).read_all()
    assert loaded.problems == ()
    return {(one.task, one.method_id): (one.key, one.metrics) for one in loaded.records}
