"""Two processes by gloo train what one trains: the same steps, losses, weights and answers, up to rounding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import shared_trial
import torch

pytestmark = pytest.mark.slow
SCRIPT = Path(shared_trial.__file__)


def in_group(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the toy of that name by two processes, each in a folder of its own below ``folder``."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"]
    return subprocess.run(
        [*command, "--nproc-per-node=2", str(SCRIPT), name, str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def training_of(folder: Path) -> dict[str, Any]:
    """The one training state below ``folder``."""
    (path,) = folder.rglob("training.pth")
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


@pytest.mark.parametrize("name", ["fine-tuning", "detection", "published-detection", "segmentation"])
def test_two_processes_train_what_one_does(tmp_path: Path, name: str) -> None:
    _, outcome = shared_trial.run(name, tmp_path / "alone")
    done = in_group(name, tmp_path)
    assert done.returncode == 0, done.stderr
    alone, shared = training_of(tmp_path / "alone"), training_of(tmp_path / "0")
    assert not list((tmp_path / "1").rglob("training.pth"))
    assert (shared["state"]["iter"], shared["state"]["best_epoch"]) == (alone["state"]["iter"], 3)
    assert shared["state"]["best_score"] == pytest.approx(alone["state"]["best_score"], rel=1e-4)
    assert shared["best"].keys() == alone["best"].keys()
    for part, weights in alone["best"].items():
        torch.testing.assert_close(
            shared["best"][part], weights, rtol=1e-4, atol=1e-5, msg=lambda text, p=part: p + text
        )
    first, second = (torch.load(tmp_path / f"predictions-{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first == second
    told = outcome.predictions.to_pylist()
    assert [row["sample_id"] for row in first] == [row["sample_id"] for row in told]
    for field in ("scores", "boxes"):
        for ours, theirs in zip(first, told, strict=True):
            if field in theirs:
                torch.testing.assert_close(torch.tensor(ours[field]), torch.tensor(theirs[field]), rtol=1e-3, atol=1e-3)


def test_a_group_goes_on_where_a_killed_process_stopped(tmp_path: Path) -> None:
    """Each process reads the state that the first one kept, here of the second of three epochs."""
    whole = in_group("fine-tuning", tmp_path / "whole")
    killed = in_group("killed", tmp_path / "killed")
    assert (whole.returncode, killed.returncode) == (0, 1)
    state = training_of(tmp_path / "killed" / "0")["state"]
    assert state["epoch"] == 2
    again = in_group("resumed", tmp_path / "killed")
    assert again.returncode == 0, again.stderr
    ours, theirs = training_of(tmp_path / "killed" / "0"), training_of(tmp_path / "whole" / "0")
    assert ours["state"]["iter"] == theirs["state"]["iter"]
    for part, weights in theirs["best"].items():
        torch.testing.assert_close(ours["best"][part], weights, rtol=1e-5, atol=1e-7)


def test_a_loss_that_is_no_number_fails_the_group(tmp_path: Path) -> None:
    done = in_group("broken", tmp_path)
    assert done.returncode == 1
    assert "in epoch 1 - lower the recipe's lr" in done.stderr
