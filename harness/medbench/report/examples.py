"""Test samples to look at, with their truth and the answer that a method gave (`protocols.Exhibits`)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from medbench.protocols import Example, Exhibits, Shown
from medbench.report.frames import Frame, read_frame, said_of
from medbench.report.kept import Kept, Troubles
from medbench.report.payload import BoxView, ExampleView, LayerView
from medbench.report.pictures import ANSWER, TRUTH, Colour, Thumbnail, fit, heat_overlay, mask_pictures
from medbench.report.sheets import line_title
from medbench.report.shelf import Shelf
from medbench.report.texts import finite, shown_name, shown_text
from medbench.samples import Box, Region
from medbench.specs import TaskSpec

METHODS = 2
"""Methods of a table that examples are shown of: the best and one more."""
BOXES = 50
"""Boxes of one layer that are shown, those of the highest scores."""


@dataclass(slots=True)
class ExampleMaker:
    """Makes the examples of one table; a sample's picture is read once, whichever method it is shown for."""

    task: TaskSpec
    shelf: Shelf
    troubles: Troubles
    _frames: dict[tuple[str, str], Frame] = field(default_factory=dict)

    def views(self, protocol: Exhibits, kept: Sequence[Kept], count: int) -> tuple[ExampleView, ...]:
        """Up to ``count`` right and ``count`` wrong ones of each of the first `METHODS` methods, method by method."""
        found: list[ExampleView] = []
        for one in kept[:METHODS]:
            try:
                chosen = protocol.examples(self.task, one.recipe, one.predictions, count)
                found += [self._view(one, example) for example in _bounded(chosen, count)]
            except Exception as error:  # damaged predictions break a protocol in any way; the other records go on
                self.troubles.raised(f"examples of {one.label}", error)
        return tuple(found)

    def _view(self, kept: Kept, example: Example) -> ExampleView:
        frame = self._frame(kept, example.sample_id)
        picture = frame.picture if frame.picture.width else _proportions(example)
        return ExampleView(
            method=line_title(kept.contender.line),
            sample_id=shown_name(example.sample_id),
            right=bool(example.right),
            truth=self._layer(kept, example.truth, frame.place, picture, TRUTH),
            answer=self._layer(kept, example.answer, frame.place, picture, ANSWER),
            score=finite(example.score),
            measure=shown_name(example.measure),
            image=picture.uri,
            image_note=shown_name(frame.note),
            question=frame.question,
            width=picture.width,
            height=picture.height,
            texts=said_of(frame, example, self.shelf.says(kept.record)),
            previous=frame.previous,
            by_half=bool(example.by_half),
        )

    def _layer(self, kept: Kept, shown: Shown, place: Region | None, picture: Thumbnail, colour: Colour) -> LayerView:
        overlay, outline, text = "", "", shown.text
        if shown.mask is not None and picture.width:
            mask = mask_pictures(shown.mask, picture.width, picture.height, colour)
            overlay, outline = mask.fill, mask.edge
            text = text or ("" if overlay else "nothing is marked")
        elif shown.heat is not None and picture.width:
            overlay = heat_overlay(shown.heat, picture.width, picture.height)
        boxes = None
        if shown.boxes is not None and place is not None:
            scored = _scored(shown)
            boxes = tuple(
                view
                for box, score in scored
                if (view := _box(box, score, place, self.shelf.box_name(kept.record, box.label))) is not None
            )
        return LayerView(text=shown_text(text), boxes=boxes, overlay=overlay, outline=outline)

    def _frame(self, kept: Kept, sample_id: str) -> Frame:
        key = (kept.record.manifest_sha256, sample_id)
        if key not in self._frames:
            self._frames[key] = read_frame(self.shelf.holding(kept.record), sample_id, self.troubles)
        return self._frames[key]


def _bounded(examples: Sequence[Example], count: int) -> Iterator[Example]:
    """Right before wrong, and no more of either than were asked for."""
    for right in (True, False):
        yield from [one for one in examples if bool(one.right) is right][:count]


def _proportions(example: Example) -> Thumbnail:
    """Those of the masks, where there is no picture; else none."""
    for shown in (example.truth, example.answer):
        if shown.mask is not None and shown.mask.width and shown.mask.height:
            return Thumbnail("", *fit(shown.mask.width, shown.mask.height))
    return Thumbnail("", 0, 0)


def _scored(shown: Shown) -> list[tuple[Box, float | None]]:
    """The boxes with their scores, highest first, at most `BOXES`; as they are where they have none."""
    boxes = shown.boxes or ()
    if len(shown.scores) != len(boxes):
        return [(box, None) for box in boxes[:BOXES]]
    pairs = sorted(zip(boxes, shown.scores, strict=True), key=lambda pair: -pair[1])
    return [(box, finite(score)) for box, score in pairs[:BOXES]]


def _box(box: Box, score: float | None, place: Region, label: str) -> BoxView | None:
    """The part of a box that is inside of the picture, in shares of it; None where there is none."""
    if not all(math.isfinite(one) for one in box[1:]):
        return None
    left, right = ((one - place.x) / place.width for one in (box.x, box.x + box.width))
    top, bottom = ((one - place.y) / place.height for one in (box.y, box.y + box.height))
    left, right, top, bottom = (round(min(max(float(one), 0.0), 1.0), 5) for one in (left, right, top, bottom))
    if right <= left or bottom <= top:
        return None
    width, height = round(right - left, 5), round(bottom - top, 5)
    return BoxView(x=left, y=top, width=width, height=height, label=shown_name(label), score=score)
