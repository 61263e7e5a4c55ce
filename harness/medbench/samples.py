"""What a dataset reader hands to the core: samples, named splits, and the problems it met on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

UNKNOWN = -1
"""A label that the dataset does not give; in a `Sample` the label is simply absent."""
UNCERTAIN = -2
"""A label that the dataset gives as uncertain (CheXpert's -1); a recipe says how it is read."""


class Box(NamedTuple):
    """A box in pixels of the original image: ``x``, ``y`` is the top-left corner; ``label`` indexes the dataset's box names."""

    label: int
    x: float
    y: float
    width: float
    height: float


class Mask(NamedTuple):
    """A binary mask as COCO compressed run-length counts (column-major) at ``height`` x ``width`` pixels."""

    height: int
    width: int
    counts: bytes


class Region(NamedTuple):
    """A rectangle of whole pixels of the original image; ``x``, ``y`` is its top-left corner."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One image, one study, one question, one pair of images or one piece of text, with its supervision.

    ``image`` is relative to the dataset root, with '/'; '' for a sample of texts alone. ``previous`` is an earlier image of
    the same patient, where the sample is a pair; ``others`` are further images of the same study, in the dataset's order.
    ``region`` is the part of ``image`` that the sample is of (a panel of a figure), None for all of it.

    ``texts`` are what is said of the image, each on its own right (a report, several captions, a question); ``answers`` are
    the right answers to a question, the dataset's own wording. ``details`` are the dataset's further columns by name
    (``findings`` and ``impression`` of a report, ``answer_type`` and ``question_type`` of a question).

    ``boxes`` is None where boxes were not annotated and empty where there is none to find; likewise ``mask`` is None, or a
    mask that may be empty. ``labels``
    maps label names to indices into the dataset's ``label_values`` (usually 0 absent, 1 present), or to `UNCERTAIN`; a
    label that is absent is unknown. ``attributes`` are standard columns for subgroup tables: ``sex`` (``F``, ``M``),
    ``age`` (years), ``view`` (``PA``, ``AP``, ...).
    """

    sample_id: str
    patient_id: str
    image: str = ""
    labels: Mapping[str, int] = field(default_factory=dict)
    boxes: tuple[Box, ...] | None = None
    mask: Mask | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    previous: str = ""
    texts: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    region: Region | None = None
    answers: tuple[str, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)


class Problem(NamedTuple):
    """Something wrong in the raw files that was reported and passed over.

    ``kind`` is a short stable word (``missing-image``, ``unreadable-image``, ``bad-row``, ``box-outside``,
    ``rle-overrun``, ``shared-patient``, ``count``), ``where`` the file and row or the sample id, ``detail`` a sentence.
    """

    kind: str
    where: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RawDataset:
    """A dataset as its reader found it.

    ``splits`` maps a split name to its parts (``train``, ``valid``, ``test``), each a list of sample ids in published
    order. A sample may stand in several parts of an as-released split. Samples with an error in their annotation are
    left out and named in ``problems``. ``label_names`` are given by readers of data whose labels only the files tell (a
    user's own table); they stand in place of the spec's. ``listed`` is how many samples the official files name, those that
    the reader left out included; None where it left out none.
    """

    samples: tuple[Sample, ...]
    splits: Mapping[str, Mapping[str, list[str]]]
    problems: tuple[Problem, ...] = ()
    label_names: tuple[str, ...] | None = None
    listed: int | None = None


class PhantomSize(NamedTuple):
    """How large a phantom dataset to draw: ``images`` in all, ``side`` pixels of each side, and the generator's seed."""

    images: int
    side: int
    seed: int
