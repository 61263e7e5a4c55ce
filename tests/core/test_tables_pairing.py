"""Paired tests: against the best, on the same samples and draws, corrected for their number, or refused with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from medbench.leaderboard.table import Specs
from medbench.records import MetricValue
from medbench.store import ResultStore
from medbench.tables.comparisons import Comparison, find_comparisons
from medbench.tables.pairing import Paired, holm, paired_csv, paired_section, paired_tests
from tests.core.table_toys import keep, predictions_of, replicates_of, table_rows, toy_registry, toy_task


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path)


def pair(store: ResultStore, **task: object) -> Paired | None:
    registry = toy_registry(toy_task(**task))
    return paired_tests(find_comparisons(store.read_all().records, Specs(registry.tasks)).found[0])


def compared(store: ResultStore) -> Comparison:
    return find_comparisons(store.read_all().records, Specs(toy_registry().tasks)).found[0]


def model_rows(table):  # type: ignore[no-untyped-def]
    return table.filter([source == "model" for source in table.column("source").to_pylist()])


def test_a_test_is_the_one_computed_directly_from_both_predictions(store: ResultStore) -> None:
    keep(store, "mgca", 0.5)
    keep(store, "medst", 0.8)
    paired = pair(store)
    assert paired is not None
    assert paired.best.title == "medst@resnet50"
    tables = [model_rows(predictions_of(skill, 0)) for skill in (0.5, 0.8)]
    means = [np.mean(table.column("right").to_pylist()) for table in tables]
    differences = replicates_of(tables[0]) - replicates_of(tables[1])
    test = paired.rows[0].test
    assert test is not None
    assert test.difference == pytest.approx(means[0] - means[1])
    assert (test.low, test.high) == pytest.approx(tuple(np.quantile(differences, [0.025, 0.975])))
    tail = min((differences <= 0).sum(), (differences >= 0).sum())
    assert test.p_value == pytest.approx(min(1, 2 * (1 + tail) / (1 + len(differences))))


def test_seeds_are_averaged_within_each_draw(store: ResultStore) -> None:
    for seed in (0, 1):
        keep(store, "mgca", 0.5, seed=seed)
    keep(store, "medst", 0.8)
    paired = pair(store)
    assert paired is not None and paired.rows[0].test is not None
    mine = np.mean([replicates_of(model_rows(predictions_of(0.5, seed))) for seed in (0, 1)], axis=0)
    differences = mine - replicates_of(model_rows(predictions_of(0.8, 0)))
    assert paired.rows[0].seeds == 2
    assert (paired.rows[0].test.low, paired.rows[0].test.high) == pytest.approx(
        tuple(np.quantile(differences, [0.025, 0.975]))
    )


def test_the_order_of_rows_in_the_file_changes_nothing(store: ResultStore, tmp_path: Path) -> None:
    other = ResultStore(tmp_path / "other")
    for each in (store, other):
        keep(each, "medst", 0.8)
    table = predictions_of(0.5, 0)
    keep(store, "mgca", 0.5, predictions=table)
    keep(other, "mgca", 0.5, predictions=table.take(list(reversed(range(table.num_rows)))))
    first, second = pair(store), pair(other)
    assert first is not None and second is not None
    assert first.rows[0].test == second.rows[0].test


def test_lower_is_better_makes_the_lowest_the_best(store: ResultStore) -> None:
    from medbench.specs import MetricSpec

    keep(store, "mgca", 0.5)
    keep(store, "medst", 0.8)
    paired = pair(store, metrics=(MetricSpec(name="map", title="Error", higher_is_better=False),))
    assert paired is not None
    assert paired.best.title == "mgca@resnet50"
    assert paired.rows[0].test is not None and paired.rows[0].test.difference > 0


def test_other_test_samples_are_refused_with_their_number(store: ResultStore) -> None:
    keep(store, "medst", 0.8)
    keep(store, "mgca", 0.5, predictions=predictions_of(0.5, 0, samples=58))
    paired = pair(store)
    assert paired is not None
    assert paired.rows[0].test is None
    assert paired.rows[0].reason == "other test samples, or other patients"


def test_other_patient_ids_are_refused(store: ResultStore) -> None:
    import pyarrow as pa

    keep(store, "medst", 0.8)
    table = predictions_of(0.5, 0)
    column = table.schema.get_field_index("patient_id")
    own = [f"q{patient}" for patient in table.column("patient_id").to_pylist()]
    keep(store, "mgca", 0.5, predictions=table.set_column(column, "patient_id", pa.array(own)))
    paired = pair(store)
    assert paired is not None
    assert paired.rows[0].reason == "other test samples, or other patients"


def test_manifests_that_differ_past_the_shown_digits_are_refused(store: ResultStore) -> None:
    keep(store, "medst", 0.8)
    keep(store, "mgca", 0.5, manifest_sha256="d" * 63 + "e")
    paired = pair(store)
    assert paired is not None
    assert "manifests differ" in paired.rows[0].reason


def test_a_better_method_without_replicates_is_told_of(store: ResultStore) -> None:
    keep(store, "mgca", 0.4)
    keep(store, "medst", 0.6)
    store.write_record(replace(keep(store, "third", 0.9), replicates={}))
    comparison = compared(store)
    paired = paired_tests(comparison)
    assert paired is not None
    assert paired.best.title == "medst@resnet50"
    page = paired_section(comparison, paired)
    assert "third@resnet50 has a better value than the best here, but no test" in page
    rows = table_rows(page, "Paired tests")
    assert [row[0] for row in rows[1:]] == ["**medst@resnet50**", "third@resnet50", "mgca@resnet50"]
    assert "not tested: the records keep no replicates" in rows[2][2]


def test_the_predictions_are_not_needed(store: ResultStore) -> None:
    for method, skill in (("mgca", 0.4), ("medst", 0.6)):
        record = keep(store, method, skill)
        store.path(record.task, record.method_id, record.key).with_suffix(".parquet").unlink()
    paired = pair(store)
    assert paired is not None and paired.rows[0].test is not None


def test_an_undefined_metric_is_not_tested(store: ResultStore) -> None:
    keep(store, "medst", 0.8)
    store.write_record(replace(keep(store, "mgca", 0.5), metrics={"map": MetricValue(None, n=60, note="one class")}))
    paired = pair(store)
    assert paired is not None
    assert paired.rows[0].reason == "the metric is undefined or absent in some seed"


def test_one_method_alone_has_no_tests(store: ResultStore) -> None:
    keep(store, "mgca", 0.5)
    assert pair(store) is None


@pytest.mark.parametrize(
    ("given", "corrected"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.9], [0.9]),
        ([0.6, 0.7], [1.0, 1.0]),
        ([], []),
    ],
)
def test_holm(given: list[float], corrected: list[float]) -> None:
    assert holm(given) == pytest.approx(corrected)


def test_the_correction_is_over_the_tests_that_were_made(store: ResultStore) -> None:
    keep(store, "medst", 0.8)
    keep(store, "mgca", 0.6)
    keep(store, "third", 0.5)
    keep(store, "other", 0.4, predictions=predictions_of(0.4, 0, samples=58))
    paired = pair(store)
    assert paired is not None
    made = [row for row in paired.rows if row.test is not None]
    assert len(made) == 2
    assert [row.holm for row in made] == pytest.approx(holm([row.test.p_value for row in made if row.test]))


def test_the_csv_has_a_row_a_test_in_shares_of_one(store: ResultStore) -> None:
    import csv
    import io

    keep(store, "mgca", 0.5)
    keep(store, "medst", 0.8)
    comparison = compared(store)
    paired = paired_tests(comparison)
    assert paired is not None and paired.rows[0].test is not None
    rows = list(csv.DictReader(io.StringIO(paired_csv(comparison, paired).decode())))
    assert len(rows) == 1
    assert (rows[0]["method"], rows[0]["best"]) == ("mgca@resnet50", "medst@resnet50")
    assert float(rows[0]["difference"]) == pytest.approx(paired.rows[0].test.difference, abs=1e-5)
    assert float(rows[0]["p_holm"]) == pytest.approx(paired.rows[0].test.p_value, abs=1e-5)
