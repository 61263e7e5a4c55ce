"""Brain panels: which part of a figure a caption is of, by letter and as released, and bad boxes."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from medbench.datasets import DatasetFiles
from medbench.errors import MissingDataError
from medbench.images import read_region
from medbench.manifest import Manifest
from medbench.preparation import examine
from medbench.progress import Reporter
from medbench.samples import PhantomSize, Region
from medbench_datasets import brain_pubmed_panels, brain_pubmed_panels_first, brain_pubmed_phantom
from tests.datasets.tampering import kinds

if TYPE_CHECKING:
    from pathlib import Path

SIZE = PhantomSize(images=14, side=48, seed=1)
PANELS = {
    (figure.name, panel.letter): panel for figure in brain_pubmed_phantom.draw_figures(SIZE) for panel in figure.panels
}
BOXES = [
    {"x": 1, "y": 2, "w": 10, "h": 12, "OCR": ["a\n1", "a", "1"]},
    {"x": 20, "y": 2, "w": 10, "h": 12, "OCR": ["b"]},
    {"x": 20.6, "y": 20.4, "w": 10.2, "h": 12.2, "OCR": ["b", "c"]},
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    brain_pubmed_phantom.write_panels(tmp_path, SIZE)
    return tmp_path


def one_figure(root: Path, boxes: Any, letter: str, folder: str = "boxes") -> None:
    """Leave one row, of figure 0 and panel ``letter``, with these boxes."""
    for name in ("train", "val", "test"):
        rows = [{"Img_id": "0.png", "Sub_ID": letter, "text": "caption"}] if name == "train" else []
        (root / f"{name}.json").write_text(json.dumps(rows), encoding="utf-8")
    (root / folder).mkdir(parents=True, exist_ok=True)
    (root / folder / "0.png.json").write_text(json.dumps(boxes), encoding="utf-8")


def test_the_phantom_s_captions_are_of_the_panels_they_were_drawn_as(root: Path) -> None:
    raw = brain_pubmed_panels.read(root)
    assert raw.problems == ()
    assert len(raw.samples) == len(PANELS)
    for sample in raw.samples:
        letter = sample.details.get("panel", "")
        panel = PANELS[sample.image.removeprefix("images/"), letter]
        assert sample.texts == (panel.caption,)
        assert sample.region == (panel.region if letter else None)
        assert sample.details["crop"] == ("letter" if letter else "whole")
        pixels = read_region(root / sample.image, sample.region, colour=True)[:, :, 0]
        assert np.mean(pixels == panel.scene.pixels) > 0.9, "but for the letter"


def test_every_panel_of_a_figure_is_the_first_box_as_released(root: Path) -> None:
    raw = brain_pubmed_panels.read_first(root)
    assert {sample.details["crop"] for sample in raw.samples} == {"first"}
    regions: dict[str, set[Region | None]] = {}
    for sample in raw.samples:
        regions.setdefault(sample.image, set()).add(sample.region)
    assert all(len(found) == 1 and None not in found for found in regions.values())
    assert brain_pubmed_panels_first.SPEC.reader.endswith(":read_first")


def test_both_readings_agree_in_all_but_regions(root: Path) -> None:
    by_letter, first = brain_pubmed_panels.read(root), brain_pubmed_panels.read_first(root)
    assert first.splits == by_letter.splits
    assert [one.texts for one in first.samples] == [one.texts for one in by_letter.samples]


def test_figures_lie_in_several_parts_as_released_and_in_one_of_the_figure_split(root: Path) -> None:
    raw = brain_pubmed_panels.read(root)
    figure_of = {sample.sample_id: sample.image for sample in raw.samples}
    shares = {
        name: sum(len({figure_of[one] for one in ids}) for ids in parts.values()) for name, parts in raw.splits.items()
    }
    assert shares["figure"] == len(set(figure_of.values())) == SIZE.images < shares["as-released"]


def test_the_core_keeps_the_regions(root: Path, tmp_path: Path) -> None:
    (root / "PHANTOM.json").write_text("{}")
    files = DatasetFiles(brain_pubmed_panels.SPEC, root, (), tmp_path / "info.json", tmp_path / "table.parquet")
    table = examine(files, Reporter()).table
    manifest = Manifest("brain-pubmed-panels", root, (), "", True, table, colour=True)
    distinct, index = manifest.distinct()
    assert len(distinct) == len(manifest) == len(index) == len(PANELS)


@pytest.mark.parametrize(
    ("boxes", "letter", "region", "rule"),
    [
        (BOXES, "", None, "whole"),
        (BOXES, "a", Region(1, 2, 10, 12), "letter"),
        (BOXES, "b", Region(20, 2, 10, 12), "letter"),
        (BOXES, "c", Region(21, 20, 10, 13), "letter"),
        (BOXES, "A", None, "unmatched"),
        (BOXES, "d", None, "unmatched"),
        (BOXES[:1], "b", None, "single"),
        ([], "a", None, "unmatched"),
        ([{"x": 1, "y": 1, "w": 5, "h": 5}, {"x": 9, "y": 9, "w": 5, "h": 5}], "a", None, "unmatched"),
    ],
)
def test_the_rule_by_letter(root: Path, boxes: Any, letter: str, region: Region | None, rule: str) -> None:
    one_figure(root, boxes, letter)
    sample = brain_pubmed_panels.read(root).samples[0]
    assert (sample.region, sample.details["crop"]) == (region, rule)


@pytest.mark.parametrize(("boxes", "region"), [(BOXES, Region(1, 2, 10, 12)), ([], None)])
def test_the_rule_as_released(root: Path, boxes: Any, region: Region | None) -> None:
    one_figure(root, boxes, "b")
    assert brain_pubmed_panels.read_first(root).samples[0].region == region


def test_boxes_of_the_release_s_folders_are_found_the_later_ones_first(root: Path) -> None:
    one_figure(root, BOXES, "a", folder="bounding_boxes_20k")
    (root / "boxes").rename(root / "elsewhere")
    assert brain_pubmed_panels.read(root).samples[0].region == Region(1, 2, 10, 12)
    one_figure(root, BOXES[1:], "b", folder="bound/bounding_boxes_new")
    assert brain_pubmed_panels.read(root).samples[0].region == Region(20, 2, 10, 12)


@pytest.mark.parametrize("read", [brain_pubmed_panels.read, brain_pubmed_panels.read_first])
def test_figures_without_boxes_are_whole_and_counted(root: Path, read: Any) -> None:
    (root / "boxes" / "0.png.json").unlink()
    (root / "boxes" / "1.png.json").write_text('[{"x": 1,', encoding="utf-8")
    (root / "boxes" / "2.png.json").write_text("{}", encoding="utf-8")
    raw = read(root)
    assert Counter(kinds(raw)) == {"missing-boxes": 1, "bad-boxes": 2}
    spoilt = [one for one in raw.samples if one.image in {"images/0.png", "images/1.png", "images/2.png"}]
    assert {(one.region, one.details["crop"]) for one in spoilt} == {(None, "no-boxes")}


def test_a_figure_whose_boxes_no_file_can_be_named_after_is_whole(root: Path) -> None:
    name = f"{'x' * 250}.png"
    (root / "images" / "0.png").rename(root / "images" / name)
    one_figure(root, BOXES, "a")
    (root / "train.json").write_text(json.dumps([{"Img_id": name, "Sub_ID": "a", "text": "x"}]), encoding="utf-8")
    raw = brain_pubmed_panels.read(root)
    assert kinds(raw) == ["missing-boxes"]
    assert raw.samples[0].region is None


def test_without_any_folder_of_boxes_one_problem_says_so(root: Path) -> None:
    (root / "boxes").rename(root / "elsewhere")
    raw = brain_pubmed_panels.read(root)
    assert kinds(raw) == ["missing-boxes"]
    assert f"all {SIZE.images} figures" in raw.problems[0].detail
    assert {one.region for one in raw.samples} == {None}


@pytest.mark.parametrize(
    "bad",
    [
        {"x": 1},
        {"x": 1, "y": 1, "w": 0, "h": 4},
        {"x": "?", "y": 1, "w": 1, "h": 1},
        {"x": int("9" * 400), "y": 1, "w": 1, "h": 1},
        {"x": 1e308, "y": 1, "w": 1e308, "h": 1},
        5,
    ],
)
def test_entries_that_are_no_rectangle_are_left_out(root: Path, bad: Any) -> None:
    one_figure(root, [bad, *BOXES], "a")
    raw = brain_pubmed_panels.read(root)
    assert kinds(raw) == ["bad-boxes"]
    assert raw.samples[0].region == Region(1, 2, 10, 12)


def test_an_infinite_box_and_a_letter_that_is_no_text_are_reported(root: Path) -> None:
    one_figure(root, [{"x": float("inf"), "y": 1, "w": 1, "h": 1}], "a")
    assert kinds(brain_pubmed_panels.read(root)) == ["bad-boxes"]
    (root / "train.json").write_text('[{"Img_id": "0.png", "Sub_ID": ["a"], "text": "x"}]', encoding="utf-8")
    raw = brain_pubmed_panels.read(root)
    assert kinds(raw) == ["bad-row"]
    assert raw.samples == ()


def test_the_undivided_list_of_sub_captions_is_read(root: Path) -> None:
    rows = [row for name in ("train", "val", "test") for row in json.loads((root / f"{name}.json").read_text())]
    for name in ("train", "val", "test"):
        (root / f"{name}.json").unlink()
    with pytest.raises(MissingDataError, match=r"med_captions_processed\.json"):
        brain_pubmed_panels.read(root)
    (root / "med_captions_processed.json").write_text(json.dumps(rows), encoding="utf-8")
    assert len(brain_pubmed_panels.read(root).splits["figure"]["train"]) > 1
