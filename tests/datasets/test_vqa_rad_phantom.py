"""Scenes and questions of the question-answering phantoms: answers are true of the pixels, so that a head can learn them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from medbench_datasets.phantom_questions import ask, finding_of, position
from medbench_datasets.phantom_scenes import Scene, draw_scene

if TYPE_CHECKING:
    from medbench_datasets.phantom_scenes import Organ

PIXELS = np.zeros((4, 4), np.uint8)


@pytest.mark.parametrize("organ", ["chest", "head"])
def test_the_half_that_is_said_to_hold_a_finding_is_the_brighter_one(organ: Organ) -> None:
    rng = np.random.default_rng(0)
    scenes = [draw_scene(48, rng, organ=organ) for _ in range(60)]
    single = [scene for scene in scenes if len(scene.sides) == 1]
    right = [scene.pixels[:, :24].mean() > scene.pixels[:, 24:].mean() for scene in single]
    agreed = np.mean([found == (scene.sides == ("right",)) for found, scene in zip(right, single, strict=True)])
    assert len(single) > 15
    assert agreed > 0.8


def test_more_findings_are_brighter_heads() -> None:
    rng = np.random.default_rng(1)
    scenes = [draw_scene(48, rng, organ="head") for _ in range(90)]
    means = [
        np.mean([one.pixels.mean() for one in scenes if one.modality == "ct" and len(one.sides) == n]) for n in range(3)
    ]
    assert all(fewer < more for fewer, more in pairwise(means))


def test_answers_follow_from_the_scene() -> None:
    scene = Scene("head", "mr", ("left",), PIXELS)
    asked = ask(scene, np.random.default_rng(0))
    assert [one.answer for one in asked] == ["no", "yes", "left hemisphere", "1", "head", "mr"]
    assert [one.closed for one in asked] == [True, True, False, False, False, False]
    chinese = ask(scene, np.random.default_rng(0), "zh")
    assert [one.answer for one in chinese] == ["没有", "有", "左半球", "1", "头部", "mr"]
    assert all(not one.question.isascii() for one in chinese)


def test_a_scene_without_finding_is_not_asked_where_it_is() -> None:
    scene = Scene("chest", "x-ray", (), PIXELS)
    assert [one.answer for one in ask(scene, np.random.default_rng(0))] == ["no", "no", "0", "chest", "x-ray"]
    assert finding_of(scene) == ""


def test_both_sides_are_told_in_the_plural() -> None:
    scene = Scene("chest", "x-ray", ("right", "left"), PIXELS)
    assert position(scene) == "both lungs"
    assert finding_of(scene) == "opacities in both lungs"
