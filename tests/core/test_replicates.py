"""Replicates in records, and the paired test of two sets of records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from medbench import records
from medbench.errors import TrialError
from medbench.records import Record
from medbench.replicates import holm, mean_replicates, pair, replicates_of, samples_digest
from medbench.specs import Recipe
from medbench.statistics import REPLICATES, paired_difference
from tests.core.record_maker import make_record
from tests.core.table_toys import MUTE, PROTOCOL, predictions_of, toy_task
from tests.core.table_toys import replicates_of as by_hand


def model_rows(skill: float, seed: int = 0) -> pa.Table:
    table = predictions_of(skill, seed)
    return table.filter(pa.array([source == "model" for source in table.column("source").to_pylist()]))


def record_of(skill: float, seed: int = 0, **changes: Any) -> Record:
    """A record of those predictions, with what the runner would keep."""
    rows = model_rows(skill, seed)
    kept = replicates_of(toy_task(), Recipe(), PROTOCOL, rows)
    value = float(np.mean(rows.column("right").to_pylist()))
    return make_record(
        "mgca",
        value,
        seed=seed,
        samples_sha256=kept.samples_sha256,
        test_patients=kept.patients,
        replicates=kept.by_metric,
        **changes,
    )


def test_a_record_keeps_its_replicates_through_json() -> None:
    record = record_of(0.7)
    again = records.decode(records.encode(record), "here")
    assert again == record
    mean = mean_replicates([again], "map")
    assert mean is not None
    np.testing.assert_allclose(mean, by_hand(model_rows(0.7)), rtol=1e-6)


def test_a_record_of_schema_2_is_read_without_replicates() -> None:
    document = msgspec.json.decode(records.encode(record_of(0.7)))
    del document["replicates"], document["samples_sha256"], document["test_patients"]
    old = records.decode(msgspec.json.encode({**document, "schema": 2}), "here")
    assert (old.schema, old.replicates, old.samples_sha256) == (records.SCHEMA, {}, None)


def test_pairing_records_agrees_with_pairing_predictions() -> None:
    better, worse = record_of(0.8), record_of(0.5)
    found = pair([better], [worse], "map")
    wanted = paired_difference(
        by_hand(model_rows(0.8)),
        by_hand(model_rows(0.5)),
        better.metrics["map"].value or 0,
        worse.metrics["map"].value or 0,
    )
    assert found.test is not None and wanted is not None
    assert found.test.difference == wanted.difference
    assert (found.test.low, found.test.high) == pytest.approx((wanted.low, wanted.high), abs=1e-6)
    assert found.test.p_value == wanted.p_value


def test_seeds_are_averaged_draw_by_draw() -> None:
    mean = mean_replicates([record_of(0.7, 0), record_of(0.7, 1)], "map")
    assert mean is not None
    np.testing.assert_allclose(mean, (by_hand(model_rows(0.7, 0)) + by_hand(model_rows(0.7, 1))) / 2, rtol=1e-6)


def test_a_record_paired_with_itself_shows_no_difference() -> None:
    test = pair([record_of(0.7)], [record_of(0.7)], "map").test
    assert test is not None
    assert (test.difference, test.low, test.high, test.p_value) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"samples_sha256": "f" * 64}, "other test samples"),
        ({"test_patients": None}, "other test samples"),
        ({"replicates": {}}, "medbench rescore"),
        ({"metrics": {}}, "undefined or absent"),
        ({"replicates": {"map": np.zeros(10, "<f4").tobytes()}}, "10"),
    ],
)
def test_what_cannot_be_paired_says_why(changes: dict[str, Any], reason: str) -> None:
    found = pair([record_of(0.7)], [msgspec.structs.replace(record_of(0.5), **changes)], "map")
    assert found.test is None
    assert reason in found.reason


def test_a_protocol_without_analysis_keeps_the_digest_alone() -> None:
    kept = replicates_of(toy_task(), Recipe(), MUTE, model_rows(0.7))
    assert kept.by_metric == {}
    assert kept.samples_sha256 == samples_digest(model_rows(0.7))


def test_the_digest_knows_samples_and_patients_but_no_order() -> None:
    rows = model_rows(0.7).select(["sample_id", "patient_id"])
    shuffled = rows.take(pa.array(np.random.default_rng(0).permutation(rows.num_rows)))
    other = rows.set_column(1, "patient_id", pa.array([f"q{index}" for index in range(rows.num_rows)]))
    assert samples_digest(rows) == samples_digest(shuffled) != samples_digest(other)
    run_on = pa.table({"sample_id": ["ab"], "patient_id": ["c"]}), pa.table({"sample_id": ["a"], "patient_id": ["bc"]})
    assert samples_digest(run_on[0]) != samples_digest(run_on[1])


def test_replicates_of_another_number_are_refused() -> None:
    class Short(type(PROTOCOL)):  # type: ignore[misc]
        def replicates(self, *arguments: Any) -> dict[str, Any]:
            return {"map": np.zeros(REPLICATES - 1)}

    with pytest.raises(TrialError, match=f"map of shape \\({REPLICATES - 1},\\)"):
        replicates_of(toy_task(), Recipe(), Short(), model_rows(0.7))


def test_undefined_replicates_are_left_out_of_the_test(tmp_path: Path) -> None:
    holes = np.where(np.arange(REPLICATES) % 2, np.nan, by_hand(model_rows(0.5))).astype("<f4")
    found = pair(
        [record_of(0.7)], [msgspec.structs.replace(record_of(0.5), replicates={"map": holes.tobytes()})], "map"
    )
    assert found.test is not None
    assert np.isfinite([found.test.low, found.test.high, found.test.p_value]).all()


def test_holm_multiplies_by_what_is_left() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
