"""Coloured blobs with questions about them, tiny methods that see them, and a context, for the tests of VQA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from dense_toys import Recorder
from torch import Tensor, nn
from trial_features import features_of, whole

from medbench.capabilities import Preprocess
from medbench.manifest import ImageFacts, Manifest, build_table
from medbench.protocols import Compute, TrialContext
from medbench.samples import Sample
from medbench.specs import TaskSpec
from medbench_tasks.vqa.recipe import METRICS, VqaRecipe

SIDE = 16
COLOURS = {"red": (230, 20, 20), "green": (20, 230, 20), "blue": (20, 20, 230)}
FUSION = VqaRecipe(
    epochs=40, patience=40, batch_size=16, lr=3e-3, weight_decay=0.0, width=16, layers=1, heads=2, dropout=0
)
WHAT, WHERE = "What colour is the blob?", "Is the blob on the left?"
HALF = (0.5, 0.5, 0.5)


class TinyEyes(nn.Module):
    """Patches of 4 x 4 pixels as they are averaged: a single map of stride 4."""

    preprocess = Preprocess(resize=SIDE, mode="squash", crop=SIDE, mean=HALF, std=HALF)
    channels = (6,)
    strides = (4,)

    def __init__(self) -> None:
        super().__init__()
        mix = torch.randn((6, 3), generator=torch.Generator().manual_seed(0))
        self.mix = nn.Parameter(mix)
        self.eval()

    def encode_pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        return (torch.einsum("kc,bchw->bkhw", self.mix, nn.functional.avg_pool2d(images, 4)),)


class TinyAnswerer(TinyEyes):
    """Tells the colour right, from the answers offered or in a sentence of its own; knows no sides."""

    def __init__(self) -> None:
        super().__init__()
        self.offered: list[list[str] | None] = []

    def answer(self, images: Tensor, questions: list[str], answers: list[str] | None = None) -> list[str]:
        self.offered.append(answers)
        brightest = images.mean((2, 3)).argmax(dim=1).tolist()
        colours = [list(COLOURS)[place] for place in brightest]
        if answers is None:
            return [f"The {colour.upper()}." for colour in colours]
        return [colour if "colour" in asked else "no" for colour, asked in zip(colours, questions, strict=True)]


class TinyLearner(TinyEyes):
    """Has a net of two linear heads over patches and two words."""

    def question_net(self, closed: int, open: int, seed: int, **how: object) -> nn.Module:
        self.asked_how = how
        return TinyNet(closed, open)


class TinyNet(TinyEyes):
    """Linear heads over the pooled left and right half of the image."""

    def __init__(self, closed: int, open: int) -> None:
        super().__init__()
        self.closed, self.open = nn.Linear(6, closed), nn.Linear(6, open)

    def init_weights(self) -> None:
        raise AssertionError("pretrained weights were drawn again")

    def encode_questions(self, images: Tensor, questions: list[str], is_closed: Tensor) -> tuple[Tensor, Tensor]:
        halves = nn.functional.adaptive_avg_pool2d(images, (1, 2)).flatten(1)
        return self.closed(halves[is_closed]), self.open(halves[~is_closed])


def blob_sample(folder: Path, name: str, question: str, answers: Sequence[str], **details: str) -> Sample:
    """A question about ``name.png``, which `draw_blob` writes."""
    return Sample(
        sample_id=f"{name}-{question[:4]}",
        patient_id=name,
        image=f"{name}.png",
        texts=(question,),
        answers=tuple(answers),
        details=details,
    )


def draw_blob(path: Path, colour: str, *, left: bool) -> None:
    """A square of that colour on a dark side of 16 x 16 pixels."""
    pixels = np.full((SIDE, SIDE, 3), 10, np.uint8)
    start = 0 if left else SIDE // 2
    pixels[4:12, start : start + SIDE // 2] = COLOURS[colour][::-1]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def blob_questions(folder: Path, count: int, seed: int) -> Manifest:
    """``count`` blobs, two questions each: an open one on the colour, a closed one on the side."""
    draw = np.random.default_rng(seed)
    samples = []
    for number in range(count):
        colour, left, name = list(COLOURS)[draw.integers(3)], bool(draw.integers(2)), f"s{seed}-{number}"
        draw_blob(folder / f"{name}.png", colour, left=left)
        samples += [
            blob_sample(folder, name, WHAT, (colour,), answer_type="OPEN", question_type="COLOR"),
            blob_sample(folder, name, WHERE, ("yes" if left else "no",), answer_type="CLOSED ", question_type="POS"),
        ]
    return manifest_of(folder, samples)


def manifest_of(folder: Path, samples: Sequence[Sample]) -> Manifest:
    facts = [ImageFacts(SIDE, SIDE, "") for _ in samples]
    return Manifest("toy", folder, (), "0" * 64, True, build_table(samples, (), facts), colour=True)


def task_of(recipes: Mapping[str, VqaRecipe]) -> TaskSpec:
    return TaskSpec(
        id="toy-vqa",
        title="Toy",
        dataset="toy",
        split="official",
        protocol="visual question answering",
        capabilities=frozenset({"QuestionAnswerer"}),
        alternatives=(frozenset({"DenseImageEncoder"}),),
        metrics=METRICS,
        recipes=recipes,
        loader="medbench_tasks.vqa.protocol:PROTOCOL",
        parts=("train", "test"),
    )


def context_of(
    folder: Path,
    recipe: VqaRecipe = FUSION,
    *,
    model: Any = None,
    train: Manifest | None = None,
    valid: Manifest | None = None,
    test: Manifest | None = None,
    seed: int = 1,
) -> TrialContext:
    """A context with 40 and 20 blobs to train on and to be asked of, and no validation part, unless manifests are given."""
    compute, progress = Compute(), Recorder()
    work = folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    train = train or blob_questions(folder / "images", 40, 1)
    test = test or blob_questions(folder / "images", 20, 2)
    valid = valid or train.take([])
    return TrialContext(
        task=task_of({"standard": recipe}),
        recipe=recipe,
        features=features_of(model or TinyEyes(), folder / "cache", compute, progress),
        dataset=whole(train, valid, test),
        train=train,
        valid=valid,
        test=test,
        seed=seed,
        compute=compute,
        work_dir=work,
        progress=progress,
    )
