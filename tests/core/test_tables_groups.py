"""Groups and reliability, from kept predictions."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from medbench.leaderboard.table import Specs
from medbench.protocols import ReliabilityBin
from medbench.store import ResultStore
from medbench.tables.analyses import Findings, analyse
from medbench.tables.comparisons import Comparison, find_comparisons
from medbench.tables.groups import GroupTable, group_table, groups_csv, groups_section
from medbench.tables.reliability import pooled, reliabilities, reliability_csv
from tests.core import table_toys
from tests.core.table_toys import keep, predictions_of, table_rows, toy_registry


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path)


def analysed(store: ResultStore) -> tuple[Comparison, Findings]:
    registry = toy_registry()
    comparison = find_comparisons(store.read_all().records, Specs(registry.tasks)).found[0]
    return comparison, analyse(comparison, store)


def table(store: ResultStore) -> GroupTable:
    found = group_table(*analysed(store))
    assert found is not None
    return found


def test_each_grouping_has_a_table_with_the_size_of_each_group(store: ResultStore) -> None:
    keep(store, "mgca", 0.9)
    keep(store, "medst", 0.5)
    found = table(store)
    assert found.groupings == ("class", "sex")
    rows = table_rows(groups_section(found), "By sex")
    assert rows[0] == ["method", "M (n = 20)", "F (n = 40)"]
    assert [row[0] for row in rows[1:]] == ["mgca@resnet50", "medst@resnet50", "*guess*"]


def test_a_value_is_the_mean_over_the_samples_of_the_group_and_over_seeds(store: ResultStore) -> None:
    for seed in (0, 1):
        keep(store, "mgca", 0.6, seed=seed)
    cell = table(store).lines[0].cells["class", "oedema", "map"]
    rows = [row for seed in (0, 1) for row in predictions_of(0.6, seed).to_pylist()]
    right = [row["right"] for row in rows if row["source"] == "model" and row["finding"] == "oedema"]
    assert cell.value == pytest.approx(np.mean(right))
    assert (cell.seeds, cell.low is not None) == (2, True)


def test_a_group_is_marked_against_the_floor_of_that_group(store: ResultStore) -> None:
    import pyarrow as pa

    rows = predictions_of(1.0, 0).to_pylist()
    for row in rows:
        if row["finding"] == "mass":  # here the floor is always right as well
            row["right"] = 1.0
    keep(store, "mgca", 1.0, predictions=pa.Table.from_pylist(rows))
    cells = table(store).lines[0].cells
    assert cells["class", "mass", "map"].not_above_floor
    assert not cells["class", "nodule", "map"].not_above_floor


def test_a_floor_that_methods_share_is_analysed_and_shown_once(
    store: ResultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    original = table_toys.ShareRight.groups

    def counted(self: object, *arguments: object) -> object:
        calls.append(arguments)
        return original(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(table_toys.ShareRight, "groups", counted)
    for method, skill in (("mgca", 0.4), ("medst", 0.6), ("third", 0.8)):
        keep(store, method, skill)
    assert [line.title for line in table(store).lines if line.floor] == ["guess"]
    assert len(calls) == 4


def test_the_csv_has_every_group_of_methods_and_floors(store: ResultStore) -> None:
    keep(store, "mgca", 0.9)
    rows = list(csv.DictReader(io.StringIO(groups_csv(table(store)).decode())))
    assert len(rows) == 2 * 5
    assert {row["kind"] for row in rows} == {"method", "floor"}
    assert [row["n"] for row in rows if row["group"] == "F"] == ["40", "40"]


def test_bins_of_several_seeds_are_pooled_by_their_sizes(store: ResultStore) -> None:
    def one(*bins: ReliabilityBin) -> object:
        from types import SimpleNamespace

        return SimpleNamespace(reliability=bins)

    low = {"low": 0.0, "high": 0.5}
    bins = pooled(
        [
            one(ReliabilityBin(**low, n=1, confidence=0.2, frequency=1.0)),
            one(
                ReliabilityBin(**low, n=3, confidence=0.4, frequency=0.0),
                ReliabilityBin(low=0.5, high=1.0, n=0, confidence=0.0, frequency=0.0),
            ),
        ]  # type: ignore[arg-type]
    )
    assert len(bins) == 1
    assert (bins[0].n, bins[0].confidence, bins[0].frequency) == (4, pytest.approx(0.35), 0.25)


def test_reliability_is_of_the_model_alone(store: ResultStore) -> None:
    keep(store, "mgca", 0.9)
    comparison, findings = analysed(store)
    found = reliabilities(comparison, findings)
    assert sum(each.n for each in found[0].bins) == table_toys.SAMPLES
    rows = list(csv.DictReader(io.StringIO(reliability_csv(comparison, found).decode())))
    assert [row["low"] for row in rows] == ["0", "0.2", "0.4", "0.6", "0.8"]
