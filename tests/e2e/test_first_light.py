"""The main job on the phantom, small: both methods, detection and segmentation, both recipes, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Shell

QUICK = ("--set", "epochs=1", "--set", "batch_size=4")


@pytest.fixture(scope="module")
def lit(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A phantom of 16 images with the weights of both methods."""
    shell = Shell(tmp_path_factory.mktemp("first-light"), {"NO_COLOR": "1"})
    shell("phantom", ".", "--datasets", "rsna,siim", "--methods", "mgca,medst", "--images", "16", "--side", "64")
    return shell


def records(shell: Shell) -> dict[tuple[str, str, str], dict]:
    paths = sorted((shell.folder / "results").glob("*/*/*.json"))
    found = [json.loads(path.read_text()) for path in paths]
    return {(one["task"], one["method"], one["recipe"]): one for one in found}


def test_both_methods_on_both_tasks_print_a_leaderboard(lit: Shell) -> None:
    result = lit("run", "--methods", "mgca,medst", "--tasks", "rsna-det,siim-seg", *QUICK)
    assert set(records(lit)) == {
        (task, method, "standard") for task in ("rsna-det", "siim-seg") for method in ("mgca", "medst")
    }
    for name in ("mgca@resnet50", "medst@vit-b16", "phantom"):
        assert name in result.stdout
    for record in records(lit).values():
        assert record["phantom"] is True
        assert len(record["checkpoint_sha256"]) == 64
        assert record["floors"]
    assert not list((lit.folder / "results" / ".work").glob("*")), "a finished trial leaves no training state"


def test_again_nothing_is_recomputed(lit: Shell) -> None:
    before = {path: path.stat().st_mtime_ns for path in (lit.folder / "results").rglob("*.json")}
    result = lit("run", "--methods", "mgca,medst", "--tasks", "rsna-det,siim-seg", *QUICK)
    assert "4 trials: 4 done" in result.stderr
    assert {path: path.stat().st_mtime_ns for path in (lit.folder / "results").rglob("*.json")} == before


def test_rescoring_changes_nothing(lit: Shell) -> None:
    assert "0 records changed, 4 unchanged, 0 failed" in lit("rescore").stdout


@pytest.mark.slow
def test_the_published_recipe_runs_too(lit: Shell) -> None:
    arguments = ("--methods", "mgca", "--tasks", "rsna-det,siim-seg", "--recipe", "mgca", *QUICK)
    lit("run", *arguments, "--set", "image_size=64")
    record = records(lit)["siim-seg", "mgca", "mgca"]
    assert record["seed"] == 42
    assert record["recipe_values"]["batchnorm"] == "batch"
    assert record["recipe_overrides"] == {"batch_size": 4, "epochs": 1, "image_size": 64}


def test_the_leaderboard_keeps_the_phantom_apart(lit: Shell) -> None:
    lit("leaderboard", "build")
    page = Path(lit.folder / "leaderboards" / "rsna-det.md").read_text()
    real, _, phantom = page.partition("## Phantom")
    assert "No record on real data yet." in real
    assert "medst@" in phantom and "medst@" not in real  # mgca stands among what papers report
