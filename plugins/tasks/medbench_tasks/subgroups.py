"""Who is in which group of samples: age bands and the order of groups, the same in every protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from medbench.records import MetricValue

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

FEWEST = 10
"""A group of fewer samples gets a note in place of a value."""
AGE_BANDS = ((0, "<40"), (40, "40-59"), (60, "60-79"), (80, "80+"))
"""The first age of each band in years, ascending."""


def members_of(
    attributes: Mapping[str, Sequence[str]], groupings: Sequence[str]
) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """(grouping, group, its members (N,)) of every group that has members, by grouping.

    ``attributes`` (N,) are by grouping; those of ``age`` are years, and its groups bands. Bands ascend, other groups come by
    name; samples whose attribute is '' (or an age that is no number of at least 0) are in none.
    """
    import numpy as np

    for grouping in groupings:
        values = [age_band(age) for age in attributes[grouping]] if grouping == "age" else attributes[grouping]
        for group in _in_order(values):
            yield grouping, group, np.asarray(values) == group


def attributes_of(table: pa.Table) -> dict[str, list[str]]:
    """Those of sex, age and view that a table of predictions keeps, '' where unknown; none from tables of older versions."""
    from medbench.manifest import ATTRIBUTES

    kept = [name for name in ATTRIBUTES if name in table.column_names]
    return {name: [value or "" for value in table.column(name).to_pylist()] for name in kept}


def age_band(age: str) -> str:
    """The band of an age in years; '' where it is no number of at least 0."""
    try:
        years = float(age)
    except ValueError:
        return ""
    return next((name for first, name in reversed(AGE_BANDS) if years >= first), "")


def too_few(n: int) -> MetricValue:
    """What stands for the value of a group of ``n`` samples, fewer than `FEWEST`."""
    return MetricValue(value=None, n=n, note=f"fewer than {FEWEST} samples")


def _in_order(values: Sequence[str]) -> list[str]:
    bands = [name for _, name in AGE_BANDS]
    return sorted(set(values) - {""}, key=lambda name: (bands.index(name) if name in bands else -1, name))
