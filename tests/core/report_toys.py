"""A dataset of six pictures with a protocol that offers `Exhibits` on it, for the tests of the report."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from medbench.datasets import PHANTOM_MARK, locate
from medbench.leaderboard.table import Specs
from medbench.masks import encode_mask
from medbench.preparation import prepare
from medbench.progress import Reporter
from medbench.protocols import Example, Shown
from medbench.records import MetricValue, Record
from medbench.report.build import Report, ReportOptions, build_report
from medbench.report.payload import Payload
from medbench.samples import Box, RawDataset, Sample
from medbench.settings import Settings
from medbench.specs import DatasetSpec, ExpectedFile, Recipe, SplitSpec, TaskSpec
from medbench.store import ResultStore
from tests.core.record_maker import make_record
from tests.core.table_toys import toy_task

WIDTH, HEIGHT = 40, 20
SECRET = "a spiculated mass of the left upper lobe"
QUESTION = "Where is the finding?"
KINDS = ("text", "boxes", "mask", "heat", "regions", "missing")


class Shows:
    """Sample ``s<i>`` is an example of ``KINDS[i]``; even ones are right."""

    def score(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> dict[str, MetricValue]:
        return {}

    def examples(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table, count: int) -> Sequence[Example]:
        assert "source" not in predictions.column_names
        found = [_example(one["sample_id"], one["skill"]) for one in predictions.to_pylist()]
        right = [one for one in found if one.right][:count]
        return [*right, *[one for one in found if not one.right][:count]]


class Boastful(Shows):
    """More examples than were asked for, wrong before right."""

    def examples(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table, count: int) -> Sequence[Example]:
        return list(reversed(super().examples(task, recipe, predictions, 100)))


class Broken(Shows):
    """Raises with a place of this machine in its words."""

    def examples(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table, count: int) -> Sequence[Example]:
        raise ValueError("no such thing in /home/someone/secret")


PROTOCOL, BOASTFUL, BROKEN = Shows(), Boastful(), Broken()


def _example(sample_id: str, skill: float) -> Example:
    index = int(sample_id[1:])
    truth, answer = Shown(text=f"{SECRET} in {sample_id}\x1b[31m\u202e"), Shown(text=f"skill {skill}")
    if KINDS[index] == "boxes":
        truth = Shown(boxes=(Box(1, 10, 5, 20, 10),))
        boxes = (Box(0, -4, 0, 8, 10), Box(7, 20, 10, 40, 40), Box(0, 100, 100, 5, 5), Box(0, float("nan"), 0, 1, 1))
        answer = Shown(boxes=boxes, scores=(0.25, 0.75, 0.5, 0.9))
    if KINDS[index] == "mask":
        pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
        pixels[5:15, 10:30] = 1
        truth, answer = Shown(mask=encode_mask(pixels)), Shown(mask=encode_mask(np.zeros_like(pixels)))
    if KINDS[index] == "heat":
        answer = Shown(heat=np.array([[0, 1], [2, 4]], np.float32))
    if KINDS[index] == "regions":
        truth = Shown(boxes=(Box(0, 10, 0, 10, 10),))
    return Example(
        sample_id=sample_id, right=index % 2 == 0, truth=truth, answer=answer, score=index / 10, measure="toy"
    )


def dataset(access: Any = "open") -> DatasetSpec:
    """The toy's spec; ``access`` may also be ``own``, for open data of the user's own."""
    return DatasetSpec(
        id="toy",
        title="Toy",
        modality="none",
        access="open" if access == "own" else access,
        tags=("own",) if access == "own" else (),
        licence="CC0-1.0",
        url="https://example.org/toy",
        files=(ExpectedFile(path="images", purpose="images", kind="folder"),),
        supervision=frozenset({"boxes"}),
        label_names=(),
        box_names=("nodule", "mass"),
        splits=(SplitSpec(name="official", rule="all", source="none"),),
        reader="tests.core.report_toys:read",
    )


def read(root: Path) -> RawDataset:
    """A sample a picture but the last kind; that of regions is the right half of its picture, that of texts a question."""
    samples = [
        Sample(
            sample_id=f"s{index}",
            patient_id=f"p{index}",
            image=f"images/{index}.png",
            region=(20, 0, 20, 20) if kind == "regions" else None,  # type: ignore[arg-type]
            texts=(QUESTION,) if kind == "text" else (SECRET,),
            answers=("there",) if kind == "text" else (),
        )
        for index, kind in enumerate(KINDS)
        if kind != "missing"
    ]
    return RawDataset(samples=tuple(samples), splits={"official": {"test": [one.sample_id for one in samples]}})


def write_data(settings: Settings, *, access: str = "open", phantom: bool = False) -> str:
    """Draw and prepare the toy; gives the manifest's hash."""
    root = settings.dataset_root("toy")
    (root / "images").mkdir(parents=True)
    for index, kind in enumerate(KINDS):
        if kind != "missing":
            pixels = np.full((HEIGHT, WIDTH), 40 * index, np.uint8)
            pixels[:, WIDTH // 2 :] += 50
            Image.fromarray(pixels).save(root / "images" / f"{index}.png")
    if phantom:
        (root / PHANTOM_MARK).write_text("{}")
    return prepare(locate(dataset(access), settings), Reporter()).sha256


def keep(store: ResultStore, method: str, skill: float, **changes: Any) -> Record:
    """Write a trial with predictions for `Shows`."""
    record = make_record(method, skill, **changes)
    rows = [
        {"source": source, "sample_id": f"s{index}", "patient_id": f"p{index}", "skill": skill}
        for index in range(len(KINDS))
        for source in ("model", "guess")
    ]
    store.write(record, pa.Table.from_pylist(rows))
    return record


def task(shows: str = "PROTOCOL", **changes: Any) -> TaskSpec:
    """The task that `keep` writes trials of."""
    return toy_task(loader=f"tests.core.report_toys:{shows}", **changes)


def settings_in(folder: Path) -> Settings:
    """Settings that keep everything below ``folder``."""
    return Settings(data=folder / "data", results=folder / "results", cache=folder / "cache")


def report_of(
    settings: Settings, *tasks: TaskSpec, access: Any = "open", records: Sequence[Record] | None = None, **options: Any
) -> Report:
    """The report of what lies in the results."""
    store = ResultStore(settings.results)
    loaded = store.read_all()
    specs = Specs(tasks={one.id: one for one in tasks or (task(),)}, datasets={"toy": dataset(access)})
    found = loaded.records if records is None else records
    return build_report(found, specs, store, settings, ReportOptions(**options), problems=loaded.problems)


def payload_of(settings: Settings, *tasks: TaskSpec, **options: Any) -> Payload:
    """That of a report without damage."""
    report = report_of(settings, *tasks, **options)
    assert report.damage == ()
    return report.payload


def picture_of(uri: str) -> Image.Image:
    """What a data URI shows."""
    assert uri.startswith("data:image/")
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))
