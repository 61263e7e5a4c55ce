"""A Ray of two CPUs whose processes know the toy plugin, and prepared toy data."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
TOYS = HERE.parent / "toy"
PLUGINS = {"toy-plugin": "medbench_toy", "stumbler": "stumbler", "seer": "seer"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """PYTHONPATH, set while the module runs, with which a process finds these plugins as installed plugins."""
    folder = tmp_path_factory.mktemp("site")
    info = folder / "toys-1.0.dist-info"
    info.mkdir()
    points = "".join(f"{name} = {module}\n" for name, module in PLUGINS.items())
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[medbench]\n{points}")
    places = [str(folder), str(TOYS), str(HERE)]
    value = os.pathsep.join([*places, *filter(None, [os.environ.get("PYTHONPATH")])])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", value)
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("SEER_STUMBLE", str(folder / "stumble"))
        patch.setattr(sys, "path", [*places, *sys.path])
        yield value
    for name in PLUGINS.values():
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def ray_here(site: str) -> Iterator[Any]:
    """Ray, started for the module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")  # with a token Ray would write it to the home folder
        patch.delenv("RAY_ADDRESS", raising=False)
        ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'medbench[ray]'")
        for last in (False, False, True):  # Ray gives itself 30 s to start, which a busy machine overruns
            try:
                ray.init(
                    address="local",
                    num_cpus=2,
                    include_dashboard=False,
                    object_store_memory=80_000_000,
                    log_to_driver=False,
                    logging_level="ERROR",
                )
                break
            except Exception:
                ray.shutdown()
                if last:
                    raise
        try:
            yield ray
        finally:
            ray.shutdown()
