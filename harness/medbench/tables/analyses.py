"""What the kept predictions of a record say beyond its metrics, as far as its protocol offers it (`protocols.Analysis`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from medbench.errors import MedbenchError, PluginError, TrialError
from medbench.loading import resolve
from medbench.protocols import Analysis, GroupValue, ReliabilityBin
from medbench.records import Record
from medbench.specs import Recipe, TaskSpec
from medbench.store import ResultStore
from medbench.tables.comparisons import Comparison
from medbench.trials import restore_recipe

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Analysed:
    """One record's predictions, read and analysed; ``floor_groups`` are the groups of each floor by name."""

    groups: tuple[GroupValue, ...]
    floor_groups: Mapping[str, tuple[GroupValue, ...]]
    reliability: tuple[ReliabilityBin, ...]


@dataclass(slots=True)
class Findings:
    """What was analysed, by the record's key; what could not be, and what is damaged, one line each."""

    found: dict[str, Analysed] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)

    def all_of(self, records: Sequence[Record]) -> list[Analysed] | None:
        """The analyses of all these records, or None where there is none for any of them."""
        found = [self.found[record.key] for record in records if record.key in self.found]
        return found if found and len(found) == len(records) else None


def analyse(comparison: Comparison, store: ResultStore) -> Findings:
    """The analyses of a comparison's records at its largest fraction; one record's trouble is no other's."""
    findings = Findings()
    try:
        protocol = find_analysis(comparison.task)
    except PluginError as error:
        findings.missing.append(f"{comparison.task.id}: its predictions cannot be analysed: {error}")
        return findings
    if protocol is None:
        findings.missing.append(f"{comparison.task.id}: its protocol offers no analysis of kept predictions")
        return findings
    floors = _Floors()
    for contender in comparison.contenders:
        for record in contender.at(comparison.largest):
            path = store.path(record.task, record.method_id, record.key).with_suffix(".parquet")
            if not path.exists():
                findings.missing.append(
                    f"{record.method_id} on {record.task}, seed {record.seed}: no predictions at {path}"
                )
                continue
            try:
                findings.found[record.key] = _analysed(record, comparison.task, protocol, store, floors)
            except Exception as error:  # damaged predictions break a protocol in any way; the other records go on
                kind = "" if isinstance(error, MedbenchError) else f"{type(error).__name__}: "
                reason = " ".join(str(error).split())
                findings.damage.append(f"{record.method_id} on {record.task}, seed {record.seed}: {kind}{reason}")
    return findings


@dataclass(slots=True)
class _Floors:
    """The groups of each floor's last predictions: methods on the same test samples mostly share them."""

    _last: dict[str, tuple[Recipe, pa.Table, tuple[GroupValue, ...]]] = field(default_factory=dict)

    def groups(
        self, name: str, task: TaskSpec, recipe: Recipe, protocol: Analysis, predictions: pa.Table
    ) -> tuple[GroupValue, ...]:
        if name in self._last:
            known, rows, values = self._last[name]
            if known == recipe and rows.equals(predictions):
                return values
        values = tuple(protocol.groups(task, recipe, predictions))
        self._last[name] = (recipe, predictions, values)
        return values


def find_analysis(task: TaskSpec) -> Analysis | None:
    """The task's protocol where it offers `Analysis`. Raises `PluginError` where it cannot be loaded."""
    protocol = resolve(task.loader, f"task '{task.id}'")
    return protocol if isinstance(protocol, Analysis) else None


def _analysed(record: Record, task: TaskSpec, protocol: Analysis, store: ResultStore, floors: _Floors) -> Analysed:
    from medbench.runner import MODEL

    recipe = restore_recipe(task.recipe(record.recipe), record.recipe_values)
    sources = _by_source(store.read_predictions(record))
    if MODEL not in sources:
        raise TrialError("the predictions have no row of the model", fix="run the trial again")
    predictions = sources.pop(MODEL)
    return Analysed(
        groups=tuple(protocol.groups(task, recipe, predictions)),
        floor_groups={
            name: floors.groups(name, task, recipe, protocol, rows)
            for name, rows in sorted(sources.items())
            if name in record.floors
        },
        reliability=tuple(protocol.reliability(task, recipe, predictions)),
    )


def _by_source(predictions: pa.Table) -> dict[str, pa.Table]:
    """The rows of the model and of each floor, sorted by sample id."""
    import pyarrow.compute as pc

    column = predictions.column("source")
    return {
        source: predictions.filter(pc.equal(column, source)).drop_columns(["source"]).sort_by("sample_id")
        for source in column.unique().to_pylist()
    }
