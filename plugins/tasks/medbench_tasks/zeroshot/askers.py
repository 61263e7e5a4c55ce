"""The two ways to ask a method for labels that it was not trained on here: by prompts and by queries.

Each gives one score a label and image; nothing is learnt.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Protocol

import numpy as np

from medbench.errors import TrialError, UsageError
from medbench.needs import image_need
from medbench.protocols import FeatureNeed
from medbench_tasks.zeroshot.names import finding_of
from medbench_tasks.zeroshot.prompts import chosen_prompts
from medbench_tasks.zeroshot.similarity import similarity, softmax, unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from medbench.features import Features
    from medbench.manifest import Manifest
    from medbench.protocols import TrialContext
    from medbench.specs import Target
    from medbench_tasks.zeroshot.prompts import PromptSet
    from medbench_tasks.zeroshot.recipe import ZeroShotRecipe


class Asker(Protocol):
    """Gives scores; ``decision`` is the fixed threshold above which a label asked on its own is present."""

    probabilities: bool
    decision: float

    def need(self, manifest: Manifest) -> FeatureNeed:
        """What `scores` asks of the image encoder."""
        ...

    def scores(self, manifest: Manifest) -> NDArray[np.float64]:
        """(N, K) for the K labels of the target, higher is more likely."""
        ...


def asker_of(context: TrialContext, recipe: ZeroShotRecipe, target: Target) -> Asker:
    """The way that the recipe and the method's capabilities leave. Raises `UsageError` where the method has it not."""
    by = recipe.by if recipe.by != "auto" else _preferred(context.features)
    if by == "queries":
        return _queries(context, recipe, target)
    return _prompts(context, recipe, target)


def _preferred(features: Features) -> str:
    return "prompts" if _takes_prompts(features) else "queries"


def _takes_prompts(features: Features) -> bool:
    return features.capabilities >= {"ImageEncoder", "TextEncoder"}


def _prompts(context: TrialContext, recipe: ZeroShotRecipe, target: Target) -> PromptAsker:
    if not _takes_prompts(context.features):
        raise UsageError("the method takes no prompts: it has no text encoder", fix="set by=queries, or leave by=auto")
    prompts = chosen_prompts(recipe.prompts, recipe.texts, target.labels)
    if target.kind == "multi-label" and prompts.negative is None:
        raise UsageError(
            f"the prompts '{recipe.prompts}' do not say what an absent label looks like",
            fix="set prompts=template, or give each label negative prompts",
        )
    return PromptAsker(context.features, recipe, prompts, multi_class=target.kind == "multi-class")


def _queries(context: TrialContext, recipe: ZeroShotRecipe, target: Target) -> QueryAsker:
    if "QueryClassifier" not in context.features.capabilities:
        raise UsageError("the method takes no queries", fix="set by=prompts, or leave by=auto")
    findings = [finding_of(context.task.dataset, label) for label in target.labels]
    return QueryAsker(context.features, findings, recipe.equalise, multi_class=target.kind == "multi-class")


class PromptAsker:
    """Cosines of an image to prompts.

    Labels asked one by one score the cosine to the positive prompts less that to the negative ones, in -2..2: a softmax over
    the two would keep the order, saturate at low temperatures, and be no calibrated probability. Exclusive classes score
    the softmax of their cosines.
    """

    decision = 0.0

    def __init__(self, features: Features, recipe: ZeroShotRecipe, prompts: PromptSet, *, multi_class: bool) -> None:
        self.probabilities = multi_class
        self._features = features
        self._recipe = recipe
        self._prompts = prompts

    def need(self, manifest: Manifest) -> FeatureNeed:
        return image_need(manifest)

    def scores(self, manifest: Manifest) -> NDArray[np.float64]:
        images = unit(self._features.project(self._features.answer(self.need(manifest))))
        positive = self._cosines(images, self._prompts.positive)
        if self.probabilities:
            return softmax(positive / self._recipe.temperature)
        return positive - self._cosines(images, self._prompts.negative or {})

    def _cosines(self, images: NDArray[np.float64], prompts: Mapping[str, tuple[str, ...]]) -> NDArray[np.float64]:
        """(N, K), a column for each label."""
        vectors = self._features.texts([text for group in prompts.values() for text in group])
        ends = np.cumsum([len(group) for group in prompts.values()])
        groups = np.split(vectors, ends[:-1])
        return np.stack([similarity(images, group, self._recipe.ensemble) for group in groups], axis=1)


class QueryAsker:
    """The probabilities that a method gives to findings by name; exclusive classes share them out to sum to one."""

    decision = 0.5
    probabilities = True

    def __init__(self, features: Features, findings: list[str], equalise: bool, *, multi_class: bool) -> None:
        self._features = features
        self._findings = findings
        self._preprocess = dataclasses.replace(features.preprocess, equalise=equalise or features.preprocess.equalise)
        self._multi_class = multi_class

    def need(self, manifest: Manifest) -> FeatureNeed:
        return FeatureNeed(
            name=f"classify-{hashlib.sha256(repr(self._findings).encode()).hexdigest()[:16]}",
            apply=lambda model, images: model.classify(images, self._findings),
            manifest=manifest,
            preprocess=self._preprocess,
            reads_texts=True,
        )

    def scores(self, manifest: Manifest) -> NDArray[np.float64]:
        rows = self._features.answer(self.need(manifest))
        if rows.shape != (len(manifest), len(self._findings)):
            raise TrialError(
                f"the method's answers have shape {rows.shape}, not {(len(manifest), len(self._findings))}"
            )
        scores = rows.astype(np.float64)
        return _shares(scores) if self._multi_class else scores


def _shares(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    total = scores.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.divide(
        scores, total, out=np.full_like(scores, 1 / scores.shape[1]), where=total > 0
    )
    return shares
