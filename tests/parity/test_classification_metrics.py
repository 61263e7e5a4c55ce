"""The published classification metrics, number by number, and the constants that follow from the shipped lists alone."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from weights import golden_arrays

from medbench.manifest import ImageFacts, Manifest, build_table
from medbench.samples import Sample
from medbench.specs import Target
from medbench_tasks.classification.floors import floor_tables
from medbench_tasks.classification.metrics import label_estimates, score_predictions
from medbench_tasks.classification.predictions import Predictions, prediction_table, read_predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHEST_XRAY14_POSITIVES = (3279, 1069, 4658, 6112, 1748, 1623, 555, 2665, 1815, 925, 1093, 435, 1143, 86)


@pytest.fixture(scope="module")
def mgca(shared: Path) -> dict[str, Any]:
    return golden_arrays(shared / "golden" / "mgca-metrics")


@pytest.fixture(scope="module")
def medslip(shared: Path) -> dict[str, Any]:
    return golden_arrays(shared / "golden" / "metrics-blip")


@pytest.fixture(scope="module")
def printed(shared: Path) -> dict[str, Any]:
    results: dict[str, Any] = json.loads((shared / "golden" / "metrics-blip" / "golden.json").read_text())["results"]
    return results


def _manifest(labels: NDArray[np.int8]) -> Manifest:
    names = tuple(f"label-{column:02}" for column in range(labels.shape[1]))
    samples = [Sample(sample_id=f"s{row}", patient_id=f"p{row}", image="x.png") for row in range(len(labels))]
    table = build_table(samples, names, [ImageFacts(1, 1, "0" * 64)] * len(samples))
    return Manifest("list", Path("list"), names, "0" * 64, False, table)


def _predictions(
    labels: Any, scores: Any, kind: Any = "multi-label", threshold: float = 0.5, **more: Any
) -> Predictions:
    truth = np.asarray(labels).astype(np.int8)
    manifest = _manifest(truth)
    target = Target(kind=kind, labels=manifest.label_names)
    thresholds = np.full(truth.shape[1], threshold)
    return read_predictions(
        prediction_table(manifest, target, truth=truth, scores=scores, thresholds=thresholds, **more)
    )


def _values(predictions: Predictions, *names: str) -> list[float | None]:
    return [value.value for value in score_predictions(predictions, names).values()]


def _each(predictions: Predictions, name: str) -> NDArray[np.float64]:
    return label_estimates(predictions, [name], np.ones((len(predictions), 1), np.uint8))[name][0]


def _sigmoid(logits: Any) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-np.asarray(logits, np.float64)))


def test_the_macro_auroc_of_mgca_is_ours_and_each_class_is_scikit_learns(mgca: dict[str, Any]) -> None:
    predictions = _predictions(mgca["auroc_labels"], _sigmoid(mgca["auroc_logits"]))
    assert _values(predictions, "auroc", "auroc-as-released") == pytest.approx(
        [float(mgca["auroc_test_auc"])] * 2, abs=1e-6
    )
    assert _each(predictions, "auroc") == pytest.approx(mgca["auroc_sklearn_each"], abs=1e-12)
    first = _predictions(mgca["auroc_labels"][:, :1], _sigmoid(mgca["auroc_logits"][:, :1]))
    assert _values(first, "auroc") == pytest.approx([float(mgca["auroc_binary"])], abs=1e-6)


def test_tied_logits_give_the_published_auroc(mgca: dict[str, Any]) -> None:
    predictions = _predictions(mgca["auroc_labels"], _sigmoid(np.round(mgca["auroc_logits"])))
    assert _values(predictions, "auroc") == pytest.approx([float(mgca["auroc_ties"])], abs=1e-6)


def test_a_class_without_positives_counts_zero_as_released_and_is_left_out_by_us(mgca: dict[str, Any]) -> None:
    labels = mgca["auroc_labels"].copy()
    labels[:, 3] = 0
    ours, released = score_predictions(
        _predictions(labels, _sigmoid(mgca["auroc_logits"])), ["auroc", "auroc-as-released"]
    ).values()
    assert released.value == pytest.approx(float(mgca["auroc_class3_without_positives"]), abs=1e-6)
    assert ours.value == pytest.approx(float(np.delete(mgca["auroc_sklearn_each"], 3).mean()))
    assert ours.note == "without label-03: no positive"


def test_the_accuracy_of_three_classes_is_mgcas(mgca: dict[str, Any]) -> None:
    exps = np.exp(mgca["acc_logits"].astype(np.float64))
    truth = np.arange(3) == mgca["acc_labels"].astype(int)
    predictions = _predictions(truth, exps / exps.sum(axis=1, keepdims=True), "multi-class")
    assert _values(predictions, "accuracy") == [float(mgca["acc_test_acc"])]


def test_what_medst_prints_as_auroc_is_the_balanced_accuracy_of_the_sign(shared: Path) -> None:
    golden = golden_arrays(shared / "golden" / "medst-metrics")
    difference = golden["zs_pos_score"].astype(np.float64) - golden["zs_neg_score"]
    predictions = _predictions(golden["zs_labels"][:, None], difference[:, None], threshold=0.0, probabilities=False)
    names = ("accuracy", "f1", "balanced-accuracy")
    assert _values(predictions, *names) == pytest.approx(golden["zs_accuracy_f1_auroc"].tolist(), abs=1e-12)
    other = _predictions(golden["zs_labels"][:, None], difference[:, None], threshold=9.0, probabilities=False)
    assert _values(other, "balanced-accuracy-as-released") == pytest.approx([golden["zs_accuracy_f1_auroc"][2]])
    auroc = _values(predictions, "auroc")[0]
    assert auroc is not None
    assert abs(auroc - golden["zs_accuracy_f1_auroc"][2]) > 0.01


def test_medslips_fourteen_classes_are_reproduced_each_and_on_average(
    medslip: dict[str, Any], printed: dict[str, Any]
) -> None:
    predictions = _predictions(medslip["cxr14_labels"], medslip["cxr14_prob"])
    assert _each(predictions, "auroc") == pytest.approx(medslip["cxr14_auroc"], abs=1e-12)
    assert _each(predictions, "f1-max-on-test") == pytest.approx(medslip["cxr14_max_f1"], abs=1e-15)
    assert (_each(predictions, "accuracy-at-max-f1") == medslip["cxr14_acc"]).all()
    values = _values(predictions, "auroc", "f1-max-on-test", "accuracy-at-max-f1")
    assert values == pytest.approx([printed["cxr14"][name] for name in ("AUROC_avg", "f1_avg", "acc_avg")], abs=1e-12)


def test_medslips_pneumonia_and_pneumothorax_are_reproduced(medslip: dict[str, Any], printed: dict[str, Any]) -> None:
    names = ("auroc", "f1-max-on-test", "accuracy-at-max-f1")
    rsna = _predictions(medslip["rsna_labels"], medslip["rsna_pred"][:, :1])
    expected = [printed["rsna"][name] for name in ("AUROC", "max_f1", "acc")]
    assert _values(rsna, *names) == pytest.approx(expected, abs=1e-12)
    siim = _predictions(medslip["siimcls_labels"], _sigmoid(medslip["siimcls_logits"]))
    expected = [printed["siimcls"]["AUROC"], printed["siimcls"]["max_f1"], 0.8333333333333334]
    assert _values(siim, *names) == pytest.approx(expected, abs=1e-12)


def _column(path: Path, *names: str) -> NDArray[np.int8]:
    with gzip.open(path, "rt", newline="") as file:
        return np.array([[int(row[name]) for name in names] for row in csv.DictReader(file)], np.int8)


def test_floors_of_the_shipped_rsna_list_are_its_constants(shared: Path) -> None:
    truth = _column(shared / "data" / "annotations" / "medslip" / "rsna_test.csv.gz", "classes")
    manifest = _manifest(truth)
    target = Target(kind="multi-label", labels=manifest.label_names)
    tables = floor_tables(manifest, target, truth, truth)
    present = score_predictions(read_predictions(tables["all-present"]), ["f1", "ap", "auroc"])
    constant = score_predictions(read_predictions(tables["constant"]), ["accuracy", "ece", "f1-max-on-test"])
    found = [value.value for value in (*present.values(), *constant.values())]
    assert len(truth) == 5337
    assert found == pytest.approx([0.3716, 0.2282, 0.5, 1 - 0.2282, 0.0, 0.3716], abs=5e-5)


def test_the_shipped_chest_xray14_list_has_the_published_positives(shared: Path) -> None:
    path = shared / "data" / "annotations" / "medslip" / "chestx-ray14_test.csv.gz"
    with gzip.open(path, "rt", newline="") as file:
        names = next(csv.reader(file))[3:]
    truth = _column(path, *names)
    assert truth.shape == (25_596, 14)
    assert tuple(truth.sum(axis=0).tolist()) == CHEST_XRAY14_POSITIVES
    predictions = _predictions(truth, np.zeros(truth.shape))
    prevalence = truth.mean(axis=0)
    assert _each(predictions, "ap") == pytest.approx(prevalence)
    assert _each(predictions, "f1-max-on-test") == pytest.approx(2 * prevalence / (1 + prevalence))
    assert _each(predictions, "accuracy-at-max-f1") == pytest.approx(1 - prevalence)  # with > nothing is present


def test_diagnosis_is_measured_as_released(medslip: dict[str, Any], printed: dict[str, Any]) -> None:
    truth = medslip["diag_gt"].astype(np.int8)
    predictions = _predictions(truth, medslip["diag_prob"].astype(np.float64))
    published = printed["diagnosis"]
    positives = truth.sum(axis=0)
    seen = positives > 0  # the release leaves the others out of both means
    assert (~seen).sum() == 1
    assert np.nanmean(_each(predictions, "sensitivity")) == pytest.approx(published["test_samples/sensitivity_score"])
    specificity = np.asarray(_each(predictions, "specificity"))[seen].mean()
    assert specificity == pytest.approx(published["test_samples/specificity_score"])
    weighted = np.average(_each(predictions, "f1-as-released"), weights=positives)
    assert weighted == pytest.approx(published["test_samples/f1"])
    auroc = np.asarray(_each(predictions, "auroc"))[seen]
    assert auroc.tolist() == pytest.approx(published["test_AUROC_each"])
    found = score_predictions(predictions, ["auroc", "exact-match"])
    assert found["auroc"].value == pytest.approx(published["test_AUROC_avg"])
    assert found["exact-match"].value == pytest.approx(published["test_accuracy_score"])
