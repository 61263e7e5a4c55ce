"""A generated stand-in for VQA-RAD in the layout that MEVF ships: tested images are trained on too, as in the real one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from medbench_datasets import vqa_rad
from medbench_datasets.phantom_questions import Asked, ask
from medbench_datasets.phantom_scenes import Scene, draw_scene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from medbench.samples import PhantomSize

TYPES = {"presence": "PRES", "position": "POS", "count": "COUNT", "organ": "ORGAN", "modality": "MODALITY"}
_TESTED_EVERY, _TESTED_QUESTIONS = 3, 3
_FRAME_SHARE = 0.3


class Case(NamedTuple):
    """One image with its questions, and how many of the last of them are tested."""

    name: str
    scene: Scene
    asked: tuple[Asked, ...]
    tested: int


def draw_cases(size: PhantomSize) -> Iterator[Case]:
    """``size.images`` images, a third of them tested; same size and seed, same cases."""
    rng = np.random.default_rng(size.seed)
    for index in range(size.images):
        scene = draw_scene(size.side, rng)
        asked = ask(scene, rng)
        order = rng.permutation(len(asked))
        tested = _TESTED_QUESTIONS if index % _TESTED_EVERY == _TESTED_EVERY - 1 else 0
        yield Case(f"synpic{10000 + index}.jpg", scene, tuple(asked[one] for one in order), tested)


def write_phantom(root: Path, size: PhantomSize) -> None:
    """Write both question files and the images under ``root``; same size, same bytes."""
    (root / vqa_rad.IMAGES).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng((size.seed, 1))
    train: list[dict[str, Any]] = []
    test: list[dict[str, Any]] = []
    for case in draw_cases(size):
        Image.fromarray(case.scene.pixels).convert("RGB").save(root / vqa_rad.IMAGES / case.name, quality=92)
        for number, one in enumerate(case.asked):
            tested = number >= len(case.asked) - case.tested
            phrase = "frame" if not tested and rng.random() < _FRAME_SHARE else str(rng.choice(["freeform", "para"]))
            (test if tested else train).append(_row(case, one, phrase))
    for qid, row in enumerate([*train, *test], start=1):
        row["qid"] = qid
    for name, rows in ((vqa_rad.TRAIN_FILE, train), (vqa_rad.TEST_FILE, test)):
        (root / name).write_text(json.dumps(rows), encoding="utf-8")


def _row(case: Case, one: Asked, phrase: str) -> dict[str, Any]:
    """A record, with counts as numbers, as the real files have some."""
    return {
        "qid": 0,
        "image_name": case.name,
        "image_organ": case.scene.organ.upper(),
        "answer": int(one.answer) if one.kind == "count" else one.answer,
        "answer_type": "CLOSED" if one.closed else "OPEN",
        "question_type": TYPES[one.kind],
        "question": one.question,
        "phrase_type": phrase,
    }
