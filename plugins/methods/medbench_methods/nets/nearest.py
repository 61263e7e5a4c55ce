"""Which method of this package a file that does not fit may be of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.layouts import KeyReading
from medbench.loading import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from medbench.layouts import Shape


def nearest_layout(shapes: Mapping[str, Shape]) -> str:
    """A clause that names the known layout of which the file holds the most tensors, to end an error's line with."""
    name, reading = max(_readings(shapes), key=lambda one: (one[1].matching.fitting, -one[1].matching.wrong))
    matching = reading.matching
    if not matching.fitting:
        return "no known layout is near"
    needed = matching.fitting + len(matching.missing) + len(matching.misshapen)
    return f"the nearest known layout is {name}'s ({reading.layout}: {matching.fitting} of its {needed} tensors)"


def _readings(shapes: Mapping[str, Shape]) -> Iterator[tuple[str, KeyReading]]:
    from medbench_methods import medbench_methods  # the package lists the methods, which load by this module

    for spec in medbench_methods():
        if spec.keys is None:
            continue
        keys = resolve(spec.keys, f"method '{spec.id}'")
        for variant in spec.variants:
            for reading in keys(variant.id, shapes):
                if reading.part == "images":
                    yield f"{spec.id}@{variant.id}", reading
