"""Whether a method may have seen a task's test images, by what it declares to have been pretrained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from medbench.specs import DatasetSpec, MethodSpec

Contamination = Literal["clean", "overlaps", "undeclared"]


def contamination_of(
    method: MethodSpec | None, variant: str, dataset: str, split: str, datasets: Mapping[str, DatasetSpec]
) -> Contamination:
    """``overlaps`` where declared data may hold test images of that split of the dataset, ``undeclared`` where none are named.

    Datasets overlap where one holds the other's images, or both those of a third (`DatasetSpec.images_from`). A declared
    part (``mimic-cxr:train``) is clean of other parts of that split, and of that alone: of another split, or of a dataset
    made of the same images, nobody has checked which image is where. A method that is not installed is undeclared.
    """
    declared = None if method is None else method.seen_by(variant)
    if declared is None:
        return "undeclared"
    tested = _origins(dataset, datasets)
    for entry in declared:
        name, _, part = entry.partition(":")
        spec = datasets.get(name)
        apart = name == dataset and part not in {"", "test"} and spec is not None and split == spec.splits[0].name
        if not apart and tested & _origins(name, datasets):
            return "overlaps"
    return "clean"


def _origins(dataset: str, datasets: Mapping[str, DatasetSpec]) -> set[str]:
    """The dataset and all whose images it holds, directly or not."""
    found: set[str] = set()
    waiting = [dataset]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += datasets[name].images_from if name in datasets else ()
    return found
