"""The metrics that classification tasks may list; importable without numpy."""

from __future__ import annotations

from medbench.errors import UnknownNameError
from medbench.specs import MetricSpec

METRICS: tuple[MetricSpec, ...] = (
    MetricSpec(name="auroc", title="AUROC"),
    MetricSpec(name="ap", title="Average precision"),
    MetricSpec(name="f1", title="F1"),
    MetricSpec(name="micro-f1", title="Micro F1"),
    MetricSpec(name="sensitivity", title="Sensitivity"),
    MetricSpec(name="specificity", title="Specificity"),
    MetricSpec(name="exact-match", title="All labels right"),
    MetricSpec(name="accuracy", title="Accuracy"),
    MetricSpec(name="balanced-accuracy", title="Balanced accuracy"),
    MetricSpec(name="ece", title="Expected calibration error", higher_is_better=False),
    MetricSpec(name="f1-max-on-test", title="F1 at the best threshold of the test part", as_released=True),
    MetricSpec(name="accuracy-at-max-f1", title="Accuracy at the test part's best F1 threshold", as_released=True),
    MetricSpec(name="auroc-as-released", title="AUROC, a class without positives counted as 0", as_released=True),
    MetricSpec(name="f1-as-released", title="F1, a class without positives counted as 0", as_released=True),
    MetricSpec(
        name="balanced-accuracy-as-released",
        title="Balanced accuracy of the scores' sign or half, printed as AUROC by the MedST release",
        as_released=True,
    ),
)
"""Every one that `medbench_tasks.classification.metrics` knows."""


def metrics_named(*names: str) -> tuple[MetricSpec, ...]:
    """The metrics of those names, in that order: the first ranks. Raises `UnknownNameError`."""
    by_name = {metric.name: metric for metric in METRICS}
    for name in names:
        if name not in by_name:
            raise UnknownNameError("metric", name, by_name)
    return tuple(by_name[name] for name in names)


SOUND = ("auroc", "ap", "f1", "accuracy", "balanced-accuracy", "ece")
MULTI_LABEL: tuple[MetricSpec, ...] = metrics_named(*SOUND, "f1-max-on-test", "accuracy-at-max-f1")
"""For one label or several that are asked one by one; AUROC ranks."""
DIAGNOSIS: tuple[MetricSpec, ...] = metrics_named(
    *("f1", "micro-f1", "auroc", "ap", "sensitivity", "specificity", "exact-match", "balanced-accuracy", "ece"),
    "f1-as-released",
)
"""For the labels of a report asked together; macro F1 ranks.

They are the MOTOR release's (diagnose_api: F1s at 0.5, AUROC, sensitivity, specificity, exact match) and a few more. Two are
averaged over other labels than there: specificity over labels with a negative, the release's over labels with a positive; F1
over labels with a positive, the release's over all (``f1-as-released``). Where every label has both, they are the same.
"""
MULTI_CLASS: tuple[MetricSpec, ...] = metrics_named("accuracy", "balanced-accuracy", "f1", "auroc", "ap", "ece")
"""For one class out of several; accuracy ranks."""
