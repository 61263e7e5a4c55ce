"""Frozen classification as a user runs it: one pass of the encoder, own images, odd images, broken caches and methods."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.e2e.conftest import Shell, install

FROZEN = "kermany-linear,kermany-knn,kermany-3class-linear,kermany-3class-knn"


@pytest.fixture
def pixels(shell: Shell, tmp_path: Path) -> Shell:
    """The command line with the method ``pixels`` installed; loads of its model are listed in ``loads.txt``."""
    install(tmp_path / "site", "pixels-plugin", "medbench_pixels")
    shell.environment["PIXELS_LOADS"] = str(tmp_path / "loads.txt")
    return shell


@pytest.fixture
def kermany(pixels: Shell) -> Shell:
    pixels("phantom", ".", "--datasets", "kermany", "--methods", "pixels", "--images", "60", "--side", "64")
    return pixels


def records(shell: Shell) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((shell.folder / "results").glob("*/*/*.json"))]


def loads(shell: Shell) -> int:
    return len(Path(shell.environment["PIXELS_LOADS"]).read_text().splitlines())


def test_the_encoder_passes_once_for_all_frozen_tasks_and_fractions(kermany: Shell) -> None:
    result = kermany("run", "--methods", "pixels", "--tasks", FROZEN, "--fractions", "0.5,1")
    assert "kermany-linear" in result.stdout
    found = records(kermany)
    assert len(found) == 8
    assert sum(record["notes"]["encoded"] for record in found) == 60
    assert loads(kermany) == 2  # half of the training part, then the rest of it
    kermany("run", "--methods", "pixels", "--tasks", "kermany-linear", "--fractions", "0.25")
    assert loads(kermany) == 2


def test_a_learnable_finding_is_found_above_the_constant_answer(kermany: Shell) -> None:
    kermany("run", "--methods", "pixels", "--tasks", "kermany-linear")
    (record,) = records(kermany)
    assert record["phantom"]
    assert record["metrics"]["auroc"]["value"] > record["floors"]["constant"]["auroc"]["value"]
    assert (
        record["metrics"]["auroc"]["low"] <= record["metrics"]["auroc"]["value"] <= record["metrics"]["auroc"]["high"]
    )


@pytest.mark.parametrize("harm", ["cut", "flip"])
def test_a_damaged_cache_is_said_and_computed_again(kermany: Shell, harm: str) -> None:
    kermany("run", "--methods", "pixels", "--tasks", "kermany-linear")
    for path in (kermany.folder / "cache" / "features").glob("*/*.safetensors"):
        data = bytearray(path.read_bytes())
        data[-2] ^= 1
        path.write_bytes(data[:-9] if harm == "cut" else data)
    result = kermany("run", "--methods", "pixels", "--tasks", "kermany-knn")
    assert "damaged" in result.stderr
    knn = next(record for record in records(kermany) if record["task"] == "kermany-knn")
    assert (knn["notes"]["encoded"], knn["notes"]["damaged_cache_files"]) == (60, 3)  # one a part


def test_the_cache_is_listed_and_cleared(kermany: Shell) -> None:
    kermany("run", "--methods", "pixels", "--tasks", "kermany-linear")
    listed = [one for one in json.loads(kermany("cache", "ls", "--json").stdout) if one["kind"] == "features"]
    assert [(one["model"]["method"], one["dataset"], one["rows"]) for one in listed] == [("pixels", "kermany", 60)]
    assert "pixels@grid" in kermany("cache", "ls").stdout
    assert "0 of " in kermany("cache", "gc").stdout
    assert "1 of 1 entries" in kermany("cache", "gc", "--kind", "features", "--method", "pixels", "--dry-run").stdout
    assert "nothing of that name is kept" in kermany("cache", "gc", "--dataset", "rsna", code=2).stderr
    kermany("cache", "gc", "--all")
    assert json.loads(kermany("cache", "ls", "--json").stdout) == []


def test_features_of_data_that_were_prepared_anew_are_collected(kermany: Shell) -> None:
    kermany("run", "--methods", "pixels", "--tasks", "kermany-linear")
    next((kermany.folder / "data" / "kermany").rglob("*.jpeg")).unlink()
    kermany("data", "prepare", "kermany", "--allow-incomplete")
    assert "1 of 1 entries" in kermany("cache", "gc", "--kind", "features").stdout


def test_a_method_that_answers_nan_fails_with_its_name_and_the_others_go_on(kermany: Shell) -> None:
    result = kermany("run", "--methods", "pixels@nan,pixels@grid", "--tasks", "kermany-linear", code=1)
    assert "pixels@nan gives features that are not finite" in result.stderr + result.stdout
    assert [record["variant"] for record in records(kermany)] == ["grid"]


def test_prompts_of_ones_own_enter_the_record_without_the_folder(kermany: Shell) -> None:
    path = kermany.folder / "secret-folder" / "mine.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"Pneumonia": {"positive": ["sick " * 500], "negative": ["well"]}}))
    kermany("run", "--methods", "pixels@words", "--tasks", "kermany-zeroshot", "--set", f"prompts={path}")
    (record,) = records(kermany)
    assert "secret-folder" not in json.dumps(record)
    assert "sick" in json.dumps(record["recipe_values"])
    again = kermany("run", "--methods", "pixels@words", "--tasks", "kermany-zeroshot", "--set", f"prompts={path}")
    assert len(records(kermany)) == 1, again.stderr
    kermany("rescore")


def test_zero_shot_needs_texts_or_queries_and_says_so(kermany: Shell) -> None:
    result = kermany("run", "--methods", "pixels@grid", "--tasks", "kermany-zeroshot")
    assert "pixels@grid has no TextEncoder, nor QueryClassifier" in result.stderr


def own_images(folder: Path) -> list[tuple[str, int, str]]:
    """Images of every odd kind and thirty plain ones under ``folder``: name, label and part of each."""
    generator = np.random.default_rng(0)

    def noise(*shape: int) -> np.ndarray:
        return generator.integers(0, 256, shape, dtype=np.uint8)

    folder.mkdir(parents=True)
    odd = {
        "black.png": Image.fromarray(np.zeros((40, 40), np.uint8)),
        "deep.png": Image.fromarray(generator.integers(0, 65536, (40, 40)).astype(np.uint16)),
        "rgba.png": Image.fromarray(noise(40, 40, 4), "RGBA"),
        "cmyk.jpg": Image.fromarray(noise(40, 40, 4), "CMYK"),
        "dot.png": Image.fromarray(noise(1, 1)),
        "wide.png": Image.fromarray(noise(2, 20_000)),
    }
    for name, image in odd.items():
        image.save(folder / name)
    for index in range(30):
        Image.fromarray((noise(40, 40) // 2 + 120 * (index % 2)).astype(np.uint8)).save(folder / f"n{index}.png")
    names = [*odd, *(f"n{index}.png" for index in range(30))]
    parts = ["train", "train", "test", "train", "valid", "test"]
    return [(name, index % 2, parts[index % 6]) for index, name in enumerate(names)]


def test_a_label_without_a_single_value_is_left_out_of_the_mean_by_name(pixels: Shell) -> None:
    folder = pixels.folder / "data" / "csv"
    rows = [f"{name},{label},,{part}" for name, label, part in own_images(folder)]
    (folder / "labels.csv").write_text("image,sick,never,split\n" + "\n".join(rows) + "\n")
    pixels("run", "--methods", "pixels", "--tasks", "csv-linear")
    (record,) = records(pixels)
    assert record["metrics"]["auroc"]["value"] is not None
    assert "never" in record["metrics"]["auroc"]["note"]


def test_odd_images_and_missing_labels_go_through(pixels: Shell) -> None:
    folder = pixels.folder / "data" / "csv"
    blanks = {8: "", 15: "nan", 22: "-1"}
    rows = [f"{name},{blanks.get(index, label)},{part}" for index, (name, label, part) in enumerate(own_images(folder))]
    (folder / "labels.csv").write_text("image,sick,split\n" + "\n".join(rows) + "\n")
    result = pixels("run", "--methods", "pixels", "--tasks", "csv-linear,csv-knn")
    assert "flat-image: black.png" in result.stderr
    found = records(pixels)
    assert {record["task"] for record in found} == {"csv-linear", "csv-knn"}
    assert all(record["metrics"]["auroc"]["value"] is not None for record in found)


def test_a_test_part_of_one_class_gives_no_auroc_and_says_why(pixels: Shell) -> None:
    folder = pixels.folder / "data" / "csv"
    lines = [f"{name},{1 if part == 'test' else label},{part}" for name, label, part in own_images(folder)]
    (folder / "labels.csv").write_text("image,sick,split\n" + "\n".join(lines) + "\n")
    result = pixels("run", "--methods", "pixels", "--tasks", "csv-linear")
    (record,) = records(pixels)
    assert record["metrics"]["auroc"]["value"] is None
    assert "sick" in record["metrics"]["auroc"]["note"]
    assert record["metrics"]["accuracy"]["value"] is not None
    assert "csv-linear" in result.stdout


def test_folders_of_images_need_no_plugin(pixels: Shell) -> None:
    generator = np.random.default_rng(0)
    for name, level in (("dark", 60), ("b|right <b>", 190)):
        folder = pixels.folder / "data" / "image-folder" / name
        folder.mkdir(parents=True)
        for index in range(20):
            pixels_of = generator.normal(level, 15, (30, 50)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels_of).save(folder / f"{index}.png")
    pixels("run", "--methods", "pixels", "--tasks", "image-folder-linear")
    (record,) = records(pixels)
    assert record["metrics"]["accuracy"]["value"] == 1.0
    pixels("leaderboard", "build")
