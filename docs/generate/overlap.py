"""Which variants of a method may have seen a dataset's images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from generate.writing import codes, page_link
from medbench.contamination import Contamination, contamination_of
from medbench.registry import Registry
from medbench.specs import MethodSpec, MethodVariant


def by_state(
    method: MethodSpec, variants: Iterable[MethodVariant], dataset: str, split: str, registry: Registry
) -> dict[Contamination, list[MethodVariant]]:
    """The variants by what their declared data say of a split of the dataset."""
    found: defaultdict[Contamination, list[MethodVariant]] = defaultdict(list)
    for one in variants:
        found[contamination_of(method, one.id, dataset, split, registry.datasets)].append(one)
    return dict(found)


def seen_by(dataset: str, split: str, registry: Registry) -> str:
    """Links to the methods whose declared data may hold its images, with the variants where it is not all; '' for none."""
    found = []
    for method in registry.methods.values():
        overlapping = by_state(method, method.variants, dataset, split, registry).get("overlaps", [])
        if overlapping:
            some = f" ({codes(one.id for one in overlapping)})" if len(overlapping) < len(method.variants) else ""
            found.append(page_link("methods", method.id) + some)
    return ", ".join(found)
