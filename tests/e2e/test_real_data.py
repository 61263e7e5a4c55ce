"""Real radiographs end to end: the NIH sample as official RSNA, the covid collections as published.

The quick tests show that real files go through; the slow ones train long enough to beat the trivial answers.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e import real_data
from tests.e2e.conftest import Shell

SMALL = ("--set", "image_size=96", "--set", "batch_size=4", "--set", "epochs=2")


@pytest.fixture
def home(tmp_path: Path) -> Shell:
    return Shell(tmp_path, {"MEDBENCH_CACHE": str(tmp_path / "cache"), "NO_COLOR": "1"})


def record(shell: Shell, task: str) -> dict:
    (path,) = (shell.folder / "results" / task).glob("*/*.json")
    return json.loads(path.read_text())


def best_floor(found: dict, metric: str) -> float:
    return max(floor[metric]["value"] or 0.0 for floor in found["floors"].values())


def test_real_rsna_labels_on_real_images_go_through_detection(home: Shell, shared: Path) -> None:
    patients = real_data.write_rsna(shared, home.folder / "data" / "rsna", limit=24)
    result = home("run", "--methods", "random", "--tasks", "rsna-det", *SMALL)
    assert f"rsna: {patients} of {patients} samples usable" in result.stderr
    found = record(home, "rsna-det")
    assert found["phantom"] is False
    assert found["metrics"]["map"]["value"] is not None


def test_real_lungs_go_through_segmentation_and_beat_an_empty_answer(home: Shell, shared: Path) -> None:
    real_data.copy_some_covid(shared, home.folder / "data" / "covid-cxr", images=12)
    home("run", "--methods", "random", "--tasks", "covid-cxr-seg", *SMALL, "--set", "epochs=8", "--set", "lr=0.002")
    found = record(home, "covid-cxr-seg")
    assert found["metrics"]["dice-positive"]["value"] > found["floors"]["all-background"]["dice-positive"]["value"]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "metric"), [("covid-cxr-seg", "dice-positive"), ("covid-cxr-det", "map")])
def test_trained_on_some_patients_and_scored_on_others_beats_every_floor(
    home: Shell, shared: Path, task: str, metric: str
) -> None:
    real_data.link_covid(shared, home.folder / "data" / "covid-cxr")
    home("run", "--methods", "random", "--tasks", task, "--set", "epochs=20", "--set", "batch_size=8")
    found = record(home, task)
    assert found["metrics"][metric]["value"] > best_floor(found, metric)
