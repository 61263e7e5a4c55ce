"""Makes tables of the report and keeps their records."""

from __future__ import annotations

import random
from dataclasses import dataclass

from msgspec.structs import replace

from medbench.leaderboard.text import percent
from medbench.report.payload import ColumnView, LineView, RecordView, TableView, Value

METHODS = (
    "mgca@resnet50",
    "mgca@vit-b16",
    "medst@vit-b16",
    "medst@resnet50",
    "medslip",
    "timm/resnet50.a1_in1k",
    "open_clip/ViT-B-16",
    "transformers/biomedclip",
    "motor",
)
FRACTIONS = (0.01, 0.1, 1.0)


@dataclass(frozen=True)
class Sheet:
    """What a table is made of; ``spread`` moves methods apart."""

    task: str
    title: str
    dataset: str
    protocol: str
    metrics: tuple[str, ...]
    fractions: tuple[float, ...] = (1.0,)
    phantom: bool = False
    recipe: str = "standard"
    version: int = 1
    set_aside: bool = False
    methods: tuple[str, ...] = METHODS
    ceiling: bool = False


class Maker:
    """Makes tables and keeps their records."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.records: list[RecordView] = []

    def table(self, sheet: Sheet, **more: object) -> TableView:
        """A table with methods, a floor and, for a task of several fractions, a reported row."""
        columns = tuple(
            ColumnView(metric=metric, title=metric.upper(), fraction=fraction, higher_is_better=True)
            for metric in sheet.metrics
            for fraction in (sheet.fractions if metric == sheet.metrics[0] else sheet.fractions[-1:])
        )
        rows = [self._row(sheet, columns, method, index) for index, method in enumerate(sheet.methods)]
        ranking = len(sheet.fractions) - 1
        lines = [_ranked(row, rows, ranking) for row in rows]
        lines.sort(key=lambda line: line.rank or 0)
        floor = tuple(
            Value(value=0.5, text="50.0") if column.metric == sheet.metrics[0] else None for column in columns
        )
        lines.append(LineView(name="prevalence", kind="floor", cells=floor, test_n=(1000,)))
        if sheet.ceiling:
            lines.append(LineView(name="the truth's halves", kind="ceiling", cells=floor, test_n=(1000,)))
        if len(sheet.fractions) > 1:
            lines += _reported(columns)
        return TableView(
            task=sheet.task,
            title=sheet.title,
            dataset=sheet.dataset,
            protocol=sheet.protocol,
            recipe=sheet.recipe,
            split="test",
            version=sheet.version,
            data="ab12cd34",
            phantom=sheet.phantom,
            set_aside=sheet.set_aside,
            columns=columns,
            lines=tuple(lines),
            ranking=ranking,
            **more,  # type: ignore[arg-type]
        )

    def _row(self, sheet: Sheet, columns: tuple[ColumnView, ...], method: str, index: int) -> LineView:
        contamination = ("clean", "overlaps", "undeclared")[index % 3]
        cells = tuple(self._cell(sheet, column, method, 0.84 - 0.028 * index) for column in columns)
        return LineView(
            name=method,
            kind="method",
            cells=cells,
            qualifier="precision fp16" if index == 3 else "",
            contamination=contamination,
            test_n=(1000,),
            seeds=(3,),
        )

    def _cell(self, sheet: Sheet, column: ColumnView, method: str, level: float) -> Value:
        value = level + 0.05 * len(str(column.fraction)) * -0.5 + self.random.uniform(-0.02, 0.02)
        low, high = value - self.random.uniform(0.01, 0.03), value + self.random.uniform(0.01, 0.03)
        first = len(self.records)
        for seed in range(3):
            self.records.append(self._record(sheet, column, method, seed, (value, low, high)))
        return Value(
            value=value,
            text=percent(value),
            low=low,
            high=high,
            deviation=self.random.uniform(0.002, 0.01),
            seeds=3,
            notes=("undefined in 1 of 3 seeds: no positive sample",) if self.random.random() < 0.05 else (),
            not_above_floor=low < 0.5,
            records=tuple(range(first, len(self.records))),
        )

    def _record(
        self, sheet: Sheet, column: ColumnView, method: str, seed: int, metric: tuple[float, float, float]
    ) -> RecordView:
        return RecordView(
            key=f"{self.random.getrandbits(256):064x}",
            task=sheet.task,
            method=method,
            fraction=column.fraction,
            seed=seed,
            split="test",
            recipe=0,
            versions=0,
            checkpoint=f"{self.random.getrandbits(256):064x}",
            manifest="ab12cd34" * 8,
            train_n=18_678,
            test_n=1000,
            medbench="0.5.0",
            device="NVIDIA H100",
            precision="fp32",
            started="2026-11-20T10:00:00Z",
            duration_s=421.5,
            peak_memory_mib=2048.0,
            images_per_second=812.4,
            revision="d98a71f",
            phantom=sheet.phantom,
            metrics={column.metric: metric},
        )


def _ranked(line: LineView, rows: list[LineView], ranking: int) -> LineView:
    def score(one: LineView, index: int) -> float:
        cell = one.cells[index]
        return cell.value if cell and cell.value is not None else 0.0

    cells = []
    for index, cell in enumerate(line.cells):
        best = max(score(row, index) for row in rows)
        cells.append(_tied(cell, best) if cell else None)
    rank = 1 + sum(score(row, ranking) > score(line, ranking) for row in rows)
    return replace(line, cells=tuple(cells), rank=rank)


def _tied(cell: Value, best: float) -> Value:
    return replace(cell, tied=cell.high is not None and cell.high > best)


def _reported(columns: tuple[ColumnView, ...]) -> list[LineView]:
    """One that may be compared, and one far off that may not, and so is in no chart."""
    better, other = (
        Value(value=0.802, text="80.2", difference=0.0123),
        Value(value=0.09, text="9.0", comparable=False),
    )
    return [
        LineView(
            name=name,
            kind="reported",
            cells=tuple(value if place in places else None for place in range(len(columns))),
            source=source,
        )
        for name, value, places, source in (
            ("mgca@vit-b16", better, (1, 2), "MGCA, NeurIPS 2022, table 1"),
            ("Theirs", other, (2,), "Another split, 2020"),
        )
    ]
