"""A dataset's features by Ray Data: those of a local pass, in the same cache, whatever happens to an actor."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from medbench.executors import ray_encode
from medbench.executors.local import LocalExecutor
from medbench.executors.ray import RayExecutor
from medbench.registry import Registry
from medbench.settings import Settings


@pytest.fixture
def registry(ray_here: Any) -> Registry:
    return Registry.load()


def kept(settings: Settings) -> dict[str, dict[int, list[float]]]:
    """The rows of each store by the hash of their picture."""
    found: dict[str, dict[int, list[float]]] = {}
    for path in sorted((settings.cache / "features").glob("*/*.safetensors")):
        tensors = load_file(path)
        rows = zip(tensors["hashes"].tolist(), tensors["rows"].tolist(), strict=True)
        found.setdefault(path.parent.name, {}).update(rows)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("stumbles", [False, True])
def test_the_trials_find_the_features_of_a_local_pass(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stumbles: bool
) -> None:
    from tests.executors.ray_toys import Remembering, draw_toy, ready_trials, settings_in

    alone = settings_in(tmp_path, "alone")
    spread = dataclasses.replace(
        settings_in(tmp_path, "spread"), cache=tmp_path / "other", executors={"ray": {"encode_rows": 24}}
    )
    draw_toy(alone)
    LocalExecutor(registry, alone).run(ready_trials(registry, alone, 1, "toy-seen"), Remembering())
    trials = ready_trials(registry, spread, 1, "toy-seen")
    if stumbles:
        Path(os.environ["SEER_STUMBLE"]).touch()
    monkeypatch.setattr(ray_encode, "_BLOCK", 8)
    reporter = Remembering()
    outcomes = RayExecutor(registry, spread).run(trials, reporter)
    assert [outcome.state for outcome in outcomes] == ["finished"], reporter.lines
    assert [one.record.notes["encoded"] for one in outcomes if one.record is not None] == [0]
    assert reporter.lines[:2] == ["toy@plain on toy: 24 images over 2 actors", "phase encode"]
    assert not Path(os.environ["SEER_STUMBLE"]).exists()
    local, ours = kept(alone), kept(spread)
    assert ours.keys() == local.keys()
    assert len(ours) == 2
    for store, rows in local.items():
        assert ours[store].keys() == rows.keys()
        np.testing.assert_allclose([ours[store][one] for one in rows], list(rows.values()), rtol=0, atol=1e-6)


@pytest.mark.slow
def test_a_small_dataset_is_left_to_its_trials(registry: Registry, tmp_path: Path) -> None:
    from tests.executors.ray_toys import Remembering, draw_toy, ready_trials, settings_in

    settings = dataclasses.replace(settings_in(tmp_path), executors={"ray": {"encode_rows": 25}})
    draw_toy(settings)
    reporter = Remembering()
    (outcome,) = RayExecutor(registry, settings).run(ready_trials(registry, settings, 1, "toy-seen"), reporter)
    assert outcome.record is not None
    assert outcome.record.notes["encoded"] == 24
    assert not any("actors" in line for line in reporter.lines)
