"""Zero-shot and grounding against what the published scripts computed, and the constants of the shipped lists."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from weights import golden_arrays, golden_text

from medbench.manifest import ImageFacts, Manifest, build_table
from medbench.samples import Box, Sample
from medbench.specs import Target
from medbench_tasks.classification.metrics import score_predictions
from medbench_tasks.classification.predictions import prediction_table, read_predictions
from medbench_tasks.grounding.floors import floor_tables
from medbench_tasks.grounding.metrics import areas_of, count, per_image, score_areas
from medbench_tasks.grounding.predictions import areas_from
from medbench_tasks.grounding.truths import truths_of
from medbench_tasks.zeroshot.names import finding_of
from medbench_tasks.zeroshot.prompts import BIOVIL_RSNA
from medbench_tasks.zeroshot.recipe import Ensemble
from medbench_tasks.zeroshot.similarity import similarity, unit

GROUNDING = ("medslip-ground-rsna", "medslip-ground-rsna-remapped")


def table_of(labels: np.ndarray) -> Manifest:
    samples = [
        Sample(sample_id=str(index), patient_id=str(index), image="x.png", labels={"Pneumonia": int(label)})
        for index, label in enumerate(labels)
    ]
    table = build_table(samples, ["Pneumonia"], [ImageFacts(1, 1, "0")] * len(samples))
    return Manifest("golden", Path(), ("Pneumonia",), "0", True, table)


def test_med_sts_script_is_reproduced_from_its_embeddings(shared: Path) -> None:
    arrays = golden_arrays(shared / "golden" / "medst-metrics")
    images = unit(arrays["zs_image_embeddings"])
    prompts = arrays["zs_prompt_embeddings"]
    positive = similarity(images, prompts[:4], "mean-then-normalise")
    negative = similarity(images, prompts[4:], "mean-then-normalise")
    np.testing.assert_allclose(positive, arrays["zs_pos_score"], atol=1e-6)
    np.testing.assert_allclose(negative, arrays["zs_neg_score"], atol=1e-6)

    labels = arrays["zs_labels"]
    table = prediction_table(
        table_of(labels),
        Target(kind="multi-label", labels=("Pneumonia",)),
        truth=labels[:, None].astype(np.int8),
        scores=(positive - negative)[:, None],
        thresholds=np.zeros(1),
        probabilities=False,
    )
    names = ["accuracy", "f1", "balanced-accuracy-as-released", "balanced-accuracy"]
    values = score_predictions(read_predictions(table), names)
    accuracy, f1, released = arrays["zs_accuracy_f1_auroc"]
    assert [values[name].value for name in names] == pytest.approx([accuracy, f1, released, released], abs=1e-12)


def test_med_sts_prompts_and_pooling_give_its_scores(shared: Path) -> None:
    """The embeddings themselves are compared with the model's in test_medst_models."""
    folder = shared / "golden" / "medst-resnet50"
    arrays, text = golden_arrays(folder), golden_text(folder)
    assert BIOVIL_RSNA.negative is not None
    assert [*BIOVIL_RSNA.positive["pneumonia"]] == text["zeroshot_pos_prompts"]
    assert [*BIOVIL_RSNA.negative["pneumonia"]] == text["zeroshot_neg_prompts"]
    images, prompts = unit(arrays["img_emb_raw"]), arrays["zeroshot_prompt_emb_raw"]
    positive, negative = (similarity(images, part, "mean-then-normalise") for part in (prompts[:4], prompts[4:]))
    np.testing.assert_allclose(positive, arrays["zeroshot_pos_score"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(negative, arrays["zeroshot_neg_score"], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(positive > negative, arrays["zeroshot_prediction"])


@pytest.mark.parametrize("folder", ["mgca-resnet50", "mgca-vit_base", "medst-resnet50"])
@pytest.mark.parametrize("ensemble", ["mean-then-normalise", "normalise-then-mean", "max"])
def test_a_single_prompt_scores_the_published_similarity(shared: Path, folder: str, ensemble: Ensemble) -> None:
    arrays = golden_arrays(shared / "golden" / folder)
    images, texts = unit(arrays["img_emb_raw"]), arrays["report_emb_raw"]
    scores = np.stack([similarity(images, text[None], ensemble) for text in texts], axis=1)
    np.testing.assert_allclose(scores, arrays["sim"], rtol=1e-4, atol=1e-6)


def test_the_fourteen_labels_are_asked_by_the_queries_of_medslips_script(shared: Path) -> None:
    from medbench_datasets.chestx_ray14 import LABELS
    from medbench_methods.nets.medslip_findings import query_indices

    golden = json.loads((shared / "golden" / "medslip-zs-cxr14" / "golden.json").read_text())
    assert query_indices([finding_of("chestx-ray14", label) for label in LABELS]) == golden["MIMIC_mapping"]


@pytest.mark.parametrize("folder", GROUNDING)
@pytest.mark.parametrize("branch", ["plain", "ws_p"])
def test_grounding_scores_are_those_of_the_published_function(shared: Path, folder: str, branch: str) -> None:
    place = shared / "golden" / folder
    arrays = golden_arrays(place)
    setup = json.loads((place / "golden.json").read_text())["score_setup"][branch]
    truth = np.zeros((2, 224, 224), np.bool_)
    for image, (top, bottom, left, right) in enumerate(setup["boxes_rows_cols"]):
        truth[image, top:bottom, left:right] = True
    frames = arrays[f"map_{branch}"].astype(np.float64).repeat(16, axis=1).repeat(16, axis=2)
    np.testing.assert_allclose(frames.sum(axis=(1, 2)), arrays[f"map224_{branch}_sum"], rtol=1e-5)
    script = 0.0 if branch == "plain" else 0.01
    for name, threshold in (("script", script), ("mid", setup["mid_threshold"])):
        areas = areas_of([count(frame, mask, threshold) for frame, mask in zip(frames, truth, strict=True)])
        values = per_image(areas)
        hits = values["pointing-game-as-released"].sum()
        ours = np.array([len(frames), hits, *values["iou"], *values["dice"]])
        np.testing.assert_allclose(ours, arrays[f"score_{branch}_{name}_f64"], rtol=0, atol=1e-9)


def test_the_all_ones_answer_scores_the_constants_of_the_shipped_list(shared: Path) -> None:
    manifest = shipped_rsna(shared)
    truths = truths_of(manifest, "Pneumonia", 224)
    assert (len(manifest), len(truths.manifest), truths.lost) == (5337, 1218, 0)
    share = [mask.mean() for mask in truths.masks]
    assert (round(min(share), 4), round(max(share), 4)) == (0.0043, 0.4736)
    table = floor_tables(manifest.take([]), "Pneumonia", truths, 224)["all-ones"]
    values = score_areas(areas_from(table), table.column("patient_id").to_pylist())
    assert values["iou"].value == values["pointing-game"].value == pytest.approx(0.11972, abs=5e-6)
    assert values["dice"].value == pytest.approx(0.20199, abs=5e-6)
    assert values["recall"].value == 1


def test_the_all_present_answer_scores_the_constants_of_the_shipped_list(shared: Path) -> None:
    manifest = shipped_rsna(shared)
    positive = manifest.labels
    assert round(float(positive.mean()), 4) == 0.2282
    table = prediction_table(
        manifest,
        Target(kind="multi-label", labels=("Pneumonia",)),
        truth=positive,
        scores=np.ones_like(positive, np.float64),
        thresholds=np.array([0.5]),
    )
    f1 = score_predictions(read_predictions(table), ["f1"])["f1"].value
    assert f1 is not None
    assert round(f1, 4) == 0.3716


def shipped_rsna(shared: Path) -> Manifest:
    """The shipped test list of RSNA as a manifest without images, whose sides are 1024."""
    path = shared / "data" / "annotations" / "medslip" / "rsna_test.csv.gz"
    with gzip.open(path, "rt", newline="") as file:
        samples = [_shipped_sample(row) for row in csv.DictReader(file)]
    table = build_table(samples, ["Pneumonia"], [ImageFacts(1024, 1024, "0")] * len(samples))
    return Manifest("rsna", Path(), ("Pneumonia",), "0", False, table, ("Lung Opacity",))


def _shipped_sample(row: dict[str, str]) -> Sample:
    present = row["classes"] == "1"
    boxes = tuple(Box(0, *map(float, box.split(";"))) for box in row["boxes"].split("|")) if present else ()
    return Sample(
        sample_id=row["ID"],
        patient_id=row["ID"],
        image=row["img_path"],
        labels={"Pneumonia": int(present)},
        boxes=boxes,
    )
