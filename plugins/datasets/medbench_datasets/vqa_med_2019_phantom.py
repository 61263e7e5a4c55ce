"""A generated stand-in for VQA-Med 2019 in the form of its three archives, unpacked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from medbench_datasets import vqa_med_2019
from medbench_datasets.phantom_questions import PARTS, finding_of, position
from medbench_datasets.phantom_scenes import Scene, draw_scene

if TYPE_CHECKING:
    from pathlib import Path

    from medbench.samples import PhantomSize

_MODALITIES = {"x-ray": "xr - plain film", "ct": "ct - noncontrast", "mr": "mr - t2 weighted"}
_PLANES = {"chest": "frontal", "head": "axial"}
_ORGANS = {"chest": "lung, mediastinum, pleura", "head": "skull and contents"}


def questions_on(scene: Scene) -> dict[str, tuple[str, str]]:
    """A question and its answer for each category."""
    finding = finding_of(scene)
    return {
        "modality": ("what modality is shown?", _MODALITIES[scene.modality]),
        "plane": ("in what plane is this image taken?", _PLANES[scene.organ]),
        "organ": ("what organ system is displayed in this image?", _ORGANS[scene.organ]),
        "abnormality": ("what is abnormal in the image?", finding) if finding else ("is this image normal?", "yes"),
    }


def write_phantom(root: Path, size: PhantomSize) -> None:
    """Write question files and images under ``root``; same size, same bytes. A tested image has one question."""
    rng = np.random.default_rng(size.seed)
    lines: dict[str, list[str]] = {vqa_med_2019.TEST_QUESTIONS: []}
    for archive in vqa_med_2019.ARCHIVES.values():
        for number, category in enumerate(vqa_med_2019.CATEGORIES, start=1):
            lines[archive.questions(number, category)] = []
    tested = 0
    for index in range(size.images):
        scene, name, part = draw_scene(size.side, rng), f"synpic{20000 + index}", PARTS[index % len(PARTS)]
        asked = questions_on(scene)
        if part == "test":
            category = vqa_med_2019.CATEGORIES[-1 - tested % len(vqa_med_2019.CATEGORIES)]
            question, answer = asked[category]
            lines[vqa_med_2019.TEST_QUESTIONS].append(f"{name}|{category}|{question}|{_reference(scene, answer)}")
            tested += 1
        else:
            for number, (category, (question, answer)) in enumerate(asked.items(), start=1):
                lines[vqa_med_2019.ARCHIVES[part].questions(number, category)].append(f"{name}|{question}|{answer}")
        folder = root / (vqa_med_2019.TEST_IMAGES if part == "test" else vqa_med_2019.ARCHIVES[part].images)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene.pixels).convert("RGB").save(folder / f"{name}.jpg", quality=92)
    for path, content in lines.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("".join(f"{line}\n" for line in content), encoding="utf-8")


def _reference(scene: Scene, answer: str) -> str:
    """The answer as the test's references write it, with an alternative and an optional part where there is one."""
    return f"(bright) {answer}#abnormal {position(scene)}" if scene.sides and answer == finding_of(scene) else answer
