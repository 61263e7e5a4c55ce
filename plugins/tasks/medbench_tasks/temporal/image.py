"""Temporal image classification: did a finding improve, stay or worsen between two images? By MS-CXR-T and Med-ST."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from medbench.errors import UsageError
from medbench.protocols import Example, GroupValue, ReliabilityBin, TrialOutcome
from medbench_tasks.temporal.recipe import PairRecipe

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from medbench.manifest import Manifest
    from medbench.protocols import FeatureNeed, TrialContext
    from medbench.records import MetricValue
    from medbench.specs import Recipe, TaskSpec
    from medbench_tasks.temporal.folds import Fold


class TemporalImageProtocol:
    """`medbench.protocols.TaskProtocol`, `Analysis` and `Exhibits` for pairs of images; a method needs `ImageEncoder`.

    All labelled pairs are of the test part; a linear classifier on frozen features is cross-validated over them, and what
    is kept are its answers to the fold that it was not trained on (Med-ST, ICML 2024, temporal image classification).
    """

    def run(self, context: TrialContext) -> TrialOutcome:
        """Cross-validate over the test part. A finding that cannot be divided into folds stays without an answer.

        Raises `TrialError` where features are not finite or a sample is no pair, and `UsageError` for a foreign recipe or
        a finding that the dataset does not have.
        """
        from medbench_tasks.temporal import pairs

        recipe = _recipe_of(context.recipe, context.task)
        test = context.test
        findings, truth = _truth(context.task, test)
        divided = pairs.folds_of(truth, test.patient_ids, recipe, context.seed)
        features = pairs.pair_features(context.features, test)
        tracked = context.progress.track(range(len(findings)), "train", len(findings))
        models = {k: pairs.classify(features, truth[:, k], divided[k] or [], recipe.cost) for k in tracked}
        return TrialOutcome(
            predictions=_table(test, findings, truth, divided, lambda k, _: models[k]),
            floors={
                "majority": _table(test, findings, truth, divided, lambda k, folds: pairs.majority(truth[:, k], folds))
            },
            notes={"pairs": float(len(test)), "feature_dim": float(features.shape[1])},
        )

    def foreseen(self, context: TrialContext) -> Sequence[FeatureNeed]:
        """Both images of the test part's pairs."""
        from medbench_tasks.temporal.pairs import pair_needs

        return pair_needs(context.test)

    def score(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> dict[str, MetricValue]:
        """The metrics of ``task`` by name, means over findings, with intervals over patients."""
        from medbench_tasks.temporal.pair_metrics import score_pairs
        from medbench_tasks.temporal.pair_predictions import read_pairs

        return score_pairs(read_pairs(predictions), _names(task), _recipe_of(recipe, task).folds)

    def replicates(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Mapping[str, NDArray[np.float64]]:
        """Each metric's bootstrap replicates (`medbench.statistics.REPLICATES`,), NaN where undefined."""
        from medbench_tasks.temporal.pair_metrics import replicate_pairs
        from medbench_tasks.temporal.pair_predictions import read_pairs

        return replicate_pairs(read_pairs(predictions), _names(task))

    def groups(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[GroupValue]:
        """Each metric by finding."""
        from medbench_tasks.temporal.pair_metrics import score_findings
        from medbench_tasks.temporal.pair_predictions import read_pairs

        rows = score_findings(read_pairs(predictions), _names(task), _recipe_of(recipe, task).folds)
        return [GroupValue(grouping="class", group=finding, metric=name, value=value) for finding, name, value in rows]

    def reliability(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[ReliabilityBin]:
        """None: the classifier gives no probabilities."""
        return ()

    def examples(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table, count: int) -> Sequence[Example]:
        """What was answered of each finding, as `medbench_tasks.temporal.exhibits` says."""
        from medbench_tasks.temporal.exhibits import show_pairs

        return show_pairs(predictions, count)


PROTOCOL = TemporalImageProtocol()


def _recipe_of(recipe: Recipe, task: TaskSpec) -> PairRecipe:
    if not isinstance(recipe, PairRecipe):
        raise UsageError(f"task '{task.id}' gives {type(recipe).__name__}, not a PairRecipe")
    return recipe


def _names(task: TaskSpec) -> list[str]:
    return [metric.name for metric in task.metrics]


def _truth(task: TaskSpec, test: Manifest) -> tuple[tuple[str, ...], NDArray[np.int8]]:
    """The findings asked for, and (N, F) their progressions, -1 where unknown."""
    import numpy as np

    findings = (task.target.labels if task.target else ()) or test.label_names
    unknown = [finding for finding in findings if finding not in test.label_names]
    if unknown:
        raise UsageError(f"task '{task.id}' asks for '{unknown[0]}', which {test.dataset} does not label")
    columns = [test.label_names.index(finding) for finding in findings]
    return tuple(findings), np.maximum(test.labels[:, columns], -1)


def _table(
    test: Manifest,
    findings: Sequence[str],
    truth: NDArray[np.int8],
    divided: Sequence[list[Fold] | None],
    answer: Callable[[int, list[Fold]], NDArray[np.int8]],
) -> pa.Table:
    """The answers to every finding, by its number and its folds, as a table of predictions."""
    import numpy as np

    from medbench_tasks.temporal.pair_predictions import pair_table
    from medbench_tasks.temporal.pairs import fold_numbers

    folds = [one or [] for one in divided]
    return pair_table(
        test,
        findings,
        truth=truth,
        predicted=np.stack([answer(k, one) for k, one in enumerate(folds)], axis=1),
        folds=np.stack([fold_numbers(len(test), one) for one in folds], axis=1),
    )
