"""From records to tables as plain values: what is put beside what, who ranks where, which cells carry a mark.

One table for each (phantom, task version, split, recipe label, data): nothing in it differs but the methods, the data
fractions and the seeds. Rows of one method whose records do not belong together (another checkpoint, version or precision)
stay apart; only seeds are averaged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from medbench.leaderboard.cells import Cell, Column, cell_of, floor_cells
from medbench.records import Record, encode
from medbench.specs import MethodSpec, TaskSpec

Kind = Literal["method", "floor", "ceiling"]
Contamination = Literal["clean", "overlaps", "undeclared", ""]


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table; ``qualifier`` tells rows of one method apart; a floor or ceiling has no rank."""

    name: str
    qualifier: str
    contamination: Contamination
    test_n: tuple[int, ...]
    seeds: tuple[int, ...]
    cells: tuple[Cell | None, ...]
    rank: int | None = None
    kind: Kind = "method"


class Heading(NamedTuple):
    """What all cells of a table share."""

    phantom: bool
    set_aside: bool
    task: str
    version: int
    split: str
    recipe: str
    data: str
    """The first digits of the manifest's content hash: other data, or another reader of them, is another table."""


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, the columns, and the lines in the order they are shown: methods, floors, ceilings."""

    heading: Heading
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]

    @property
    def fractions(self) -> list[float]:
        return sorted({column.fraction for column in self.columns})


class _Identity(NamedTuple):
    """What must agree before two records may share a row."""

    method: str
    checkpoint: str
    method_version: int
    precision: str
    key: str


def build_tables(
    records: Iterable[Record], tasks: Mapping[str, TaskSpec], methods: Mapping[str, MethodSpec]
) -> list[Table]:
    """Every table that the records make: real before phantom, current before older versions, `standard` first."""
    unique = {record.key: record for record in sorted(records, key=encode, reverse=True)}
    newest: dict[str, int] = {}
    for record in unique.values():
        newest[record.task] = max(record.task_version, newest.get(record.task, record.task_version))
    groups: defaultdict[Heading, list[Record]] = defaultdict(list)
    for record in unique.values():
        current = tasks[record.task].version if record.task in tasks else newest[record.task]
        groups[
            Heading(
                phantom=record.phantom,
                set_aside=record.task_version != current,
                task=record.task,
                version=record.task_version,
                split=record.split,
                recipe=record.recipe_label,
                data=record.manifest_sha256[:8],
            )
        ].append(record)
    sizes = {heading: max(record.test_n for record in members) for heading, members in groups.items()}
    order = sorted(groups, key=lambda heading: _table_order(heading, tasks.get(heading.task), sizes[heading]))
    return [_build_table(heading, groups[heading], tasks.get(heading.task), methods) for heading in order]


def _table_order(heading: Heading, task: TaskSpec | None, test_n: int) -> tuple[object, ...]:
    return (
        heading.task,
        heading.phantom,
        heading.set_aside,
        -heading.version,
        heading.recipe != "standard",
        heading.recipe,
        task is None or heading.split != task.split,
        heading.split,
        -test_n,
        heading.data,
    )


def _build_table(
    heading: Heading, records: list[Record], task: TaskSpec | None, methods: Mapping[str, MethodSpec]
) -> Table:
    columns = _columns(records, task)
    rows = rows_of(records)
    lines = [
        Line(
            name=identity.method,
            qualifier=qualifier_of(identity, rows),
            contamination=_contamination(members[0], task, methods),
            test_n=tuple(sorted({record.test_n for record in members})),
            seeds=tuple(sorted({cell.seeds for column in columns if (cell := cell_of(members, column)) is not None})),
            cells=tuple(cell_of(members, column) for column in columns),
        )
        for identity, members in rows.items()
    ]
    lines = _placed(lines, columns)
    ranking = _ranking_column(columns, task)
    if ranking is not None:
        lines = [_ranked(line, ranking) for line in lines]
    lines.sort(key=lambda line: (line.rank is None, line.rank or 0, line.name, line.qualifier))
    return Table(heading, columns, (*lines, *_bounds(records, columns)))


def _columns(records: list[Record], task: TaskSpec | None) -> tuple[Column, ...]:
    fractions = sorted({record.fraction for record in records})
    present = {name for record in records for name in record.metrics}
    known = {metric.name: metric for metric in task.metrics if metric.name in present} if task else {}
    ranks = task is not None and task.ranking_metric.name in present
    columns = []
    for position, name in enumerate([*known, *sorted(present - set(known))]):
        spec = known.get(name)
        everywhere = position == 0 or not ranks
        columns += [
            Column(
                metric=name,
                title=spec.title if spec else name,
                fraction=fraction,
                higher_is_better=spec.higher_is_better if spec else None,
                as_released=spec is not None and spec.as_released,
                n=_shared_n(records, name, fraction),
                unit=spec.unit if spec else "percent",
            )
            for fraction in (fractions if everywhere else fractions[-1:])
        ]
    return tuple(columns)


def _shared_n(records: list[Record], metric: str, fraction: float) -> int | None:
    found = {
        (record.metrics[metric].n, record.test_n)
        for record in records
        if record.fraction == fraction and metric in record.metrics
    }
    if len(found) != 1:
        return None
    n, test_n = found.pop()
    return n if n != test_n else None


def _ranking_column(columns: Sequence[Column], task: TaskSpec | None) -> int | None:
    """The index of the ranking metric at the largest fraction; None where no plugin names the metric."""
    if task is None:
        return None
    found = [index for index, column in enumerate(columns) if column.metric == task.ranking_metric.name]
    return found[-1] if found else None


def rows_of(records: list[Record]) -> dict[_Identity, list[Record]]:
    """Records that may share a row, by seed; one that another contradicts (same fraction and seed) stands alone."""
    together: defaultdict[_Identity, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda record: (record.method_id, record.fraction, record.seed, record.key)):
        together[_identity(record)].append(record)
    rows: defaultdict[_Identity, list[Record]] = defaultdict(list)
    for identity, members in together.items():
        trials = [(record.fraction, record.seed) for record in members]
        for record, trial in zip(members, trials, strict=True):
            alone = trials.count(trial) > 1
            rows[identity._replace(key=record.key) if alone else identity].append(record)
    return dict(rows)


def _identity(record: Record) -> _Identity:
    return _Identity(
        method=record.method_id,
        checkpoint=record.checkpoint_sha256 or "none",
        method_version=record.method_version,
        precision=record.provenance.precision,
        key="",
    )


def qualifier_of(identity: _Identity, rows: Iterable[_Identity]) -> str:
    """The fields in which this row differs from others of its method, and its precision where any row has another."""
    everyone = list(rows)
    parts = []
    for name, value in identity._asdict().items():
        others = [other for other in everyone if other.method == identity.method or name == "precision"]
        if name == "method" or not value or len({getattr(other, name) for other in others}) == 1:
            continue
        parts.append(f"{name.replace('_', ' ')} {value[:8] if isinstance(value, str) else value}")
    return ", ".join(parts)


def _contamination(record: Record, task: TaskSpec | None, methods: Mapping[str, MethodSpec]) -> Contamination:
    method = methods.get(record.method)
    if method is None or method.pretrained_on is None:
        return "undeclared"
    return "overlaps" if (task.dataset if task else record.dataset) in method.pretrained_on else "clean"


def _placed(lines: list[Line], columns: Sequence[Column]) -> list[Line]:
    """Lines with every cell's place in its column; equal as printed is equal."""
    placed: list[list[Cell | None]] = [list(line.cells) for line in lines]
    for index, column in enumerate(columns):
        if column.higher_is_better is None:
            continue
        sign = -1 if column.higher_is_better else 1
        scores = [sign * _printed(cell) for cells in placed if (cell := cells[index]) and cell.value is not None]
        for cells in placed:
            cell = cells[index]
            if cell and cell.value is not None:
                mine = sign * _printed(cell)
                cells[index] = replace(cell, place=1 + sum(score < mine for score in scores))
    return [replace(line, cells=tuple(cells)) for line, cells in zip(lines, placed, strict=True)]


def _printed(cell: Cell) -> float:
    return float(cell.text(cell.value or 0.0).replace(",", ""))


def _ranked(line: Line, column: int) -> Line:
    cell = line.cells[column]
    return replace(line, rank=cell.place if cell and cell.place else None)


def _bounds(records: list[Record], columns: Sequence[Column]) -> list[Line]:
    """A line a floor, then one a ceiling; apart where records of one fraction do not agree on it, never averaged."""
    ordered = sorted(records, key=lambda record: (record.fraction, record.seed, record.method_id, record.key))
    floors: dict[str, Kind] = {name: "floor" for record in records for name in record.floors}
    ceilings: dict[str, Kind] = {name: "ceiling" for record in records for name in record.ceilings}
    lines = []
    for name, kind in (*sorted(floors.items()), *sorted(ceilings.items())):
        stacks = [floor_cells(ordered, name, column) for column in columns]
        for depth in range(max(map(len, stacks))):
            cells = tuple(stack[depth] if depth < len(stack) else None for stack in stacks)
            counts = tuple(sorted({one.test_n for one in records if name in one.floors or name in one.ceilings}))
            lines.append(Line(name, "", "", counts, (), cells, kind=kind))
    return lines
