"""Whether a method may have seen a task's test images, by what it declares to have been pretrained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from medbench.specs import UNDISCLOSED, DatasetSpec, MethodSpec

Contamination = Literal["clean", "overlaps", "undeclared"]


def contamination_of(
    method: MethodSpec | None, variant: str, dataset: str, split: str, datasets: Mapping[str, DatasetSpec]
) -> Contamination:
    """``overlaps`` where declared data may hold test images of that split of the dataset, ``undeclared`` where nobody can say.

    Datasets overlap where one holds the other's images, or both those of a third (`DatasetSpec.images_from`). A declared
    part (``mimic-cxr:train``) is clean of other parts of that split, and of that alone: of another split, or of a dataset
    made of the same images, nobody has checked which image is where. Undeclared is a method that is not installed or names
    no data, one that has seen undisclosed images beside those it names (`UNDISCLOSED`), and one that names some where the
    origin of the images is not known. Who has seen nothing is clean of all.
    """
    declared = None if method is None else method.seen_by(variant)
    if declared is None:
        return "undeclared"
    tested = _origins(dataset, datasets)
    known = True
    for entry in declared:
        name, _, part = entry.partition(":")
        spec = datasets.get(name)
        apart = name == dataset and part not in {"", "test"} and spec is not None and split == spec.splits[0].name
        if apart:
            continue
        seen = _origins(name, datasets)
        if tested & (seen - {None}):
            return "overlaps"
        known = known and name != UNDISCLOSED and None not in tested | seen
    return "clean" if known else "undeclared"


def _origins(dataset: str, datasets: Mapping[str, DatasetSpec]) -> set[str | None]:
    """The dataset and all whose images it holds, directly or not; None among them where that of some is not known."""
    found: set[str | None] = set()
    waiting = [dataset]
    unknown = False
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            sources = datasets[name].images_from if name in datasets else ()
            waiting += sources or ()
            unknown = unknown or sources is None
    return found | {None} if unknown else found
