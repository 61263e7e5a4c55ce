"""A generated stand-in for SLAKE in the official form, in English and Chinese."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from medbench_datasets import slake
from medbench_datasets.phantom_questions import PARTS, Asked, ask
from medbench_datasets.phantom_scenes import Scene, draw_scene

if TYPE_CHECKING:
    from pathlib import Path

    from medbench.samples import PhantomSize

TYPES = {
    "presence": "Abnormality",
    "position": "Position",
    "count": "Quantity",
    "organ": "Organ",
    "modality": "Modality",
}
_MODALITIES = {"x-ray": "X-Ray", "ct": "CT", "mr": "MRI"}
_LOCATIONS = {"chest": "Lung", "head": "Brain"}
_LANGUAGES: tuple[Literal["en", "zh"], ...] = ("en", "zh")


def write_phantom(root: Path, size: PhantomSize) -> None:
    """Write the three question files and a folder a case under ``root``; same size, same bytes."""
    rng = np.random.default_rng(size.seed)
    rows: dict[str, list[dict[str, Any]]] = {part: [] for part in slake.FILES}
    for index in range(size.images):
        scene = draw_scene(size.side, rng)
        folder = root / slake.IMAGES / f"xmlab{index}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene.pixels).convert("RGB").save(folder / slake.IMAGE_NAME, quality=92)
        for language in _LANGUAGES:
            rows[PARTS[index % len(PARTS)]] += [_row(index, scene, one, language) for one in ask(scene, rng, language)]
    for qid, row in enumerate(row for part in slake.FILES for row in rows[part]):
        row["qid"] = qid
    for part, stem in slake.FILES.items():
        (root / f"{stem}.json").write_text(json.dumps(rows[part], ensure_ascii=False), encoding="utf-8")


def _row(index: int, scene: Scene, one: Asked, language: str) -> dict[str, Any]:
    return {
        "img_id": index,
        "img_name": f"xmlab{index}/{slake.IMAGE_NAME}",
        "question": one.question,
        "answer": one.answer,
        "q_lang": language,
        "location": _LOCATIONS[scene.organ],
        "modality": _MODALITIES[scene.modality],
        "answer_type": "CLOSED" if one.closed else "OPEN",
        "base_type": "vqa",
        "content_type": TYPES[one.kind],
        "triple": ["vhead", "_", "_"],
        "qid": 0,
    }
