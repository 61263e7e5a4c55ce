"""What a user's folder can hold that it should not: each is one line with its exit code, and nothing is lost."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch

from tests.e2e.conftest import Shell

RUN = ("run", "--methods", "mgca", "--tasks", "rsna-det", "--config", "medbench.toml")


@pytest.fixture
def drawn(shell: Shell) -> Shell:
    """A small phantom of RSNA and SIIM, no weights."""
    shell("phantom", ".", "--datasets", "rsna,siim", "--methods", "random", "--images", "24", "--side", "64")
    return shell


def rsna(shell: Shell) -> Path:
    return shell.folder / "data" / "rsna"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_truncated_dicom_among_good_ones_is_named_and_passed_over(drawn: Shell) -> None:
    path = sorted((rsna(drawn) / "stage_2_train_images").iterdir())[3]
    path.write_bytes(path.read_bytes()[:900])
    result = drawn("data", "prepare", "rsna")
    assert "rsna (phantom): 23 of 24 samples usable" in result.stderr
    assert f"1 x unreadable-image: {path.stem}" in result.stderr
    assert drawn("data", "verify", "rsna", code=3).returncode == 3


def test_half_of_the_images_missing(drawn: Shell) -> None:
    for path in sorted((rsna(drawn) / "stage_2_train_images").iterdir())[::2]:
        path.unlink()
    result = drawn("data", "prepare", "rsna", code=3)
    assert "rsna: 12 of 24 samples cannot be used" in result.stderr
    assert "--allow-incomplete" in result.stderr
    assert "12 of 24 samples usable" in drawn("data", "prepare", "rsna", "--allow-incomplete").stderr


def test_a_folder_without_its_label_file(drawn: Shell) -> None:
    (rsna(drawn) / "stage_2_train_labels.csv").unlink()
    result = drawn("data", "prepare", "rsna", code=3)
    assert "lacks stage_2_train_labels.csv - medbench show rsna says what belongs there" in result.stderr


def test_a_label_file_without_a_column(drawn: Shell) -> None:
    edit(rsna(drawn) / "stage_2_train_labels.csv", "width", "breadth")
    result = drawn("data", "prepare", "rsna", code=3)
    assert "stage_2_train_labels.csv" in result.stderr
    assert "width" in result.stderr
    assert "Traceback" not in result.stderr


def test_boxes_outside_the_image(drawn: Shell) -> None:
    path = rsna(drawn) / "stage_2_train_labels.csv"
    lines = path.read_text().splitlines()
    positive = next(number for number, line in enumerate(lines) if line.endswith(",1"))
    patient = lines[positive].partition(",")[0]
    lines.append(f"{patient},900.0,900.0,20.0,20.0,1")
    path.write_text("\n".join(lines) + "\n")
    result = drawn("data", "prepare", "rsna")
    assert "1 x box-outside" in result.stderr
    assert patient in result.stderr


def test_an_rle_that_overruns_the_image(drawn: Shell) -> None:
    path = next((drawn.folder / "data" / "siim").glob("*train*.csv"))
    lines = path.read_text().splitlines()
    number = next(number for number, line in enumerate(lines[1:], start=1) if not line.endswith("-1"))
    image = lines[number].partition(",")[0]
    lines[number] = f"{image},5 999999"
    path.write_text("\n".join(lines) + "\n")
    result = drawn("data", "prepare", "siim")
    assert "rle-overrun" in result.stderr
    assert image in result.stderr


def write_checkpoint(shell: Shell, content: object) -> Path:
    path = shell.folder / "checkpoints" / "mgca" / "resnet_50.ckpt"
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path


def state_dict(*keys: str) -> dict[str, dict[str, torch.Tensor]]:
    return {"state_dict": {key: torch.zeros(2, 2) for key in keys}}


def test_checkpoints_that_cannot_be_used(drawn: Shell) -> None:
    drawn("data", "prepare", "rsna")
    another = write_checkpoint(drawn, state_dict("img_encoder_q.model.blocks.0.mlp_l.fc1.weight"))
    result = drawn(*RUN, code=3)
    assert "FAILED mgca@resnet50 on rsna-det" in result.stderr
    assert "MedST" in result.stderr or "medst" in result.stderr
    another.write_bytes(another.read_bytes()[:300])
    assert "truncated or not a checkpoint" in drawn(*RUN, code=3).stderr
    marker = drawn.folder / "ran"
    write_checkpoint(drawn, Runs(f"open({str(marker)!r}, 'w')"))
    result = drawn(*RUN, code=3)
    assert "holds objects that only code could rebuild, so it was not loaded" in result.stderr
    another.write_bytes(pickle.dumps(Runs(f"open({str(marker)!r}, 'w')")))
    assert "Traceback" not in drawn(*RUN, code=3).stderr
    assert not marker.exists()
    assert list((drawn.folder / "results").glob("*/*/*.json")) == []


def test_the_plan_names_everything_that_is_missing_at_once(drawn: Shell) -> None:
    arguments = ("--methods", "mgca,medst,random", "--tasks", "rsna-det,covid-cxr-seg", "--json")
    rows = json.loads(drawn("plan", *arguments).stdout)
    states = {(row["method"], row["task"]): row["state"] for row in rows}
    assert states["random@resnet50", "rsna-det"] == "ready"
    assert states["random@resnet50", "covid-cxr-seg"] == "blocked"
    assert states["medst@vit-b16", "rsna-det"] == "blocked"


class Runs:
    """Pickles into a call of ``exec``."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (self.code,)
