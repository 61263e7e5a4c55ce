"""What the data hold of a sample that is shown: its picture, the earlier one of a pair, and what it says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from medbench.images import ImageError, read_region
from medbench.protocols import Example
from medbench.report.kept import Troubles
from medbench.report.payload import PictureView
from medbench.report.pictures import Thumbnail, fit, thumbnail
from medbench.report.shelf import Holding
from medbench.report.texts import shown_text
from medbench.samples import Region

UNREADABLE = "the image cannot be read"
TEXTS = 4
"""Texts of a sample without an image that are shown."""
CAPTION = 400
"""Characters of a caption or report beside an image."""
_ENOUGH = 0.5
_REPORT = 8
"""A truth of fewer words is no report: a label may well stand in what is said of the image."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The picture of a sample, and the rectangle of the original image (x, y, width, height) that it shows.

    Without a ``place`` nothing is known of the image's size, and no box can be put on it. ``texts`` are those of a sample
    without an image, ``caption`` is what is said of one with it, ``previous`` the earlier image of a pair.
    """

    picture: Thumbnail
    place: Region | None
    note: str = ""
    question: str = ""
    texts: tuple[str, ...] = ()
    caption: str = ""
    previous: PictureView | None = None


def read_frame(holding: Holding, sample_id: str, troubles: Troubles) -> Frame:
    """That of a sample, without a picture and with a note where there is none; why in full is for ``troubles`` alone."""
    row = holding.row(sample_id)
    if row is None or holding.manifest is None:
        return Frame(Thumbnail("", 0, 0), None, holding.reason or "the data have no such sample")
    question = shown_text(row.texts[0]) if row.answers and row.texts else ""
    said = () if question else tuple(text for one in row.texts if (text := shown_text(one)))
    if not row.width or not row.height:  # a sample of texts alone
        return Frame(Thumbnail("", 0, 0), None, question=question, texts=said[:TEXTS])
    place = row.region or Region(0, 0, row.width, row.height)
    reader = _Reader(troubles, sample_id, colour=holding.manifest.colour)
    picture = reader.read(row.image, row.region)
    earlier = None if row.previous is None else reader.read(row.previous, None)
    lost = "" if row.previous is None or earlier else "the earlier image cannot be read"
    return Frame(
        picture=picture or Thumbnail("", *fit(place.width, place.height)),
        place=place,
        note=lost if picture else UNREADABLE,
        question=question,
        caption=said[0] if said else "",
        previous=PictureView(earlier.uri, earlier.width, earlier.height) if earlier else None,
    )


def said_of(frame: Frame, example: Example, captioned: bool) -> tuple[str, ...]:
    """The texts to show beside an example: none that its truth says already, and captions where the data are ``captioned``."""
    if frame.texts:
        return frame.texts
    if not captioned or not frame.caption or _says(example.truth.text, frame.caption):
        return ()
    return (frame.caption if len(frame.caption) <= CAPTION else frame.caption[: CAPTION - 1] + "…",)


@dataclass(frozen=True, slots=True)
class _Reader:
    troubles: Troubles
    sample_id: str
    colour: bool

    def read(self, path: Path, region: Region | None) -> Thumbnail | None:
        try:
            return thumbnail(read_region(path, region, colour=self.colour))
        except (ImageError, OSError) as error:
            self.troubles.aside(f"the image of {self.sample_id} cannot be read: {error}")
            return None


def _says(truth: str, caption: str) -> bool:
    """Whether the truth is the caption, cleaned or a part of it: they share most words of the shorter one."""
    words = [set(re.findall(r"\w+", one.casefold())) for one in (caption, truth)]
    return len(words[0] & words[1]) > _ENOUGH * min(len(words[0]), max(len(words[1]), _REPORT))
