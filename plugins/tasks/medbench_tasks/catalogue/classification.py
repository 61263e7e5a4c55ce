"""Classification on every dataset with labels: a linear probe, nearest neighbours, and fine-tuning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from medbench.specs import MetricSpec, Recipe, Target, TaskSpec
from medbench_tasks.catalogue.labels import CHEXPERT_FIVE, CHEXPERT_READING, COVIDX_CLASSES
from medbench_tasks.classification.metrics_catalogue import DIAGNOSIS, MULTI_CLASS, MULTI_LABEL, metrics_named
from medbench_tasks.finetuning.benchx import benchx_recipe
from medbench_tasks.finetuning.recipe import (
    MEDSLIP_SIIM,
    MEDST_LINEAR_COVIDX,
    MGCA_LINEAR,
    MGCA_LINEAR_CHEXPERT,
    MOTOR_DIAGNOSIS,
    QUICK_FINE_TUNING,
    STANDARD_FINE_TUNING,
)
from medbench_tasks.linear.recipe import STANDARD_KNN, STANDARD_LINEAR


@dataclass(frozen=True, kw_only=True)
class _Labelled:
    """One way of classifying a dataset; ``id`` begins its tasks' ids, the mappings add published recipes.

    ``reading`` are fields of `medbench_tasks.classification.recipe.LabelRecipe` for this dataset's blanks and doubts.
    """

    id: str
    title: str
    dataset: str
    split: str
    target: Target
    metrics: tuple[MetricSpec, ...] = MULTI_LABEL
    reading: Mapping[str, object] = field(default_factory=dict)
    linear: Mapping[str, Recipe] = field(default_factory=dict)
    fine_tuning: Mapping[str, Recipe] = field(default_factory=dict)
    tags: tuple[str, ...] = ("cxr",)


def _one(*labels: str) -> Target:
    return Target(kind="multi-label", labels=labels)


_LABELLED = (
    _Labelled(
        id="chexpert",
        title="Five findings, CheXpert",
        dataset="chexpert",
        split="patient",
        target=_one(*CHEXPERT_FIVE),
        reading=CHEXPERT_READING,
        linear={"mgca": MGCA_LINEAR_CHEXPERT},
    ),
    _Labelled(
        id="chexpert-leaky",
        title="Five findings, CheXpert, as released (validation images are also trained on)",
        dataset="chexpert",
        split="as-released",
        target=_one(*CHEXPERT_FIVE),
        metrics=tuple(
            replace(metric, as_released=True) for metric in (*MULTI_LABEL, *metrics_named("auroc-as-released"))
        ),
        reading=CHEXPERT_READING,
        linear={"mgca": MGCA_LINEAR_CHEXPERT},
        tags=("cxr", "as-released"),
    ),
    _Labelled(
        id="rsna",
        title="Pneumonia, RSNA",
        dataset="rsna",
        split="classification",
        target=_one("Pneumonia"),
        linear={"mgca": MGCA_LINEAR},
        fine_tuning={"benchx": benchx_recipe("rsna")},
    ),
    _Labelled(
        id="covidx",
        title="Normal, pneumonia or COVID-19, COVIDx 9A",
        dataset="covidx",
        split="9a-patient",
        target=Target(kind="multi-class", labels=COVIDX_CLASSES),
        metrics=MULTI_CLASS,
    ),
    _Labelled(
        id="covidx-9a",
        title="Normal, pneumonia or COVID-19, COVIDx 9A, validation drawn by image as released",
        dataset="covidx",
        split="9a",
        target=Target(kind="multi-class", labels=COVIDX_CLASSES),
        metrics=tuple(replace(metric, as_released=True) for metric in MULTI_CLASS),
        linear={"mgca": MGCA_LINEAR, "medst": MEDST_LINEAR_COVIDX},
        tags=("cxr", "as-released"),
    ),
    _Labelled(
        id="covidx-cxr4",
        title="COVID-19, COVIDx CXR-4",
        dataset="covidx",
        split="cxr-4",
        target=_one("Positive"),
        fine_tuning={"benchx": benchx_recipe("covidx")},
    ),
    _Labelled(
        id="siim",
        title="Pneumothorax, SIIM-ACR",
        dataset="siim",
        split="image",
        target=_one("Pneumothorax"),
        fine_tuning={"medslip-siim": MEDSLIP_SIIM, "benchx": benchx_recipe("siim")},
    ),
    _Labelled(
        id="chestx-ray14",
        title="Fourteen findings, ChestX-ray14",
        dataset="chestx-ray14",
        split="official",
        target=_one(),
    ),
    _Labelled(
        id="chestx-ray14-patient",
        title="Fourteen findings, ChestX-ray14, 70/10/20 by patient",
        dataset="chestx-ray14",
        split="patient",
        target=_one(),
        fine_tuning={"benchx": benchx_recipe("nih")},
    ),
    _Labelled(
        id="mimic-cxr",
        title="Fourteen observations, MIMIC-CXR",
        dataset="mimic-cxr",
        split="official",
        target=_one(),
        reading={"blank": "absent"},
    ),
    _Labelled(
        id="vindr-cxr",
        title="Findings and diagnoses, VinDr-CXR",
        dataset="vindr-cxr",
        split="official",
        target=_one(),
    ),
    _Labelled(
        id="object-cxr",
        title="Foreign objects, Object-CXR",
        dataset="object-cxr",
        split="mgca",
        target=_one("Foreign object"),
    ),
    _Labelled(
        id="tbx11k",
        title="Tuberculosis, TBX11K",
        dataset="tbx11k",
        split="official",
        target=_one("Tuberculosis"),
    ),
    _Labelled(
        id="kermany",
        title="Pneumonia of children, Kermany",
        dataset="kermany",
        split="official",
        target=_one("Pneumonia"),
    ),
    _Labelled(
        id="kermany-3class",
        title="Normal, bacterial or viral pneumonia of children, Kermany",
        dataset="kermany",
        split="official",
        target=Target(kind="multi-class", labels=("Normal", "Bacterial pneumonia", "Viral pneumonia")),
        metrics=MULTI_CLASS,
    ),
    _Labelled(
        id="image-folder",
        title="Your own folders of images",
        dataset="image-folder",
        split="own",
        target=Target(kind="auto"),
        tags=("own",),
    ),
    _Labelled(
        id="csv",
        title="Your own images with a table of labels",
        dataset="csv",
        split="own",
        target=Target(kind="auto"),
        tags=("own",),
    ),
)


def _tasks(one: _Labelled) -> Iterator[TaskSpec]:
    shared = {
        "dataset": one.dataset,
        "split": one.split,
        "capabilities": frozenset({"ImageEncoder"}),
        "metrics": one.metrics,
        "target": one.target,
    }
    yield TaskSpec(
        id=f"{one.id}-linear",
        title=f"{one.title}: linear probe",
        protocol="linear probe",
        recipes=_reading(one, {"standard": STANDARD_LINEAR}) | dict(one.linear),
        loader="medbench_tasks.linear.protocol:PROTOCOL",
        tags=(*one.tags, "classification", "linear", "frozen"),
        **shared,
    )
    yield TaskSpec(
        id=f"{one.id}-knn",
        title=f"{one.title}: nearest neighbours",
        protocol="nearest neighbours",
        recipes=_reading(one, {"standard": STANDARD_KNN}),
        loader="medbench_tasks.linear.neighbours:PROTOCOL",
        tags=(*one.tags, "classification", "knn", "frozen"),
        **shared,
    )
    yield TaskSpec(
        id=f"{one.id}-finetune",
        title=f"{one.title}: fine-tuning",
        protocol="fine-tuning",
        recipes=_reading(one, {"standard": STANDARD_FINE_TUNING, "quick": QUICK_FINE_TUNING, **one.fine_tuning}),
        loader="medbench_tasks.finetuning.protocol:PROTOCOL",
        requires=("mmengine",),
        distributed=True,
        tags=(*one.tags, "classification", "fine-tuning"),
        **shared,
    )


def _reading(one: _Labelled, recipes: Mapping[str, Recipe]) -> dict[str, Recipe]:
    return {name: replace(recipe, **one.reading) if one.reading else recipe for name, recipe in recipes.items()}


def _diagnosis(id: str, title: str, dataset: str, split: str) -> TaskSpec:
    """The findings of a report asked together, as the MOTOR release does it."""
    recipes = {"standard": STANDARD_FINE_TUNING, "quick": QUICK_FINE_TUNING}
    return TaskSpec(
        id=id,
        title=title,
        dataset=dataset,
        split=split,
        protocol="fine-tuning",
        capabilities=frozenset({"ImageEncoder"}),
        metrics=DIAGNOSIS,
        target=_one(),
        recipes={name: replace(recipe, blank="absent", select="f1") for name, recipe in recipes.items()}
        | {"motor": MOTOR_DIAGNOSIS},
        loader="medbench_tasks.finetuning.protocol:PROTOCOL",
        requires=("mmengine",),
        distributed=True,
        tags=("cxr", "classification", "fine-tuning", "diagnosis"),
    )


TASKS = (
    *(task for one in _LABELLED for task in _tasks(one)),
    _diagnosis("mimic-cxr-diagnosis", "Fourteen observations together, MIMIC-CXR", "mimic-cxr", "r2gen"),
    _diagnosis("chestx-ray14-diagnosis", "Fourteen findings together, ChestX-ray14", "chestx-ray14", "official"),
)
