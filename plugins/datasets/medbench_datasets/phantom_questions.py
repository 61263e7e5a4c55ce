"""Questions on drawn scenes, in English or Chinese, whose answers are true of what was drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from medbench_datasets.phantom_scenes import Scene

Kind = Literal["presence", "position", "count", "organ", "modality"]
PARTS = ("train", "train", "train", "valid", "test")
"""The part of each image of a phantom whose parts share none, by its number modulo five."""

_ENGLISH: Mapping[Kind, tuple[str, ...]] = {
    "presence": ("Is there a {finding} in the {side} {half}?", "Does the {side} {half} show a {finding}?"),
    "position": ("Where is the {finding}?", "In which {half} is the {finding} located?"),
    "count": ("How many {finding} areas are there?", "What is the number of {finding} areas?"),
    "organ": ("Which part of the body is shown?", "What body region is this?"),
    "modality": ("What modality is used?", "How was this image taken?"),
}
_CHINESE: Mapping[Kind, tuple[str, ...]] = {
    "presence": ("{side}{half}有{finding}吗?", "图中{side}{half}是否有{finding}?"),
    "position": ("{finding}在哪里?", "{finding}位于哪一侧?"),
    "count": ("图中有几个{finding}?", "{finding}的数量是多少?"),
    "organ": ("图中是身体的哪个部分?", "这是哪个部位?"),
    "modality": ("这张图片的成像方式是什么?", "图像是用什么方式拍摄的?"),
}
_QUESTIONS = {"en": _ENGLISH, "zh": _CHINESE}
_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {"both": "both", "yes": "yes", "no": "no", "x-ray": "x-ray", "ct": "ct", "mr": "mr"},
    "zh": {
        "right": "右",
        "left": "左",
        "both": "双",
        "yes": "有",
        "no": "没有",
        "x-ray": "X光",
        "chest": "胸部",
        "head": "头部",
    },
}
_ORGAN_WORDS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "en": {
        "chest": {"finding": "opacity", "findings": "opacities", "half": "lung", "halves": "lungs"},
        "head": {"finding": "lesion", "findings": "lesions", "half": "hemisphere", "halves": "hemispheres"},
    },
    "zh": {
        "chest": {"finding": "阴影", "half": "肺", "halves": "肺"},
        "head": {"finding": "病灶", "half": "半球", "halves": "半球"},
    },
}


class Asked(NamedTuple):
    """A question and its answer; ``closed`` where it is answered by yes or no."""

    kind: Kind
    closed: bool
    question: str
    answer: str


def ask(scene: Scene, rng: np.random.Generator, language: Literal["en", "zh"] = "en") -> list[Asked]:
    """Five or six questions: one on each side, where findings are (if any), how many, which organ and which modality."""
    asked = [_presence(scene, side, rng, language) for side in ("right", "left")]
    if scene.sides:
        asked.append(_open(scene, "position", position(scene, language), rng, language))
    words = _WORDS[language]
    facts: tuple[tuple[Kind, str], ...] = (
        ("count", str(len(scene.sides))),
        ("organ", words.get(scene.organ, scene.organ)),
        ("modality", words.get(scene.modality, scene.modality)),
    )
    return [*asked, *(_open(scene, kind, answer, rng, language) for kind, answer in facts)]


def position(scene: Scene, language: str = "en") -> str:
    """Where the findings are: ``right lung``, ``both hemispheres``; the scene must have one."""
    names, words = _ORGAN_WORDS[language][scene.organ], _WORDS[language]
    side = scene.sides[0] if len(scene.sides) == 1 else "both"
    half = names["half"] if len(scene.sides) == 1 else names["halves"]
    return f"{words.get(side, side)}{' ' if language == 'en' else ''}{half}"


def finding_of(scene: Scene) -> str:
    """What was found, with where: ``lesion in the left hemisphere``, ``opacities in both lungs``; '' where nothing was."""
    if not scene.sides:
        return ""
    words = _ORGAN_WORDS["en"][scene.organ]
    where = position(scene)
    return f"{words['finding']} in the {where}" if len(scene.sides) == 1 else f"{words['findings']} in {where}"


def _presence(scene: Scene, side: str, rng: np.random.Generator, language: str) -> Asked:
    words = _WORDS[language]
    question = _wording(scene, "presence", rng, language, side=words.get(side, side))
    return Asked("presence", True, question, words["yes" if side in scene.sides else "no"])


def _open(scene: Scene, kind: Kind, answer: str, rng: np.random.Generator, language: str) -> Asked:
    return Asked(kind, False, _wording(scene, kind, rng, language), answer)


def _wording(scene: Scene, kind: Kind, rng: np.random.Generator, language: str, side: str = "") -> str:
    wordings = _QUESTIONS[language][kind]
    chosen = wordings[int(rng.integers(len(wordings)))]
    return chosen.format(side=side, **_ORGAN_WORDS[language][scene.organ])
