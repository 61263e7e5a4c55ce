"""Boxes, masks and regions of a sample, fitted to the size that its image was found to have."""

from __future__ import annotations

import math
from dataclasses import replace

from medbench.manifest import ImageFacts
from medbench.samples import Box, Problem, Region, Sample


def fit_to_image(sample: Sample, fact: ImageFacts) -> tuple[Sample | None, list[Problem]]:
    """The sample with all that leaves the image clipped or left out; None where nothing of it can be used."""
    problems = []
    if sample.mask is not None and (sample.mask.height, sample.mask.width) != (fact.height, fact.width):
        detail = f"the mask is {sample.mask.width} x {sample.mask.height}, the image {fact.width} x {fact.height}"
        return None, [Problem("mask-size", sample.sample_id, detail)]
    if sample.region is not None:
        region = fit_region(sample.region, fact.height, fact.width)
        if region is None:
            return None, [
                Problem("region-outside", sample.sample_id, f"{tuple(sample.region)} is not inside the image")
            ]
        if region != sample.region:
            detail = f"{tuple(sample.region)} leaves the image; clipped to it"
            problems.append(Problem("region-clipped", sample.sample_id, detail))
        sample = replace(sample, region=region)
    if sample.boxes is not None:
        fitted = [_clip(box, fact.height, fact.width) for box in sample.boxes]
        for box, inside in zip(sample.boxes, fitted, strict=True):
            if inside is None:
                problems.append(
                    Problem("box-outside", sample.sample_id, f"{tuple(box[1:])} is not inside the image; left out")
                )
            elif inside != box:
                problems.append(
                    Problem("box-clipped", sample.sample_id, f"{tuple(box[1:])} leaves the image; clipped to it")
                )
        sample = replace(sample, boxes=tuple(box for box in fitted if box is not None))
    return sample, problems


def fit_region(region: Region, height: int, width: int) -> Region | None:
    """What of a region lies inside an image of that size; None where nothing does."""
    inside = _clip(Box(0, *region), height, width)
    return None if inside is None else Region(*(int(value) for value in inside[1:]))


def _clip(box: Box, height: int, width: int) -> Box | None:
    if not all(math.isfinite(value) for value in box[1:]):
        return None
    left, top = max(0.0, box.x), max(0.0, box.y)
    right, bottom = min(float(width), box.x + box.width), min(float(height), box.y + box.height)
    if right <= left or bottom <= top:
        return None
    if (left, top, right, bottom) == (box.x, box.y, box.x + box.width, box.y + box.height):
        return box
    return Box(box.label, left, top, right - left, bottom - top)
