"""R2Gen's annotation file (Chen et al., EMNLP 2020): which reports and images report generation is compared on.

One JSON object with the lists ``train``, ``val`` and ``test`` of records; of each, ``id``, ``report`` and ``image_path``, a
list of paths below the folder of the images, are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from medbench.errors import MissingDataError
from medbench.samples import Problem
from medbench_datasets.json_rows import read_json
from medbench_datasets.names import complain_of_path, is_plain_text, tidy_path
from medbench_datasets.texts import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANNOTATION = "annotation.json"
PARTS = {"train": "train", "val": "valid", "test": "test"}
SPLIT = "r2gen"


class Study(NamedTuple):
    """A record: its part, its report on one line, and its images as paths with '/'."""

    id: str
    part: str
    report: str
    images: tuple[str, ...]


class Annotation(NamedTuple):
    """The usable studies, in the order of the file, and how many different ones the file lists."""

    studies: tuple[Study, ...]
    listed: int


def read_annotation(path: Path, problems: list[Problem]) -> Annotation:
    """The studies of an annotation file.

    A malformed record, one without a report or with a path out of the folder, and a repeated id are reported and passed
    over. Raises `MissingDataError` where the file is not JSON, or lacks one of the three lists.
    """
    document = read_json(path)
    studies: dict[str, Study] = {}
    listed = 0
    for part, index, record in _records(path, document):
        where = f"{path.name}: {part}[{index}]"
        study, complaint = _study(record, PARTS[part])
        if study is not None and study.id in studies:
            problems.append(Problem("duplicate-id", where, f"a record before this one has the id '{study.id}' too"))
            continue
        listed += 1
        if study is None:
            problems.append(Problem("bad-row", where, f"{complaint}; passed over"))
        else:
            studies[study.id] = study
    return Annotation(tuple(studies.values()), listed)


def _records(path: Path, document: Any) -> Iterator[tuple[str, int, Any]]:
    lists = document if isinstance(document, dict) else {}
    missing = [part for part in PARTS if not isinstance(lists.get(part), list)]
    if missing:
        raise MissingDataError(f"{path} has no list '{missing[0]}'", fix="R2Gen's file has train, val and test")
    return ((part, index, record) for part in PARTS for index, record in enumerate(lists[part]))


def _study(record: object, part: str) -> tuple[Study | None, str]:
    """The record as a study, or None and why not."""
    fields = record if isinstance(record, dict) else {}
    identity, report, images = fields.get("id"), fields.get("report"), fields.get("image_path")
    if not (isinstance(identity, str | int) and str(identity).strip() and is_plain_text(str(identity))):
        return None, f"the id is {identity!r:.60}"
    if not isinstance(report, str) or not one_line(report):
        return None, f"'{identity}' has no report"
    if not (isinstance(images, list) and images and all(isinstance(image, str) for image in images)):
        return None, f"'{identity}' has no list image_path"
    complaint = next((wrong for image in images if (wrong := complain_of_path(image))), None)
    if complaint is not None:
        return None, f"'{identity}': {complaint}"
    return Study(str(identity), part, one_line(report), tuple(tidy_path(image) for image in images)), ""
