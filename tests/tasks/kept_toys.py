"""A drawn table of kept predictions for every protocol of the catalogue: forty samples of some twenty patients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from medbench.masks import encode_mask
from medbench.specs import TaskSpec
from medbench_tasks.classification import predictions as classification
from medbench_tasks.detection import predictions as detection
from medbench_tasks.generation import predictions as generation
from medbench_tasks.grounding import predictions as grounding
from medbench_tasks.retrieval import class_predictions as by_class
from medbench_tasks.retrieval import predictions as retrieval
from medbench_tasks.segmentation import predictions as segmentation
from medbench_tasks.temporal import pair_predictions, sentence_metrics
from medbench_tasks.vqa import predictions as vqa

SAMPLES = 40
SIDE = 12
_LABELS = ("Mass", "Edema", "Hernia", "Nodule", "Fracture")
_WORDS = ("no effusion", "small pleural effusion", "the heart is enlarged", "cardiomegaly and edema", "clear lungs")


def kept(task: TaskSpec, seed: int = 0) -> pa.Table:
    """Predictions as the task's protocol keeps them, drawn by ``seed``."""
    return _TABLES[task.loader](task, np.random.default_rng(seed))


def _table(schema: pa.Schema, draw: np.random.Generator, columns: Mapping[str, Any]) -> pa.Table:
    common: dict[str, Any] = {
        "sample_id": [f"s{index:02}" for index in range(SAMPLES)],
        "patient_id": [f"p{patient:02}" for patient in np.sort(draw.integers(0, 25, SAMPLES))],
        "sex": list(draw.choice(["F", "M"], SAMPLES)),
        "age": [str(age) for age in draw.integers(20, 90, SAMPLES)],
        "view": [""] * SAMPLES,
    }
    found = {name: values for name, values in common.items() if name in schema.names} | dict(columns)
    return pa.Table.from_pydict({name: found[name] for name in schema.names}, schema=schema)


def _labels(task: TaskSpec, draw: np.random.Generator) -> pa.Table:
    target = task.target
    several = target is not None and target.kind == "multi-class"
    labels = (target.labels if target else ()) or _LABELS
    shape = (SAMPLES, len(labels))
    truth = np.arange(len(labels)) == draw.integers(0, len(labels), SAMPLES)[:, None]
    truth = truth.astype(np.int8) if several else draw.integers(0, 2, shape).astype(np.int8)
    scores = np.clip(draw.uniform(0, 0.6, shape) + 0.4 * truth * draw.integers(0, 2, shape), 0, 1)
    if several:
        scores /= scores.sum(axis=1, keepdims=True)
    columns = {
        "scores": scores.tolist(),
        "truth": truth.tolist(),
        "thresholds": np.full(shape, 0.4).tolist(),
        "labels": [list(labels)] * SAMPLES,
        "kind": ["multi-class" if several else "multi-label"] * SAMPLES,
        "probabilities": [True] * SAMPLES,
    }
    return _table(classification.SCHEMA, draw, columns)


def _boxes(_task: TaskSpec, draw: np.random.Generator) -> pa.Table:
    truths = [_corners(draw, draw.integers(0, 3)) for _ in range(SAMPLES)]
    found = [
        np.concatenate([one[: draw.integers(0, 3)] + draw.uniform(-4, 4), _corners(draw, draw.integers(0, 3))])
        for one in truths
    ]
    columns = {
        "height": [100] * SAMPLES,
        "width": [120] * SAMPLES,
        "boxes": [one.tolist() for one in found],
        "scores": [np.sort(draw.uniform(0, 1, len(one)))[::-1].tolist() for one in found],
        "labels": [draw.integers(0, 2, len(one)).tolist() for one in found],
        "gt_boxes": [one.tolist() for one in truths],
        "gt_labels": [draw.integers(0, 2, len(one)).tolist() for one in truths],
        "box_names": [["left", "right"]] * SAMPLES,
    }
    return _table(detection.SCHEMA, draw, columns)


def _corners(draw: np.random.Generator, count: int) -> np.ndarray:
    first = draw.uniform(0, 60, (count, 2))
    return np.concatenate([first, first + draw.uniform(20, 40, (count, 2))], axis=1)


def _spot(draw: np.random.Generator) -> np.ndarray:
    pixels = np.zeros((SIDE, SIDE), bool)
    row, column = draw.integers(0, SIDE // 2, 2)
    pixels[row : row + 5, column : column + 5] = draw.uniform() < 0.7
    return pixels


def _masks(_task: TaskSpec, draw: np.random.Generator) -> pa.Table:
    columns = {
        "batch": [index // 16 for index in range(SAMPLES)],
        "height": [SIDE] * SAMPLES,
        "width": [SIDE] * SAMPLES,
        "prediction": [encode_mask(_spot(draw)).counts for _ in range(SAMPLES)],
        "truth": [encode_mask(_spot(draw)).counts for _ in range(SAMPLES)],
    }
    return _table(segmentation.SCHEMA, draw, columns)


def _maps(_task: TaskSpec, draw: np.random.Generator) -> pa.Table:
    truth, shared = draw.integers(10, 40, SAMPLES), draw.integers(0, 10, SAMPLES)
    columns = {
        "peak": [4] * SAMPLES,
        "peak_inside": draw.integers(0, 5, SAMPLES),
        "predicted": shared + draw.integers(0, 20, SAMPLES),
        "truth": truth,
        "shared": shared,
        "map_height": [3] * SAMPLES,
        "map_width": [4] * SAMPLES,
        "map": draw.uniform(-0.1, 1, (SAMPLES, 12)).tolist(),
        "seen": [[0.0, 0.0, 1.0, 1.0]] * SAMPLES,
        "side": [SIDE] * SAMPLES,
        "drawn": [encode_mask(_spot(draw)).counts for _ in range(SAMPLES)],
    }
    return _table(grounding.SCHEMA, draw, columns)


def _progressions(_task: TaskSpec, draw: np.random.Generator) -> pa.Table:
    truth = draw.integers(-1, 3, (SAMPLES, 2))
    predicted = np.where(draw.uniform(size=truth.shape) < 0.6, np.maximum(truth, 0), draw.integers(0, 3, truth.shape))
    columns = {
        "findings": [["Edema", "Pneumonia"]] * SAMPLES,
        "truth": truth.tolist(),
        "predicted": predicted.tolist(),
        "folds": draw.integers(0, 5, truth.shape).tolist(),
    }
    return _table(pair_predictions.SCHEMA, draw, columns)


def _sentences(_task: TaskSpec, draw: np.random.Generator) -> pa.Table:
    truth = draw.integers(0, 2, SAMPLES)
    similarity = draw.uniform(0, 0.6, SAMPLES) + 0.3 * truth
    columns = {"similarity": similarity, "truth": truth.astype(np.int8), "threshold": [0.45] * SAMPLES}
    return _table(sentence_metrics.SCHEMA, draw, columns)


def _ranks(_task: TaskSpec, draw: np.random.Generator) -> pa.Table:
    def counts() -> dict[str, int]:
        return {"above": int(draw.geometric(0.4)) - 1, "tied": 1, "right": 1}

    columns: dict[str, Any] = {"pool_images": [SAMPLES] * SAMPLES, "pool_texts": [SAMPLES] * SAMPLES}
    for reading in retrieval.READINGS:
        columns[f"{reading}_i2t"] = [counts() for _ in range(SAMPLES)]
        columns[f"{reading}_t2i"] = [[counts()] for _ in range(SAMPLES)]
    return _table(retrieval.SCHEMA, draw, columns)


def _firsts(task: TaskSpec, draw: np.random.Generator) -> pa.Table:
    assert task.target is not None
    columns: dict[str, Any] = {
        "class": list(draw.choice(task.target.labels, SAMPLES)),
        "pool_places": [SAMPLES] * SAMPLES,
    }
    for name in by_class.SCHEMA.names:
        if name.startswith("first_"):
            sure = draw.integers(0, int(name.removeprefix("first_")) + 1, SAMPLES)
            columns[name] = [{"sure": int(one), "open": 0, "tied": 1, "right": 1} for one in sure]
    return _table(by_class.SCHEMA, draw, columns)


def _reports(_task: TaskSpec, draw: np.random.Generator) -> pa.Table:
    true, written = ([" . ".join(draw.choice(_WORDS, 3)) for _ in range(SAMPLES)] for _ in ("report", "written"))
    findings = [draw.choice([-2, 0, 1], (SAMPLES, 14)).tolist() for _ in ("truth", "predicted")]
    columns = {
        "report": true,
        "reference": true,
        "written": written,
        "hypothesis": written,
        "truth": findings[0],
        "predicted": findings[1],
        "labeller": ["rules of before"] * SAMPLES,
        "radgraph": [None] * SAMPLES,
        "grapher": [""] * SAMPLES,
        "meteor": [None] * SAMPLES,
        "meteor_version": [""] * SAMPLES,
    }
    return _table(generation.SCHEMA, draw, columns)


def _answers(_task: TaskSpec, draw: np.random.Generator) -> pa.Table:
    closed = draw.integers(0, 2, SAMPLES) == 0
    said = ["yes" if one else "left lower lobe" for one in closed]
    wrong = draw.uniform(size=SAMPLES) < 0.4
    columns = {
        "question": [f"question {index}?" for index in range(SAMPLES)],
        "truth": [[one] for one in said],
        "answer": [
            ("no" if one == "yes" else "lower lung") if bad else one for one, bad in zip(said, wrong, strict=True)
        ],
        "confidence": draw.uniform(0, 1, SAMPLES),
        "answer_type": ["CLOSED" if one else "OPEN" for one in closed],
        "question_type": ["organ"] * SAMPLES,
        "phrase_type": [""] * SAMPLES,
        "language": ["en"] * SAMPLES,
    }
    return _table(vqa.SCHEMA, draw, columns)


_TABLES: Mapping[str, Callable[[TaskSpec, np.random.Generator], pa.Table]] = {
    "medbench_tasks.linear.protocol:PROTOCOL": _labels,
    "medbench_tasks.linear.neighbours:PROTOCOL": _labels,
    "medbench_tasks.finetuning.protocol:PROTOCOL": _labels,
    "medbench_tasks.zeroshot.protocol:PROTOCOL": _labels,
    "medbench_tasks.detection.protocol:PROTOCOL": _boxes,
    "medbench_tasks.segmentation.protocol:PROTOCOL": _masks,
    "medbench_tasks.grounding.protocol:PROTOCOL": _maps,
    "medbench_tasks.temporal.image:PROTOCOL": _progressions,
    "medbench_tasks.temporal.sentences:PROTOCOL": _sentences,
    "medbench_tasks.retrieval.protocol:PROTOCOL": _ranks,
    "medbench_tasks.retrieval.class_protocol:PROTOCOL": _firsts,
    "medbench_tasks.generation.protocol:PROTOCOL": _reports,
    "medbench_tasks.vqa.protocol:PROTOCOL": _answers,
}
