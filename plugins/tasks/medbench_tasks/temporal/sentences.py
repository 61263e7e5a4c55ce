"""Temporal sentence similarity: do two sentences say the same of a change? By MS-CXR-T and Med-ST."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from medbench.errors import MissingDataError, UsageError
from medbench.protocols import TrialOutcome
from medbench_tasks.temporal.recipe import SentenceRecipe

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from medbench.features import Features
    from medbench.manifest import Manifest
    from medbench.protocols import Example, GroupValue, ReliabilityBin, TrialContext
    from medbench.records import MetricValue
    from medbench.specs import Recipe, TaskSpec

_PAIR = 2


class SentenceSimilarityProtocol:
    """`medbench.protocols.TaskProtocol`, `Analysis` and `Exhibits` for pairs of sentences; a method needs `TextEncoder`.

    Nothing is trained. The score is the cosine of the two embeddings; the label is the dataset's first, 1 for the same
    meaning (Med-ST, ICML 2024, temporal sentence similarity).
    """

    def run(self, context: TrialContext) -> TrialOutcome:
        """Score every pair of the test part that has a label.

        Raises `TrialError` where an embedding is not finite, and `MissingDataError` where a sample is no pair of sentences
        or none has a label.
        """
        import numpy as np

        recipe = _recipe_of(context.recipe, context.task)
        test = _labelled(context.test)
        truth = test.labels[:, 0]
        similarity = _cosines(context.features, test)
        return TrialOutcome(
            predictions=_table(test, similarity, truth, recipe, context.seed),
            floors={"constant": _table(test, np.full_like(similarity, 0.5), truth, recipe, context.seed)},
            notes={"pairs": float(len(test)), "pairs_without_label": float(len(context.test) - len(test))},
        )

    def score(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> dict[str, MetricValue]:
        """The metrics of ``task`` by name, with intervals over pairs; thresholds are held fixed in the replicates."""
        from medbench_tasks.temporal.sentence_metrics import score_sentences

        return score_sentences(predictions, _names(task), _recipe_of(recipe, task).folds)

    def replicates(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Mapping[str, NDArray[np.float64]]:
        """Each metric's bootstrap replicates (`medbench.statistics.REPLICATES`,), NaN where undefined."""
        from medbench_tasks.temporal.sentence_metrics import replicate_sentences

        return replicate_sentences(predictions, _names(task))

    def groups(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[GroupValue]:
        """None: there is one label, and sentences have neither sex, age nor view."""
        return ()

    def reliability(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[ReliabilityBin]:
        """None: a cosine is no probability."""
        return ()

    def examples(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table, count: int) -> Sequence[Example]:
        """Whether pairs mean the same, as `medbench_tasks.temporal.exhibits` says."""
        from medbench_tasks.temporal.exhibits import show_sentences

        return show_sentences(predictions, count)


PROTOCOL = SentenceSimilarityProtocol()


def _recipe_of(recipe: Recipe, task: TaskSpec) -> SentenceRecipe:
    if not isinstance(recipe, SentenceRecipe):
        raise UsageError(f"task '{task.id}' gives {type(recipe).__name__}, not a SentenceRecipe")
    return recipe


def _names(task: TaskSpec) -> list[str]:
    return [metric.name for metric in task.metrics]


def _labelled(test: Manifest) -> Manifest:
    """The rows with a label, all of which must be pairs of sentences."""
    import numpy as np

    if not test.label_names or not (rows := np.flatnonzero(test.labels[:, 0] >= 0)).size:
        raise MissingDataError(f"no pair of {test.dataset}'s test part has a label")
    kept = test.take(rows.tolist())
    for sample_id, texts in zip(kept.sample_ids, _texts(kept), strict=True):
        if len(texts) != _PAIR:
            raise MissingDataError(
                f"sample {sample_id} of {test.dataset} has {len(texts)} texts, where a pair is needed"
            )
    return kept


def _texts(manifest: Manifest) -> list[tuple[str, ...]]:
    return [tuple(texts) for texts in manifest.table.column("texts").to_pylist()]


def _cosines(features: Features, test: Manifest) -> NDArray[np.float64]:
    """(N,) the cosine of each pair's embeddings, in single precision as the release computes it."""
    import numpy as np

    from medbench_tasks.vectors import unit_length

    texts = _texts(test)
    embedded = unit_length(features.texts([first for first, _ in texts] + [second for _, second in texts]))
    first, second = embedded[: len(texts)], embedded[len(texts) :]
    cosines: NDArray[np.float64] = np.einsum("nd,nd->n", first, second).astype(np.float64)
    return cosines


def _table(
    test: Manifest, similarity: NDArray[np.float64], truth: NDArray[np.int8], recipe: SentenceRecipe, seed: int
) -> pa.Table:
    """The predictions, with a threshold for each pair from the folds that it is not in."""
    from medbench_tasks.temporal.folds import grouped_folds
    from medbench_tasks.temporal.sentence_metrics import sentence_table
    from medbench_tasks.temporal.thresholds import nested_thresholds, sharing_groups

    folds = grouped_folds(truth, sharing_groups(_texts(test)), recipe.folds, seed)
    return sentence_table(
        test, similarity=similarity, truth=truth, thresholds=nested_thresholds(similarity, truth, folds or [])
    )
