"""Real images and real encoders, entered as a third party enters them: a plugin of its own, files under its own name."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import pytest

from tests.e2e.conftest import Shell

SMALL = "small-encoders@cifar-resnet20,small-encoders@cifar-resnet32,small-encoders@random-resnet20"


@pytest.fixture
def encoders(shell: Shell, shared: Path, tmp_path: Path) -> Shell:
    """The command line with the third-party package installed, its weights and two real datasets in place."""
    _install_from_wheel(Path(__file__).parents[1] / "third_party", tmp_path)
    weights = shell.folder / "checkpoints" / "small-encoders"
    weights.mkdir(parents=True)
    for path in (shared / "data" / "encoders").glob("*.safetensors"):
        (weights / path.name).symlink_to(path)
    data = shell.folder / "data"
    data.mkdir()
    (data / "kermany").symlink_to(shared / "data" / "kermany-pneumonia-224")
    nih = data / "chestx-ray14"
    nih.mkdir()
    for name in ("Data_Entry_2017.csv", "BBox_List_2017.csv"):
        shutil.copy(shared / "data" / "nih-chestxray14-sample" / name, nih / name)
    (nih / "images").symlink_to(shared / "data" / "nih-chestxray14-sample" / "images")
    return shell


def _install_from_wheel(package: Path, folder: Path) -> None:
    """Build the package's wheel from a copy of it, and install that where the command line looks."""
    source = folder / "source"
    shutil.copytree(package, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    pip = [sys.executable, "-m", "pip", "-q", "--no-input", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "wheel", *options, "--wheel-dir", str(folder / "dist"), str(source)], check=True)
    (wheel,) = (folder / "dist").glob("medbench_small_encoders-*.whl")
    subprocess.run(
        [*pip, "install", "--no-deps", "--no-index", "--target", str(folder / "site"), str(wheel)], check=True
    )


def test_a_pretrained_encoder_beats_an_untrained_one_on_real_radiographs(encoders: Shell) -> None:
    tasks = "kermany-linear,kermany-knn,chestx-ray14-patient-linear"
    result = encoders("run", "--methods", SMALL, "--tasks", tasks, "--seeds", "0,1,2")
    found: dict[tuple[str, bool], list[float]] = {}
    for path in (encoders.folder / "results").glob("*/*/*.json"):
        record = json.loads(path.read_text())
        auroc = record["metrics"]["auroc"]
        assert not record["phantom"]
        assert auroc["low"] <= auroc["value"] <= auroc["high"]
        found.setdefault((record["task"], record["variant"].startswith("cifar")), []).append(auroc["value"])
    assert {key: len(values) for key, values in found.items()} == {
        (task, trained): 6 if trained else 3 for task in tasks.split(",") for trained in (True, False)
    }
    assert min(found["kermany-knn", True]) > max(found["kermany-knn", False])
    assert fmean(found["kermany-linear", True]) > fmean(found["kermany-linear", False])
    assert min(found["kermany-linear", True]) > 0.85
    assert "small-encoders@cifar-resnet20" in result.stdout
    encoders("tables")
    tables = encoders.folder / "results" / "tables"
    overview = (tables / "overview.md").read_text()
    assert "small-encoders@cifar-resnet20" in overview
    assert list(tables.glob("kermany-linear*.png"))
