"""Names that occur twice in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from medbench.samples import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from medbench_datasets.tables import TableRow


class Complaint(NamedTuple):
    """Why a row cannot become a sample: the kind of the problem (see `medbench.samples.Problem`) and a sentence."""

    kind: str
    detail: str


class SeenNames:
    """The file names that a reader has taken so far, and how often one came again (``repeats``).

    Names that differ by case alone are two: whether they collide is the audit's to say.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()
        self.repeats = 0

    def take(self, name: str) -> Complaint | None:
        """Remember ``name``, or say, as ``duplicate-row``, that it was there already."""
        if name not in self._names:
            self._names.add(name)
            return None
        self.repeats += 1
        return Complaint("duplicate-row", f"a row before this one names '{name}' too")


def usable_rows(
    file: str,
    rows: Sequence[TableRow],
    complain: Callable[[TableRow], Complaint | None],
    name_of: Callable[[TableRow], str],
    seen: SeenNames,
    problems: list[Problem],
) -> list[TableRow]:
    """Rows of ``file`` that nothing speaks against, the first of each name; the others are reported and passed over."""
    usable = []
    for row in rows:
        complaint = complain(row) or seen.take(name_of(row))
        if complaint is None:
            usable.append(row)
        else:
            problems.append(Problem(complaint.kind, f"{file}:{row.line}", f"{complaint.detail}; passed over"))
    return usable
