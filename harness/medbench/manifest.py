"""A dataset as one table: a row per sample, standard columns, a content hash, kept as Parquet.

Columns: ``sample_id``, ``patient_id``, ``image`` (relative path), ``image_sha256``, ``height``, ``width``, ``labels``
(int8 per label name, -1 unknown, -2 uncertain), ``boxes`` (x, y, width, height in pixels; null = not annotated),
``box_labels``, ``mask_size`` and ``mask_counts`` (COCO run-length; null = not annotated), ``sex``, ``age``, ``view``,
``splits`` (``"<split>/<part>"`` strings), ``previous`` (the earlier image of a pair) with ``previous_sha256``,
``texts``, ``others`` (further images of a study) with ``others_sha256``, ``region`` (x, y, width, height; null = the whole
image), ``answers`` and ``details`` (a map). A sample of texts alone has '' for ``image`` and its hash, and no size. Only
readable images are in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pyarrow as pa

from medbench.datasets import no_part
from medbench.errors import MissingDataError
from medbench.images import read_region
from medbench.pixels.reducing import reduced
from medbench.samples import Box, Mask, Region, Sample
from medbench.table_rows import rows_at, rows_with, values_in

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medbench.pixels.sources import Sources
    from medbench.pixels.store import KeptPixels

ATTRIBUTES = ("sex", "age", "view")

SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("patient_id", pa.string(), nullable=False),
        pa.field("image", pa.string(), nullable=False),
        pa.field("image_sha256", pa.string(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("labels", pa.list_(pa.int8()), nullable=False),
        pa.field("boxes", pa.list_(pa.list_(pa.float64(), 4))),
        pa.field("box_labels", pa.list_(pa.int32())),
        pa.field("mask_size", pa.list_(pa.int32(), 2)),
        pa.field("mask_counts", pa.binary()),
        *(pa.field(name, pa.string()) for name in ATTRIBUTES),
        pa.field("splits", pa.list_(pa.string()), nullable=False),
        pa.field("previous", pa.string(), nullable=False),
        pa.field("previous_sha256", pa.string(), nullable=False),
        pa.field("texts", pa.list_(pa.string()), nullable=False),
        pa.field("others", pa.list_(pa.string()), nullable=False),
        pa.field("others_sha256", pa.list_(pa.string()), nullable=False),
        pa.field("region", pa.list_(pa.int32(), 4)),
        pa.field("answers", pa.list_(pa.string()), nullable=False),
        pa.field("details", pa.map_(pa.string(), pa.string()), nullable=False),
    ]
)


Which = Literal["image", "previous"] | int
"""Which image of a sample: its own, the earlier one of a pair, or the number of a further one of its study, from 0."""


class Picture(NamedTuple):
    """An image, or a region of one, by its path under the root."""

    path: str
    region: Region | None = None

    @property
    def id(self) -> str:
        """``path``, or ``path#x,y,width,height``."""
        return self.path if self.region is None else f"{self.path}#{','.join(map(str, self.region))}"


@dataclass(frozen=True, slots=True)
class Row:
    """One sample of a manifest. Boxes are in pixels of the original image of ``height`` x ``width``.

    ``image`` is the dataset's root for a sample of texts alone; ``previous`` is None unless the sample is a pair.
    """

    sample_id: str
    patient_id: str
    image: Path
    height: int
    width: int
    labels: tuple[int, ...]
    boxes: tuple[Box, ...] | None
    mask: Mask | None
    previous: Path | None = None
    texts: tuple[str, ...] = ()
    others: tuple[Path, ...] = ()
    region: Region | None = None
    answers: tuple[str, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)
    read: Callable[[], NDArray[np.uint8]] | None = field(default=None, repr=False, compare=False)

    def pixels(self) -> NDArray[np.uint8]:
        """`Manifest.read_grey` of its picture; a row of no manifest is decoded from its image at full size."""
        return read_region(self.image, self.region, colour=False) if self.read is None else self.read()


@dataclass(frozen=True)
class Manifest:
    """Rows of one dataset, or of a part of it.

    ``sha256`` is the content hash of the whole dataset's table and stays the same in every part and subset. ``root`` is
    where ``image`` paths start. ``colour`` says that its images are read as RGB.

    ``side``: pictures whose shorter side is longer are read at that side; 0: at their full size. ``sources`` knows the files
    that it was made from, and ``kept`` has their pixels; without them every read decodes, and gives the same.
    """

    dataset: str
    root: Path
    label_names: tuple[str, ...]
    sha256: str
    phantom: bool
    table: pa.Table
    box_names: tuple[str, ...] = ()
    colour: bool = False
    side: int = 0
    sources: Sources | None = None
    kept: KeptPixels | None = None

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def sample_ids(self) -> list[str]:
        ids: list[str] = self.table.column("sample_id").to_pylist()
        return ids

    @cached_property
    def patient_ids(self) -> list[str]:
        ids: list[str] = self.table.column("patient_id").to_pylist()
        return ids

    @cached_property
    def labels(self) -> NDArray[np.int8]:
        """(N, label names) values of `medbench.samples.Sample.labels`: -1 unknown, -2 uncertain."""
        import numpy as np

        width = len(self.label_names)
        flat = self.table.column("labels").combine_chunks().flatten()
        return np.asarray(flat, np.int8).reshape(len(self), width) if len(self) else np.zeros((0, width), np.int8)

    def attribute(self, name: str) -> list[str]:
        """``sex``, ``age`` or ``view`` of each sample, '' where unknown."""
        return [value or "" for value in self.table.column(name).to_pylist()]

    @cached_property
    def texts(self) -> list[list[str]]:
        """What is said of each sample."""
        texts: list[list[str]] = self.table.column("texts").to_pylist()
        return texts

    @cached_property
    def answers(self) -> list[list[str]]:
        """The right answers to each sample's question."""
        answers: list[list[str]] = self.table.column("answers").to_pylist()
        return answers

    def detail(self, name: str) -> list[str]:
        """A further column of the dataset, '' where a sample has none."""
        return [dict(values).get(name, "") for values in self.table.column("details").to_pylist()]

    def pictures(self, image: Which = "image") -> list[Picture]:
        """What is to be decoded of each sample. Raises `MissingDataError` where one has no such image."""
        names: list[str]
        regions: list[list[int] | None]
        if isinstance(image, int):
            names = [(others[image : image + 1] or [""])[0] for others in self.table.column("others").to_pylist()]
            regions = [None] * len(names)
        else:
            names = self.table.column(image).to_pylist()
            regions = self.table.column("region").to_pylist() if image == "image" else [None] * len(names)
        if "" in names:
            which = {"image": "no image", "previous": "no earlier image"}.get(str(image), f"no further image {image}")
            raise MissingDataError(f"{self.dataset}: sample {self.sample_ids[names.index('')]} has {which}")
        return [Picture(name, Region(*region) if region else None) for name, region in zip(names, regions, strict=True)]

    def read(self, picture: Picture) -> NDArray[np.uint8]:
        """A picture's pixels, (H, W) or (H, W, 3) uint8, maybe read-only; larger ones than ``side`` are reduced to it.

        So their shape need not be that of the row, nor their aspect to the last pixel. Raises `medbench.images.ImageError`,
        and `MissingDataError` where the file is no longer the one that was prepared.
        """
        source = None if self.sources is None else self.sources.sha256(picture.path)
        if self.kept is not None and source is not None:
            pixels = self.kept.get(picture, source)
            if pixels is not None:
                return pixels
        return reduced(read_region(self.root / picture.path, picture.region, colour=self.colour), self.side)

    def read_grey(self, picture: Picture) -> NDArray[np.uint8]:
        """`read` as (H, W) uint8 grey; pictures in colour are kept in colour alone, so here they are decoded."""
        if not self.colour:
            return self.read(picture)
        if self.sources is not None:
            self.sources.sha256(picture.path)
        return reduced(read_region(self.root / picture.path, picture.region, colour=False), self.side)

    def distinct(self) -> tuple[Manifest, NDArray[np.int64]]:
        """One row for each picture, in order of first appearance, and for each sample (N,) the index of its row there."""
        import numpy as np

        places: dict[Picture, int] = {}
        pictures = self.pictures()
        index = [places.setdefault(picture, len(places)) for picture in pictures]
        first: dict[int, int] = {}
        for row, place in enumerate(index):
            first.setdefault(place, row)
        return self.take(list(first.values())), np.asarray(index, np.int64)

    def row(self, index: int) -> Row:
        """The sample at ``index``."""
        values: dict[str, Any] = self.table.slice(index, 1).to_pylist()[0]
        boxes = values["boxes"]
        size = values["mask_size"]
        region = None if values["region"] is None else Region(*values["region"])
        return Row(
            sample_id=values["sample_id"],
            patient_id=values["patient_id"],
            image=self.root / values["image"],
            height=values["height"],
            width=values["width"],
            labels=tuple(values["labels"]),
            boxes=None
            if boxes is None
            else tuple(Box(label, *box) for label, box in zip(values["box_labels"], boxes, strict=True)),
            mask=None if size is None else Mask(size[0], size[1], values["mask_counts"]),
            previous=self.root / values["previous"] if values["previous"] else None,
            texts=tuple(values["texts"]),
            others=tuple(self.root / name for name in values["others"]),
            region=region,
            answers=tuple(values["answers"]),
            details=dict(values["details"]),
            read=partial(self.read_grey, Picture(values["image"], region)),
        )

    def rows(self) -> Iterator[Row]:
        """Every sample, in order."""
        for index in range(len(self)):
            yield self.row(index)

    def part(self, split: str, part: str) -> Manifest:
        """The rows of ``split``'s ``part``. Raises `MissingDataError` where there are none."""
        name = f"{split}/{part}"
        keep = rows_with(self.table, "splits", name)
        if not len(keep):
            raise no_part(self.dataset, split, part, values_in(self.table, "splits"))
        return self.take(keep)

    def take(self, indices: Sequence[int] | NDArray[np.integer]) -> Manifest:
        """The rows at ``indices``, in that order."""
        return replace(self, table=rows_at(self.table, indices))


_BATCH = 10_000
"""Rows that are made into Arrow's form at once: as Python objects a row takes ten times the room."""


def build_table(samples: Sequence[Sample], label_names: Sequence[str], facts: Sequence[ImageFacts]) -> pa.Table:
    """Samples and the facts read off their images -> a table of `SCHEMA` with empty ``splits``."""
    pairs = list(zip(samples, facts, strict=True))
    batches = [
        pa.Table.from_pylist(
            [_cells(sample, label_names, fact) for sample, fact in pairs[start : start + _BATCH]], schema=SCHEMA
        )
        for start in range(0, len(pairs), _BATCH)
    ]
    return pa.concat_tables(batches) if batches else SCHEMA.empty_table()


def _cells(sample: Sample, label_names: Sequence[str], fact: ImageFacts) -> dict[str, Any]:
    return {
        "sample_id": sample.sample_id,
        "patient_id": sample.patient_id,
        "image": sample.image,
        "image_sha256": fact.sha256,
        "height": fact.height,
        "width": fact.width,
        "labels": [sample.labels.get(name, -1) for name in label_names],
        "boxes": None if sample.boxes is None else [list(box[1:]) for box in sample.boxes],
        "box_labels": None if sample.boxes is None else [box.label for box in sample.boxes],
        "mask_size": None if sample.mask is None else [sample.mask.height, sample.mask.width],
        "mask_counts": None if sample.mask is None else sample.mask.counts,
        **{name: sample.attributes.get(name) for name in ATTRIBUTES},
        "splits": [],
        "previous": sample.previous,
        "previous_sha256": fact.previous_sha256,
        "texts": list(sample.texts),
        "others": list(sample.others),
        "others_sha256": list(fact.others_sha256),
        "region": None if sample.region is None else list(sample.region),
        "answers": list(sample.answers),
        "details": sorted(sample.details.items()),
    }


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What decoding an image once told: size in pixels and the SHA-256 of the file's bytes, and of the other images'.

    ``pixels`` is the SHA-256 of the decoded pixels ('' where there are none), ``low``, ``high`` and ``mean`` their range.
    """

    height: int
    width: int
    sha256: str
    previous_sha256: str = ""
    others_sha256: tuple[str, ...] = ()
    pixels: str = ""
    low: int = 0
    high: int = 0
    mean: float = 0.0
