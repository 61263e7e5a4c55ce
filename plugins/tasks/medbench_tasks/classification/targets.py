"""What each sample of a manifest is to be answered with: truth arrays from labels, by the target and the recipe."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medbench.errors import MissingDataError, UnknownNameError, UsageError
from medbench.samples import UNCERTAIN, UNKNOWN
from medbench.specs import Target
from medbench_tasks.classification.recipe import LabelRecipe

if TYPE_CHECKING:
    from medbench.manifest import Manifest
    from medbench.specs import Part

MASKED = -1
"""In truth arrays: not to be trained on, not scored."""


def settle(target: Target, manifest: Manifest) -> Target:
    """``target`` with its labels named and ``auto`` decided by ``manifest``.

    ``auto`` is ``multi-class`` where there are two labels or more and every sample with any known label has all of them
    known and exactly one present. Settle on `medbench.protocols.TrialContext.dataset`, every row whatever its split, and
    use the result for every part: then all protocols, fractions and seeds agree. Raises `MissingDataError` where the dataset
    has no labels, `UsageError` for a label that it does not have, a label named twice, or a multi-class target of one label.
    """
    if not manifest.label_names:
        raise MissingDataError(f"{manifest.dataset} has no labels to classify by")
    labels = target.labels or tuple(manifest.label_names)
    columns = _columns(manifest, labels)
    if len(set(labels)) != len(labels):
        raise UsageError(f"a target of {manifest.dataset} names a label twice: {', '.join(labels)}")
    if target.kind == "multi-class" and len(labels) < 2:
        raise UsageError(
            f"a multi-class target of {manifest.dataset} needs two labels or more, not '{labels[0]}' alone"
        )
    if target.kind != "auto":
        return replace(target, labels=labels)
    values = manifest.labels[:, columns]
    values = values[(values != UNKNOWN).any(axis=1)]
    exclusive = len(labels) > 1 and len(values) > 0 and bool(((values >= 0).all(axis=1) & _one_present(values)).all())
    return Target(kind="multi-class" if exclusive else "multi-label", labels=labels)


def truth_of(manifest: Manifest, target: Target, recipe: LabelRecipe) -> NDArray[np.int8]:
    """(N, K) for the K labels of a settled target: 1 present, 0 absent, -1 masked.

    Multi-class rows are one-hot, or -1 throughout. A row is one-hot where exactly one label is present: the others are
    then absent even if they are unknown, unless one is uncertain and the recipe masks that. Raises `UsageError` for a target
    that is not settled, a label that the dataset does not have, and labels of more than two values.
    """
    if target.kind == "auto" or not target.labels:
        raise UsageError(
            "the target is not settled: its kind and labels are not decided yet", fix="call settle() first"
        )
    known = set(manifest.label_names)
    for name in (*recipe.uncertain_present, *recipe.uncertain_absent):
        if name not in known:
            raise UnknownNameError(f"label of {manifest.dataset} in the recipe", name, known)
    values = manifest.labels[:, _columns(manifest, target.labels)]
    if (values > 1).any():
        name = target.labels[int(np.flatnonzero((values > 1).any(axis=0))[0])]
        raise UsageError(
            f"label '{name}' of {manifest.dataset} has more than two values, so it is not present or absent"
        )
    truth = np.where(values >= 0, values, np.int8(MASKED)).astype(np.int8)
    truth[values == UNKNOWN] = MASKED if recipe.blank == "mask" else 0
    for column, name in enumerate(target.labels):
        truth[values[:, column] == UNCERTAIN, column] = _uncertain_as(name, recipe)
    return _one_hot(truth, values) if target.kind == "multi-class" else truth


def labelled(manifest: Manifest, part: Part, target: Target, recipe: LabelRecipe) -> Manifest:
    """The rows of ``manifest`` (the trial's ``part``) that have a label to answer, in order.

    Raises `MissingDataError` where there is none.
    """
    keep = (truth_of(manifest, target, recipe) != MASKED).any(axis=1)
    if not keep.any():
        names = ", ".join(target.labels)
        raise MissingDataError(
            f"none of the {len(manifest)} {part} samples of {manifest.dataset} has a usable label of {names}",
            fix=_more_labels(part, target, recipe),
        )
    return manifest if keep.all() else manifest.take(np.flatnonzero(keep).tolist())


def _more_labels(part: Part, target: Target, recipe: LabelRecipe) -> str | None:
    """What may give the part a label: the fraction only concerns training, and absent labels name no class."""
    ways = ["use a larger fraction"] if part == "train" else []
    ways += ["--set blank=absent"] if recipe.blank == "mask" and target.kind == "multi-label" else []
    return ", or ".join(ways) or None


def _columns(manifest: Manifest, labels: tuple[str, ...]) -> list[int]:
    for name in labels:
        if name not in manifest.label_names:
            raise UnknownNameError(f"label of {manifest.dataset}", name, manifest.label_names)
    return [manifest.label_names.index(name) for name in labels]


def _one_present(values: NDArray[np.int8]) -> NDArray[np.bool_]:
    present: NDArray[np.bool_] = (values == 1).sum(axis=1) == 1
    return present


def _uncertain_as(name: str, recipe: LabelRecipe) -> int:
    if name in recipe.uncertain_present:
        return 1
    if name in recipe.uncertain_absent:
        return 0
    return {"mask": MASKED, "absent": 0, "present": 1}[recipe.uncertain]


def _one_hot(truth: NDArray[np.int8], values: NDArray[np.int8]) -> NDArray[np.int8]:
    doubtful = ((truth == MASKED) & (values != UNKNOWN)).any(axis=1)
    usable = _one_present(truth) & ~doubtful
    return np.where(usable[:, None], (truth == 1).astype(np.int8), np.int8(MASKED))
