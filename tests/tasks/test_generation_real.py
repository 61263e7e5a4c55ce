"""Report generation on the real text of IU X-Ray in R2Gen's split: what constant and random answers score."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from generation_toys import TASK
from sklearn.feature_extraction.text import TfidfVectorizer

from medbench.manifest import ImageFacts, Manifest, build_table
from medbench.samples import Sample
from medbench_datasets.iu_xray_reports import read_reports
from medbench_tasks.generation.floors import EVERY_FINDING, most_frequent
from medbench_tasks.generation.predictions import Writing, prediction_tables
from medbench_tasks.generation.protocol import PROTOCOL
from medbench_tasks.generation.readers import Readers
from medbench_tasks.generation.recipe import STANDARD_GENERATION
from medbench_tasks.generation.studies import Studies, read_studies
from medbench_tasks.texts.assertion import State
from medbench_tasks.texts.cleaning import clean
from medbench_tasks.texts.efficacy import Efficacy
from medbench_tasks.texts.finding_phrases import OBSERVATIONS
from medbench_tasks.texts.findings import FindingLabeller


@pytest.fixture(scope="module")
def parts(shared: Path) -> dict[str, Studies]:
    """The split's parts; no image is ever opened."""
    annotation = json.loads((shared / "data/iu-xray-text/annotation.json").read_text(encoding="utf-8"))
    found = {}
    for name, part in {"train": "train", "val": "valid", "test": "test"}.items():
        samples = [
            Sample(
                sample_id=record["id"],
                patient_id=record["id"].split("_")[0],
                image=record["image_path"][0],
                others=tuple(record["image_path"][1:]),
                texts=(record["report"],),
            )
            for record in annotation[name]
        ]
        table = build_table(samples, (), [ImageFacts(1, 1, "") for _ in samples])
        manifest = Manifest("iu-xray", shared, (), "0" * 64, False, table)
        found[part] = read_studies(manifest, part, STANDARD_GENERATION)  # type: ignore[arg-type]
    return found


def test_the_split_has_its_published_sizes(parts: dict[str, Studies]) -> None:
    assert {name: len(part) for name, part in parts.items()} == {"train": 2069, "valid": 296, "test": 590}
    assert {part.without_report for part in parts.values()} == {0}


def test_one_normal_report_for_all_fools_what_the_field_prints_and_not_f1_over_findings(
    parts: dict[str, Studies],
) -> None:
    train, test = parts["train"], parts["test"]
    drawn = np.random.default_rng(0).integers(0, len(train), len(test))
    answers = {"constant": [most_frequent(train)] * len(test), "random": drawn.tolist()}
    reports = {name: [train.reports[row] for row in rows] for name, rows in answers.items()}
    reports["every"] = [EVERY_FINDING] * len(test)
    found = {}
    for stops in (True, False):
        recipe = replace(STANDARD_GENERATION, stops=stops)
        writings = {name: Writing.of_floor(written, recipe) for name, written in reports.items()}
        for name, table in prediction_tables(test, writings, recipe, Readers.of(recipe)).items():
            found[name, stops] = {key: one.value for key, one in PROTOCOL.score(TASK, recipe, table).items()}
    assert found["constant", True]["cider"] == pytest.approx(0.3435, abs=0.0005)
    assert found["constant", True]["bleu-4"] == pytest.approx(0.0777, abs=0.0005)
    constant, random, every = (found[name, False] for name in reports)
    assert constant["cider"] == pytest.approx(0.3265, abs=0.0005)
    assert random["cider"] < constant["cider"]
    assert random["ce-micro-f1"] < constant["ce-micro-f1"], "most studies have no finding"
    assert random["ce-macro-f1"] > constant["ce-macro-f1"] > every["ce-macro-f1"] > 0.06
    assert random["ce-micro-f1-5"] > constant["ce-micro-f1-5"] == 0
    assert (constant["distinct-share"], random["distinct-share"] > 0.5) == (1 / 590, True)


def test_the_report_of_the_study_with_the_nearest_indication_says_more_than_chance(
    parts: dict[str, Studies], shared: Path, tmp_path: Path
) -> None:
    with tarfile.open(shared / "data/iu-xray-text/NLMCXR_reports.tgz") as archive:
        archive.extractall(tmp_path, filter="data")
    studies = read_reports(tmp_path / "ecgen-radiology", []).by_study
    train, test = parts["train"], parts["test"]
    asked = {
        name: [studies[patient].indication for patient in part.manifest.patient_ids]
        for name, part in (("train", train), ("test", test))
    }
    vectors = TfidfVectorizer(sublinear_tf=True).fit(asked["train"])
    likeness = vectors.transform(asked["test"]) @ vectors.transform(asked["train"]).T
    nearest = likeness.toarray().argmax(axis=1)
    drawn = np.random.default_rng(0).integers(0, len(train), len(test))
    writings = {
        name: Writing.of_floor([train.reports[row] for row in rows], STANDARD_GENERATION)
        for name, rows in (("nearest", nearest), ("random", drawn))
    }
    tables = prediction_tables(test, writings, STANDARD_GENERATION, Readers.of(STANDARD_GENERATION))
    found = {name: PROTOCOL.score(TASK, STANDARD_GENERATION, table) for name, table in tables.items()}
    values = {name: {key: one.value for key, one in scored.items()} for name, scored in found.items()}
    assert values["nearest"]["cider"] == pytest.approx(0.4565, abs=0.0005)
    assert values["nearest"]["ce-macro-f1"] == pytest.approx(0.1095, abs=0.0005)
    for key in ("cider", "bleu-4", "rouge-l", "ce-macro-f1", "ce-micro-f1"):
        assert values["nearest"][key] > values["random"][key]


def test_one_report_that_names_all_scores_what_the_prevalences_say(parts: dict[str, Studies]) -> None:
    test = parts["test"]
    table = prediction_tables(
        test,
        {"every": Writing.of_floor([EVERY_FINDING] * len(test), STANDARD_GENERATION)},
        STANDARD_GENERATION,
        Readers.of(STANDARD_GENERATION),
    )["every"]
    share = np.isin(np.array(table.column("truth").to_pylist()), [State.PRESENT, State.UNCERTAIN]).mean(axis=0)
    named = np.arange(len(OBSERVATIONS)) != OBSERVATIONS.index("No Finding")
    found = PROTOCOL.score(TASK, STANDARD_GENERATION, table)["ce-macro-f1"]
    assert found.value == pytest.approx((2 * share / (1 + share) * named).sum() / np.count_nonzero(share))
    assert "without Enlarged Cardiomediastinum, Pneumonia: no true report has it" in found.note


def test_what_a_cleaning_without_stops_costs_the_labeller(parts: dict[str, Studies]) -> None:
    labeller, reports = FindingLabeller(), parts["test"].reports
    raw = labeller.label(reports)
    for cleaning, agreement in (("motor", 0.908), ("r2gen", 0.999)):
        cleaned = labeller.label([clean(report, cleaning) for report in reports])  # type: ignore[arg-type]
        assert Efficacy.of(raw, cleaned).values()["micro-f1"] == pytest.approx(agreement, abs=0.001)
