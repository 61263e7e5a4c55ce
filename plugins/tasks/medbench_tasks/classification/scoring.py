"""Scores, replicates, subgroups, reliability and examples of classification predictions: what every such protocol inherits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from medbench_tasks.classification.predictions import read_predictions

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from medbench.protocols import Example, GroupValue, ReliabilityBin
    from medbench.records import MetricValue
    from medbench.specs import Recipe, TaskSpec


class ClassificationScoring:
    """`medbench.protocols.Analysis`, `Exhibits` and the ``score`` of `TaskProtocol`, from a prediction table alone."""

    def score(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> dict[str, MetricValue]:
        """Every metric of ``task`` by name, with its 95 % interval over patients; needs neither model nor torch."""
        from medbench_tasks.classification.metrics import score_predictions

        return score_predictions(read_predictions(predictions), _names(task))

    def replicates(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Mapping[str, NDArray[np.float64]]:
        """Each metric's bootstrap replicates (`medbench.statistics.REPLICATES`,), NaN where undefined."""
        from medbench_tasks.classification.metrics import replicate_metrics

        return replicate_metrics(read_predictions(predictions), _names(task))

    def groups(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[GroupValue]:
        """Each metric by class, and by sex, age band and view where the table has them."""
        from medbench_tasks.classification.subgroups import group_values

        return group_values(read_predictions(predictions), _names(task))

    def reliability(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[ReliabilityBin]:
        """The reliability diagram's bins that hold any score, ascending; empty where scores are no probabilities."""
        from medbench_tasks.classification.calibration import reliability_bins

        return reliability_bins(read_predictions(predictions))

    def examples(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table, count: int) -> Sequence[Example]:
        """Labels beside the true ones, as `medbench_tasks.classification.exhibits` says."""
        from medbench_tasks.classification.exhibits import show_labels

        return show_labels(read_predictions(predictions), count)


def _names(task: TaskSpec) -> list[str]:
    return [metric.name for metric in task.metrics]
