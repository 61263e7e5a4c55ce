"""Tasks that read and write text: retrieval, report generation and visual question answering."""

from __future__ import annotations

from collections.abc import Mapping

from medbench.specs import Recipe, Target, TaskSpec
from medbench_tasks.catalogue.labels import CHEXPERT_FIVE
from medbench_tasks.generation import recipe as generation
from medbench_tasks.retrieval import class_recipe
from medbench_tasks.retrieval import recipe as retrieval
from medbench_tasks.vqa import recipe as vqa

_RETRIEVAL = {"standard": retrieval.STANDARD_RETRIEVAL, "embeddings": retrieval.EMBEDDING_RETRIEVAL}
_GENERATION = {
    "standard": generation.STANDARD_GENERATION,
    "quick": generation.QUICK_GENERATION,
    "motor": generation.MOTOR_GENERATION,
}
_GENERATION_MIMIC = {
    "standard": generation.STANDARD_GENERATION_MIMIC,
    "quick": generation.QUICK_GENERATION,
    "motor": generation.MOTOR_GENERATION_MIMIC,
}
_VQA = {
    "standard": vqa.STANDARD_VQA,
    "fusion": vqa.FUSION_VQA,
    "generate": vqa.GENERATE_VQA,
    "quick": vqa.QUICK_VQA,
}


def _retrieval(id: str, title: str, dataset: str, split: str, *tags: str) -> TaskSpec:
    return TaskSpec(
        id=id,
        title=f"{title}: image-text retrieval",
        dataset=dataset,
        split=split,
        protocol="retrieval",
        capabilities=frozenset({"ImageEncoder", "TextEncoder"}),
        metrics=retrieval.METRICS,
        recipes=_RETRIEVAL,
        loader="medbench_tasks.retrieval.protocol:PROTOCOL",
        parts=("test",),
        trains=False,
        tags=("retrieval", "vision-language", "frozen", *tags),
    )


def _generation(id: str, title: str, dataset: str, recipes: Mapping[str, Recipe]) -> TaskSpec:
    return TaskSpec(
        id=id,
        title=f"{title}: report generation",
        dataset=dataset,
        split="r2gen",
        protocol="report generation",
        capabilities=frozenset({"ReportGenerator"}),
        alternatives=(frozenset({"DenseImageEncoder"}),),
        metrics=generation.METRICS,
        recipes=recipes,
        loader="medbench_tasks.generation.protocol:PROTOCOL",
        reads_texts=True,
        tags=("cxr", "report-generation", "vision-language"),
    )


def _questions(
    id: str,
    title: str,
    dataset: str,
    split: str,
    *,
    motor: bool = False,
    held_out: bool = False,
) -> TaskSpec:
    """``held_out``: the split has no validation part, so the recipe holds one out."""
    return TaskSpec(
        id=id,
        title=f"{title}: visual question answering",
        dataset=dataset,
        split=split,
        protocol="VQA",
        capabilities=frozenset({"QuestionAnswerer"}),
        alternatives=(frozenset({"DenseImageEncoder"}),),
        metrics=vqa.METRICS,
        recipes=_VQA | ({"motor": vqa.MOTOR_VQA} if motor else {}),
        loader="medbench_tasks.vqa.protocol:PROTOCOL",
        parts=("train", "test") if held_out else ("train", "valid", "test"),
        reads_texts=True,
        tags=("vqa", "vision-language"),
    )


TASKS = (
    _retrieval("mimic-cxr-retrieval", "MIMIC-CXR, images and reports", "mimic-cxr", "r2gen", "cxr"),
    TaskSpec(
        id="mimic-5x200-retrieval",
        title="One of five findings, MIMIC 5x200: image-text retrieval by class",
        dataset="mimic-cxr",
        split="5x200",
        protocol="retrieval by class",
        capabilities=frozenset({"ImageEncoder", "TextEncoder"}),
        metrics=class_recipe.CLASS_METRICS,
        recipes={"standard": class_recipe.STANDARD_CLASS_RETRIEVAL},
        loader="medbench_tasks.retrieval.class_protocol:PROTOCOL",
        target=Target(kind="multi-class", labels=CHEXPERT_FIVE),
        parts=("test",),
        trains=False,
        tags=("retrieval", "vision-language", "frozen", "cxr"),
    ),
    _retrieval("iu-xray-retrieval", "IU X-Ray, images and reports", "iu-xray", "r2gen", "cxr"),
    _retrieval("covid-cxr-retrieval", "COVID-CXR, images and clinical notes", "covid-cxr", "notes", "cxr"),
    _retrieval("roco-retrieval", "ROCO, figures and captions", "roco", "official"),
    _retrieval("rocov2-retrieval", "ROCOv2, figures and captions", "roco", "v2"),
    _retrieval("brain-retrieval", "Brain abnormalities, panels and their captions", "brain-pubmed-panels", "figure"),
    _retrieval("brain-figure-retrieval", "Brain abnormalities, figures and captions", "brain-pubmed", "figure"),
    _retrieval(
        "brain-figure-retrieval-as-released",
        "Brain abnormalities, figures and captions, divided by rows as released",
        "brain-pubmed",
        "as-released",
        "as-released",
    ),
    _retrieval(
        "brain-retrieval-as-released",
        "Brain abnormalities, first panels whatever the caption's letter, divided by rows as released",
        "brain-pubmed-panels-first",
        "as-released",
        "as-released",
    ),
    _generation("iu-xray-gen", "IU X-Ray", "iu-xray", _GENERATION),
    _generation("mimic-cxr-gen", "MIMIC-CXR", "mimic-cxr", _GENERATION_MIMIC),
    _questions("vqa-rad", "VQA-RAD", "vqa-rad", "official", motor=True, held_out=True),
    _questions("vqa-rad-disjoint", "VQA-RAD, no test image in training", "vqa-rad", "official-disjoint", motor=True),
    _questions("slake", "SLAKE, English", "slake", "english", motor=True),
    _questions("slake-all", "SLAKE, English and Chinese", "slake", "all"),
    _questions("path-vqa", "PathVQA, without repeated questions", "path-vqa", "distinct"),
    _questions("vqa-med-2019", "VQA-Med 2019", "vqa-med-2019", "official"),
)
