"""Report generation on the real text of IU X-Ray in R2Gen's split: what constant and random answers score."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from generation_toys import TASK

from medbench.manifest import ImageFacts, Manifest, build_table
from medbench.samples import Sample
from medbench_tasks.generation.floors import most_frequent
from medbench_tasks.generation.predictions import prediction_table
from medbench_tasks.generation.protocol import PROTOCOL
from medbench_tasks.generation.readers import Readers
from medbench_tasks.generation.recipe import STANDARD_GENERATION
from medbench_tasks.generation.studies import Studies, read_studies


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
    readers = Readers.of(STANDARD_GENERATION)
    truth = readers.findings(test.reports)
    tables = {
        name: prediction_table(test, truth, [train.reports[row] for row in rows], STANDARD_GENERATION, readers)
        for name, rows in answers.items()
    }
    scores = {name: PROTOCOL.score(TASK, STANDARD_GENERATION, table) for name, table in tables.items()}
    constant, random = ({name: value.value for name, value in scores[which].items()} for which in answers)
    assert constant["cider"] == pytest.approx(0.3435, abs=0.0005)
    assert constant["bleu-4"] == pytest.approx(0.0777, abs=0.0005)
    assert random["cider"] < constant["cider"]
    assert random["ce-micro-f1"] < constant["ce-micro-f1"], "most studies have no finding"
    assert random["ce-macro-f1"] > constant["ce-macro-f1"]
    assert random["ce-micro-f1-5"] > constant["ce-micro-f1-5"] == 0
    assert (constant["distinct-share"], random["distinct-share"] > 0.5) == (1 / 590, True)
