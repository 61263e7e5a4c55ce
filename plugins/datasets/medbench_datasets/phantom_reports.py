"""Words for what a phantom shows: sentences that are true of the drawing, worded in several ways, so a head can learn them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from medbench_datasets import drawing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medbench.samples import Box

OPACITY, AIR = "opacity", "pneumothorax"
KINDS = (OPACITY, AIR)

_LARGE = 0.27
"""Longest side of a box, as a share of the image's, from which a finding is called large."""
_ZONES = ((0.42, "upper"), (0.6, "middle"), (1.01, "lower"))
_BOTH_FROM, _BOTH_TO = 0.4, 0.6
_FINDING_SHARE, _SECOND_SHARE = 0.65, 0.25
_NORMAL_FINDINGS = (
    "The heart is normal in size. The lungs are clear. No pneumothorax or opacity.",
    "Heart size and mediastinal contour are within normal limits. The lungs are clear bilaterally.",
    "No focal opacity. No pneumothorax. The heart is normal in size.",
)
_NORMAL_IMPRESSIONS = ("No acute cardiopulmonary abnormality.", "Normal chest.")
_SENTENCES = (
    "{size} {what} in the {place}.",
    "The {place} shows {size} {what}.",
    "In the {place} there is {size} {what}.",
)
_OTHERWISE = ("The heart is normal in size.", "The mediastinal contour is unremarkable.")


class Drawn(NamedTuple):
    """A finding in the picture: ``side`` is the patient's ``right``, ``left`` or ``both``, ``zone`` upper, middle or lower."""

    what: str
    side: str
    zone: str
    large: bool

    @property
    def place(self) -> str:
        lung = "of both lungs" if self.side == "both" else f"of the {self.side} lung"
        return f"{self.zone} zone {lung}"


def locate(what: str, box: Box, side: int) -> Drawn:
    """What a box of an image of ``side`` pixels shows; the right lung is on the image's left."""
    left, right, middle = box.x / side, (box.x + box.width) / side, (box.y + box.height / 2) / side
    both = left < _BOTH_FROM and right > _BOTH_TO
    where = "both" if both else "right" if (left + right) / 2 < 0.5 else "left"
    zone = next(name for limit, name in _ZONES if middle < limit)
    return Drawn(what, where, zone, max(box.width, box.height) / side > _LARGE)


def draw_findings(thorax: drawing.Thorax, rng: np.random.Generator) -> tuple[drawing.Thorax, tuple[Drawn, ...]]:
    """The chest with none, one or two findings, at most one a lung, and what they are."""
    if rng.random() > _FINDING_SHARE:
        return thorax, ()
    lungs = [thorax.right_lung, thorax.left_lung]
    if rng.random() < 0.5:
        lungs.reverse()
    found = []
    for lung in lungs[: 2 if rng.random() < _SECOND_SHARE else 1]:
        if rng.random() < 0.5:
            thorax, box = drawing.add_opacity(thorax, lung, rng)
            found.append(locate(OPACITY, box, thorax.side))
        else:
            thorax, air = drawing.add_pneumothorax(thorax, lung, rng)
            found.append(locate(AIR, drawing.tight_box(air, 0), thorax.side))
    return thorax, tuple(found)


def zone_of(lung: drawing.Region, zone: str) -> drawing.Region:
    """The part of a lung that lies in a zone; all of it where the zone holds nothing of it."""
    limits = [0.0, *(limit for limit, _ in _ZONES)]
    index = [name for _, name in _ZONES].index(zone)
    part = lung.copy()
    heights = np.arange(len(lung)) / len(lung)
    part[(heights < limits[index]) | (heights >= limits[index + 1])] = False
    return part if part.any() else lung


def findings_text(drawn: Sequence[Drawn], rng: np.random.Generator) -> str:
    """A findings section: a sentence a finding, what is absent, and what is normal; boilerplate where nothing is found.

    Whatever is not `AIR` is taken to be drawn as an opacity.
    """
    if not drawn:
        return str(rng.choice(_NORMAL_FINDINGS))
    sentences = [_sentence(str(rng.choice(_SENTENCES)), one) for one in drawn]
    shown = {AIR if one.what == AIR else OPACITY for one in drawn}
    sentences += [f"No {kind}." for kind in KINDS if kind not in shown]
    if not any("cardio" in one.what for one in drawn):
        sentences.append(str(rng.choice(_OTHERWISE)))
    return " ".join(sentences)


def impression_text(drawn: Sequence[Drawn], rng: np.random.Generator) -> str:
    """An impression: each finding with its side."""
    if not drawn:
        return str(rng.choice(_NORMAL_IMPRESSIONS))
    return " ".join(f"{'bilateral' if one.side == 'both' else one.side} {one.what}.".capitalize() for one in drawn)


def caption_text(drawn: Sequence[Drawn], rng: np.random.Generator, *, subject: str = "chest radiograph") -> str:
    """A figure's caption of one sentence."""
    if not drawn:
        return str(rng.choice([f"Normal {subject}.", f"{subject.capitalize()} without abnormality."]))
    shown = " and ".join(f"{_size(one)} {one.what} in the {one.place}" for one in drawn)
    return str(rng.choice([f"{subject.capitalize()} showing {shown}.", f"{shown.capitalize()} on {subject}."]))


def headings(drawn: Sequence[Drawn]) -> tuple[str, ...]:
    """Findings as MeSH-like headings, ``Opacity/lung/upper zone/right``; ``normal`` where there is none."""
    return tuple(f"{one.what.capitalize()}/lung/{one.zone} zone/{one.side}" for one in drawn) or ("normal",)


def _sentence(template: str, one: Drawn) -> str:
    sentence = template.format(size=_size(one), what=one.what, place=one.place)
    return sentence[0].upper() + sentence[1:]


def _size(one: Drawn) -> str:
    return "large" if one.large else "small"
