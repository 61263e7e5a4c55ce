"""The toy plugin's plan, and a cluster that is none, and one that is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from medbench.plan import PlannedTrial, Request, build_plan
from medbench.preparation import prepare
from medbench.progress import Reporter
from medbench.registry import Registry
from medbench.settings import Settings
from tests.core.conftest import registry, settings, toy_data, toy_path
from tests.slurm.cluster import Cluster, missing, slurm
from tests.slurm.fake import FakeCluster

__all__ = ["registry", "settings", "toy_data", "toy_path"]


@pytest.fixture(scope="module")
def real_slurm() -> Iterator[Cluster]:
    """Two cores under a Slurm of their own, or a skip that says what to install."""
    if lacking := missing():
        pytest.skip(f"not here: {', '.join(lacking)} - apt-get install slurm-wlm munge, as root")
    pytest.importorskip("submitit", reason="pip install 'medbench[slurm]'")
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, slurm(Path(folder)) as running:
        yield running


@pytest.fixture
def trials(registry: Registry, settings: Settings, toy_data: Path) -> tuple[PlannedTrial, ...]:
    """Three trials that are ready."""
    request = Request(methods="toy@plain", tasks="toy-bright", seeds=(0, 1, 2))
    for files in build_plan(request, registry, settings).unprepared:
        prepare(files, Reporter())
    return build_plan(request, registry, settings).of_state("ready")


@pytest.fixture
def cluster(registry: Registry, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """The fake, in place of squeue."""
    fake = FakeCluster(registry, settings)
    monkeypatch.setattr("medbench.executors.slurm_run.read_queue", fake.read_queue)
    return fake
