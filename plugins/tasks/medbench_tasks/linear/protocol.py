"""The linear probe: logistic regression on frozen features, the strength chosen on validation."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from medbench.protocols import TrialOutcome
from medbench_tasks.classification.scoring import ClassificationScoring
from medbench_tasks.linear.recipe import LinearRecipe

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from medbench.protocols import FeatureNeed, TrialContext
    from medbench_tasks.linear.heads import Heads
    from medbench_tasks.linear.parts import FrozenParts
    from medbench_tasks.linear.selection import Choice


class LinearProbe(ClassificationScoring):
    """`medbench.protocols.TaskProtocol` for labels; a method needs the `ImageEncoder` capability."""

    def run(self, context: TrialContext) -> TrialOutcome:
        """Solve every strength at once on the training samples, choose on validation, answer the test part.

        Multi-label targets choose a strength a label, multi-class ones a single one, as `medbench_tasks.linear.selection`
        says; equally good ones yield to the strongest regularisation. Nothing is trained again on validation. A recipe of
        another kind (a head trained by an optimiser over images) goes to the fine-tuning protocol. Raises
        `MissingDataError` where a part has no label.
        """
        if not isinstance(context.recipe, LinearRecipe):
            from medbench_tasks.finetuning.protocol import PROTOCOL as FINE_TUNING

            return FINE_TUNING.run(context)
        return _probe(context, context.recipe)

    def foreseen(self, context: TrialContext) -> Iterable[FeatureNeed]:
        """The images of the three parts that have a label; of a head trained over images, nothing."""
        from medbench_tasks.linear.parts import FrozenParts

        return FrozenParts.foreseen(context, context.recipe) if isinstance(context.recipe, LinearRecipe) else ()


PROTOCOL = LinearProbe()


def _probe(context: TrialContext, recipe: LinearRecipe) -> TrialOutcome:
    from medbench_tasks.linear.heads import fit_heads
    from medbench_tasks.linear.parts import FrozenParts

    parts = FrozenParts.of(context, recipe)
    started = time.perf_counter()
    context.progress.phase("train")
    multi_class = parts.target.kind == "multi-class"
    heads = fit_heads(
        parts.train.features, parts.train.truth, recipe, multi_class=multi_class, device=context.compute.device
    )
    solved = time.perf_counter()
    context.progress.phase("evaluate")
    choice, valid_scores = _choose(parts, heads)
    predictions, floors = parts.tables(valid_scores, heads.probabilities(parts.test.features, choice.index))
    notes = parts.sizes() | _notes(recipe, heads, choice) | {"solve_seconds": round(solved - started, 3)}
    return TrialOutcome(predictions=predictions, floors=floors, notes=notes)


def _choose(parts: FrozenParts, heads: Heads) -> tuple[Choice, NDArray[np.float64]]:
    """The strength of each label, and the validation part's probabilities (N, K) at it."""
    import numpy as np

    from medbench_tasks.linear.selection import choose_each, choose_for_classes

    scores = heads.sweep(parts.valid.features)
    choose = choose_for_classes if parts.target.kind == "multi-class" else choose_each
    choice = choose(parts.valid.truth, scores)
    return choice, np.take_along_axis(scores, choice.index[None, None, :], axis=0)[0]


def _notes(recipe: LinearRecipe, heads: Heads, choice: Choice) -> dict[str, float]:
    import numpy as np

    chosen = np.asarray(recipe.c_values)[choice.index]
    return {
        "c_min": float(chosen.min()),
        "c_geometric_mean": float(np.exp(np.log(chosen).mean())),
        "c_max": float(chosen.max()),
        "labels_chosen_by_loss": choice.by_loss,
        "labels_absent_from_validation": choice.blind,
        "problems_not_converged": heads.unconverged,
    }
