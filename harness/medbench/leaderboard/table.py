"""From records to tables as plain values: what is put beside what, who ranks where, which cells carry a mark.

One table for each (phantom, task version, split, recipe label, data): nothing in it differs but the methods, the data
fractions and the seeds. Rows of one method whose records do not belong together (another checkpoint, version or precision)
stay apart; only seeds are averaged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from medbench.contamination import Contamination, contamination_of
from medbench.leaderboard.cells import BOUNDS, Cell, Column, bound_cells, bounds_of, cell_of
from medbench.leaderboard.places import Cells, marked
from medbench.leaderboard.reported import Figures, ReportedColumn, figures_of, reported_columns, reported_only
from medbench.leaderboard.rows import RowIdentity, qualifier_of, qualifiers_of, rows_of, unique_records
from medbench.records import Record
from medbench.specs import DatasetSpec, MethodSpec, TaskSpec

Kind = Literal["method", "reported", "floor", "ceiling"]
"""A method that was run, one of which there are only reported figures, or what the records say of trivial and best answers."""


@dataclass(frozen=True, slots=True)
class Specs:
    """What the plugins say of the ids that records hold; what is not there is shown all the same, unmarked."""

    tasks: Mapping[str, TaskSpec] = field(default_factory=dict)
    methods: Mapping[str, MethodSpec] = field(default_factory=dict)
    datasets: Mapping[str, DatasetSpec] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table; ``qualifier`` tells rows of one method apart; only a method has a rank.

    ``cells`` go with the table's ``columns`` and ``reported`` with its ``reported``. ``checkpoint`` is the SHA-256 of the
    weights, ``versions`` are those of medbench, ``records`` what a method's row is made from.
    """

    name: str
    qualifier: str
    contamination: Contamination | Literal[""]
    test_n: tuple[int, ...]
    seeds: tuple[int, ...]
    cells: tuple[Cell | None, ...]
    rank: int | None = None
    kind: Kind = "method"
    checkpoint: str | None = None
    versions: tuple[str, ...] = ()
    reported: tuple[Figures, ...] = ()
    identity: RowIdentity | None = field(default=None, repr=False)
    records: tuple[Record, ...] = field(default=(), repr=False)


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
    """A heading, the columns, and the lines in the order they are shown: methods, reported alone, floors, ceilings."""

    heading: Heading
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    reported: tuple[ReportedColumn, ...] = ()

    @property
    def fractions(self) -> list[float]:
        return sorted({column.fraction for column in self.columns})


def build_tables(records: Iterable[Record], specs: Specs) -> list[Table]:
    """Every table that the records make: real before phantom, current before older versions, `standard` first."""
    unique = unique_records(records)
    newest: dict[str, int] = {}
    for record in unique:
        newest[record.task] = max(record.task_version, newest.get(record.task, record.task_version))
    groups: defaultdict[Heading, list[Record]] = defaultdict(list)
    for record in unique:
        current = specs.tasks[record.task].version if record.task in specs.tasks else newest[record.task]
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
    order = sorted(groups, key=lambda heading: _table_order(heading, specs.tasks.get(heading.task), sizes[heading]))
    return [_build_table(heading, groups[heading], specs) for heading in order]


def reported_tables(tables: Iterable[Table], specs: Specs) -> list[Table]:
    """Tables of reported figures alone, for every task and recipe that has figures and is in none of ``tables``."""
    shown = {(table.heading.task, table.heading.recipe) for table in tables if table.reported}
    found = []
    for task in sorted(specs.tasks.values(), key=lambda one: one.id):
        recipes = {figure.recipe for figure in task.reported}
        for recipe in sorted(recipes, key=lambda name: (name != "standard", name)):
            if (task.id, recipe) not in shown:
                heading = Heading(False, False, task.id, task.version, task.split, recipe, "")
                columns = reported_columns(task, recipe)
                found.append(Table(heading, (), tuple(_reported_lines(task, heading, (), columns, 0, specs)), columns))
    return found


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


def _build_table(heading: Heading, records: list[Record], specs: Specs) -> Table:
    task = specs.tasks.get(heading.task)
    columns = _columns(records, task)
    rows = rows_of(records)
    qualifiers = qualifiers_of(rows)
    members = list(rows.values())
    cells = marked([tuple(cell_of(one, column) for column in columns) for one in members], members, columns)
    lines = [
        _line(one, own, qualifiers[one], found, specs) for (one, own), found in zip(rows.items(), cells, strict=True)
    ]
    ranking = _ranking_column(columns, task)
    if ranking is not None:
        lines = [_ranked(line, ranking) for line in lines]
    lines.sort(key=lambda line: (line.rank is None, line.rank or 0, line.name, line.qualifier))
    reported: tuple[ReportedColumn, ...] = ()
    others: list[Line] = []
    if task is not None and _takes_figures(heading, task):
        reported = reported_columns(task, heading.recipe)
        lines = [
            replace(line, reported=figures_of(task, heading.recipe, line.name, reported, line.records))
            for line in lines
        ]
        others = _reported_lines(task, heading, (line.name for line in lines), reported, len(columns), specs)
    return Table(heading, columns, (*lines, *others, *_bounds(records, columns)), reported)


def _line(identity: RowIdentity, members: Sequence[Record], qualifier: str, cells: Cells, specs: Specs) -> Line:
    return Line(
        name=identity.method,
        qualifier=qualifier,
        contamination=_contamination(members[0], specs),
        test_n=tuple(sorted({record.test_n for record in members})),
        seeds=tuple(sorted({cell.seeds for cell in cells if cell is not None})),
        cells=cells,
        checkpoint=members[0].checkpoint_sha256,
        versions=tuple(sorted({record.provenance.medbench for record in members})),
        identity=identity,
        records=tuple(members),
    )


def _takes_figures(heading: Heading, task: TaskSpec) -> bool:
    return not heading.phantom and not heading.set_aside and heading.split == task.split


def _reported_lines(
    task: TaskSpec,
    heading: Heading,
    run: Iterable[str],
    columns: tuple[ReportedColumn, ...],
    cells: int,
    specs: Specs,
) -> list[Line]:
    return [
        Line(
            name=name,
            qualifier="",
            contamination=_declared(name, task, specs),
            test_n=(),
            seeds=(),
            cells=(None,) * cells,
            kind="reported",
            reported=figures_of(task, heading.recipe, name, columns, ()),
        )
        for name in reported_only(task, heading.recipe, run)
    ]


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


def _contamination(record: Record, specs: Specs) -> Contamination:
    return contamination_of(
        specs.methods.get(record.method), record.variant, record.dataset, record.split, specs.datasets
    )


def _declared(name: str, task: TaskSpec, specs: Specs) -> Contamination:
    """Of a method with reported figures alone; one that no plugin provides has declared nothing."""
    method, _, variant = name.partition("@")
    return contamination_of(specs.methods.get(method), variant, task.dataset, task.split, specs.datasets)


def _ranked(line: Line, column: int) -> Line:
    cell = line.cells[column]
    return replace(line, rank=cell.place if cell and cell.place else None)


def _bounds(records: list[Record], columns: Sequence[Column]) -> list[Line]:
    """A line a floor, then one a ceiling; apart where records of one fraction do not agree on it, never averaged."""
    ordered = sorted(records, key=lambda record: (record.fraction, record.seed, record.method_id, record.key))
    lines = []
    for kind in BOUNDS:
        for name in sorted({name for record in records for name in bounds_of(record, kind)}):
            stacks = [bound_cells(ordered, kind, name, column) for column in columns]
            counts = tuple(sorted({one.test_n for one in records if name in bounds_of(one, kind)}))
            for depth in range(max(map(len, stacks))):
                cells = tuple(stack[depth] if depth < len(stack) else None for stack in stacks)
                lines.append(Line(name, "", "", counts, (), cells, kind=kind))
    return lines


__all__ = [
    "Heading",
    "Kind",
    "Line",
    "Specs",
    "Table",
    "build_tables",
    "qualifier_of",
    "reported_tables",
    "rows_of",
]
