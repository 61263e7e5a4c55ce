"""What a protocol foresees is what its run asks of the encoder: the same names, of the same pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import generation_toys
import pytest
import retrieval_toys
import vqa_toys
import zeroshot_toys

from medbench.features import Features
from medbench.needs import asked_of
from medbench.protocols import Foreseeing, TrialContext
from medbench.specs import Target
from medbench_tasks.classification.metrics_catalogue import MULTI_LABEL
from medbench_tasks.generation.protocol import PROTOCOL as GENERATION
from medbench_tasks.grounding.protocol import PROTOCOL as GROUNDING
from medbench_tasks.grounding.recipe import STANDARD_GROUNDING
from medbench_tasks.linear.neighbours import PROTOCOL as KNN
from medbench_tasks.linear.protocol import PROTOCOL as LINEAR
from medbench_tasks.linear.recipe import KnnRecipe, LinearRecipe
from medbench_tasks.retrieval.protocol import PROTOCOL as RETRIEVAL
from medbench_tasks.vqa.protocol import PROTOCOL as VQA
from medbench_tasks.zeroshot.protocol import PROTOCOL as ZERO_SHOT
from medbench_tasks.zeroshot.recipe import STANDARD_ZEROSHOT

ANSWERS = [1, 0, 1, 0, -1, 1, 0, 1]


def labels_of(folder: Path, recipe: Any, model: Any, **task: Any) -> TrialContext:
    parts = tuple(zeroshot_toys.manifest_of(folder / "images", ANSWERS, prefix=name) for name in ("a", "b", "c"))
    parts = tuple(replace(part, sha256="0" * 64) for part in parts)
    spec = replace(
        retrieval_toys.TASK,
        dataset="toy",
        metrics=MULTI_LABEL,
        recipes={"standard": recipe},
        target=Target(kind="multi-label", labels=("Bright",)),
        **task,
    )
    return zeroshot_toys.context_of(folder, model, spec, recipe, parts)


def retrieved(folder: Path, model: Any, **how: Any) -> TrialContext:
    rows = [(10, ["10 units"]), (11, ["11 units"]), (12, ["10 UNITS"]), (12, [])]
    manifest = retrieval_toys.manifest_of(folder, rows, others=[20, None, 30, None])
    return retrieval_toys.context_of(folder, model, manifest, **how)


def asked(folder: Path) -> TrialContext:
    train, test = (vqa_toys.blob_questions(folder / "images", count, seed) for count, seed in ((6, 1), (4, 2)))
    return vqa_toys.context_of(folder, replace(vqa_toys.FUSION, epochs=1, question_only=False), train=train, test=test)


def written(folder: Path) -> TrialContext:
    parts = {
        name: replace(
            generation_toys.studies(folder / name, 6, seed=seed, single=(1,)), sha256="0" * 64, root=folder / name
        )
        for seed, name in enumerate(("train", "valid", "test"))
    }
    return generation_toys.context_of(folder, replace(generation_toys.TOY, epochs=1, validate_every=1), **parts)


CASES = {
    "linear": (LINEAR, lambda folder: labels_of(folder, LinearRecipe(), zeroshot_toys.Reader())),
    "knn": (KNN, lambda folder: labels_of(folder, KnnRecipe(neighbours=(1, 3)), zeroshot_toys.Reader())),
    "prompts": (ZERO_SHOT, lambda folder: labels_of(folder, STANDARD_ZEROSHOT, zeroshot_toys.Reader())),
    "queries": (ZERO_SHOT, lambda folder: labels_of(folder, STANDARD_ZEROSHOT, zeroshot_toys.Asked())),
    "fixed": (
        ZERO_SHOT,
        lambda folder: labels_of(folder, replace(STANDARD_ZEROSHOT, thresholds="fixed"), zeroshot_toys.Asked()),
    ),
    "grounding": (GROUNDING, lambda folder: labels_of(folder, STANDARD_GROUNDING, zeroshot_toys.Asked())),
    "retrieval": (RETRIEVAL, lambda folder: retrieved(folder, retrieval_toys.Reader())),
    "matching": (RETRIEVAL, lambda folder: retrieved(folder, retrieval_toys.Matcher(), rerank=2)),
    "no-matching": (RETRIEVAL, lambda folder: retrieved(folder, retrieval_toys.Matcher(), rerank=0)),
    "studies": (RETRIEVAL, lambda folder: retrieved(folder, retrieval_toys.StudyMatcher(), rerank=2)),
    "vqa": (VQA, asked),
    "generation": (GENERATION, written),
}


@pytest.mark.parametrize("case", CASES)
def test_a_run_asks_what_was_foreseen(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    protocol, made = CASES[case]
    context = made(tmp_path)
    assert isinstance(protocol, Foreseeing)
    seen: list[Any] = []
    answered = Features._answered

    def watched(self: Features, need: Any, collect: Any) -> Any:
        seen.append(need)
        return answered(self, need, collect)

    monkeypatch.setattr(Features, "_answered", watched)
    foreseen = list(protocol.foreseen(context))
    assert not seen, "foreseeing asked for features"
    protocol.run(context)
    assert _told(context, foreseen) == _told(context, seen)
    assert seen


def _told(context: TrialContext, needs: list[Any]) -> set[tuple[Any, ...]]:
    """Each picture of each need, by the store that it is kept in."""
    return {(context.features.store_of(need).folder.name, one) for need in needs for one in asked_of(need).hashes()}
