"""What an example is about: the sentences, the caption, the earlier image of a pair."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medbench.datasets import locate
from medbench.leaderboard.table import Specs
from medbench.preparation import prepare
from medbench.progress import Reporter
from medbench.report.build import Report, ReportOptions, build_report
from medbench.report.frames import CAPTION, TEXTS
from medbench.samples import RawDataset, Sample
from medbench.settings import Settings
from medbench.store import ResultStore
from tests.core import report_toys
from tests.core.report_toys import SECRET, keep, picture_of, settings_in, task

SENTENCES = ("The effusion has grown.", "The effusion is larger.\nIt is.", "", "c", "d", "e")
CAPTIONS = ("Axial view. " + "Long. " * 200, SECRET.upper() + " in s3")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


def read(root: Path) -> RawDataset:
    """``s0`` is of texts alone, ``s1`` is a pair, ``s2`` has a caption, ``s3`` what its truth says."""
    samples = (
        Sample(sample_id="s0", patient_id="p0", texts=SENTENCES),
        Sample(sample_id="s1", patient_id="p1", image="images/a.png", previous="images/b.png"),
        Sample(sample_id="s2", patient_id="p2", image="images/a.png", texts=("", CAPTIONS[0])),
        Sample(sample_id="s3", patient_id="p3", image="images/a.png", texts=CAPTIONS[1:]),
    )
    return RawDataset(samples=samples, splits={"official": {"test": [one.sample_id for one in samples]}})


def report(settings: Settings, *, lost: str = "", **toy: Any) -> Report:
    given = {"reader": "tests.core.test_report_frames:read", "supervision": frozenset({"captions"}), **toy}
    spec = replace(report_toys.dataset(), **given)
    root = settings.dataset_root("toy")
    (root / "images").mkdir(parents=True)
    for name, size in (("a.png", (40, 20)), ("b.png", (10, 30))):
        Image.fromarray(np.full(size[::-1], 90, np.uint8)).save(root / "images" / name)
    store = ResultStore(settings.results)
    keep(store, "a", 0.5, manifest_sha256=prepare(locate(spec, settings), Reporter()).sha256)
    if lost:
        (root / "images" / lost).write_bytes(b"not a picture")
    specs = Specs(tasks={"toy-det": task()}, datasets={"toy": spec})
    return build_report(store.read_all().records, specs, store, settings, ReportOptions(examples=6))


def shown(found: Report) -> dict[str, Any]:
    return {one.sample_id: one for one in found.payload.tables[0].examples}


def test_a_sample_of_texts_alone_shows_them(settings: Settings) -> None:
    example = shown(report(settings))["s0"]
    assert example.texts == tuple(text for text in SENTENCES if text)[:TEXTS]
    assert (example.image, example.image_note) == ("", "")


def test_a_caption_stands_beside_its_image_unless_the_truth_says_it(settings: Settings) -> None:
    found = shown(report(settings))
    (caption,) = found["s2"].texts
    assert caption.startswith("Axial view.")
    assert caption.endswith("…")
    assert len(caption) == CAPTION
    assert found["s3"].texts == ()


def test_texts_that_are_no_captions_are_not_shown_beside_an_image(settings: Settings) -> None:
    assert shown(report(settings, supervision=frozenset({"labels"})))["s2"].texts == ()


def test_a_pair_shows_both_images(settings: Settings) -> None:
    found = shown(report(settings))
    previous = found["s1"].previous
    assert (previous.width, previous.height) == picture_of(previous.image).size == (10, 30)
    assert (found["s1"].width, found["s1"].height) == (40, 20)
    assert found["s2"].previous is None


def test_an_earlier_image_that_is_lost_is_told(settings: Settings) -> None:
    found = report(settings, lost="b.png")
    example = shown(found)["s1"]
    assert example.previous is None
    assert example.image
    assert example.image_note == "the earlier image cannot be read"
    assert "b.png" in found.damage[0]
