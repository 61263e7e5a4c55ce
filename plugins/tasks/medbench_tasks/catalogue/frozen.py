"""Tasks that train no head on a training part: zero-shot, grounding, and the temporal tests of MS-CXR-T."""

from __future__ import annotations

from dataclasses import replace

from medbench.specs import Target, TaskSpec
from medbench_tasks.catalogue.labels import CHEXPERT_FIVE, CHEXPERT_READING
from medbench_tasks.grounding import recipe as grounding
from medbench_tasks.temporal import recipe as temporal
from medbench_tasks.zeroshot import recipe as zeroshot
from medbench_tasks.zeroshot.recipe import ZeroShotRecipe


def _zero_shot(
    prefix: str,
    title: str,
    split: str,
    labels: tuple[str, ...],
    recipes: dict[str, ZeroShotRecipe],
    *,
    dataset: str = "",
) -> TaskSpec:
    return TaskSpec(
        id=f"{prefix}-zeroshot",
        title=f"{title}: zero-shot",
        dataset=dataset or prefix,
        split=split,
        protocol="zero-shot",
        capabilities=frozenset({"ImageEncoder", "TextEncoder"}),
        alternatives=(frozenset({"QueryClassifier"}),),
        metrics=zeroshot.METRICS_MULTI_LABEL,
        target=Target(kind="multi-label", labels=labels),
        recipes=recipes,
        loader="medbench_tasks.zeroshot.protocol:PROTOCOL",
        parts=("test",),
        trains=False,
        tags=("cxr", "classification", "zero-shot", "frozen"),
    )


def _ground(
    prefix: str,
    title: str,
    split: str,
    label: str,
    recipes: dict[str, grounding.GroundingRecipe],
    *,
    dataset: str = "",
) -> TaskSpec:
    return TaskSpec(
        id=f"{prefix}-ground",
        title=f"{title}: zero-shot grounding",
        dataset=dataset or prefix,
        split=split,
        protocol="grounding",
        capabilities=frozenset({"Grounder"}),
        metrics=grounding.METRICS,
        target=Target(kind="multi-label", labels=(label,)),
        recipes=recipes,
        loader="medbench_tasks.grounding.protocol:PROTOCOL",
        parts=("test",),
        trains=False,
        tags=("cxr", "grounding", "frozen"),
    )


TASKS = (
    _zero_shot(
        "rsna",
        "Pneumonia, RSNA",
        "classification",
        ("Pneumonia",),
        {
            "standard": zeroshot.STANDARD_ZEROSHOT_RSNA,
            "medst": zeroshot.MEDST_RSNA,
        },
    ),
    _zero_shot(
        "rsna-medslip",
        "Pneumonia, RSNA, on MeDSLIP's list",
        "medslip",
        ("Pneumonia",),
        {"standard": zeroshot.STANDARD_ZEROSHOT_RSNA, "medslip": zeroshot.MEDSLIP_RSNA},
        dataset="rsna",
    ),
    _zero_shot(
        "chestx-ray14",
        "Fourteen findings, ChestX-ray14",
        "official",
        (),
        {"standard": zeroshot.STANDARD_ZEROSHOT, "medslip": zeroshot.MEDSLIP_CHESTXRAY14},
    ),
    _zero_shot(
        "chexpert",
        "Five findings, CheXpert",
        "patient",
        CHEXPERT_FIVE,
        {"standard": replace(zeroshot.STANDARD_ZEROSHOT, **CHEXPERT_READING)},
    ),
    replace(
        _zero_shot(
            "chexpert-5x200",
            "One of five findings, CheXpert 5x200",
            "5x200",
            CHEXPERT_FIVE,
            {"standard": replace(zeroshot.STANDARD_ZEROSHOT_5X200, **CHEXPERT_READING)},
            dataset="chexpert",
        ),
        target=Target(kind="multi-class", labels=CHEXPERT_FIVE),
        metrics=zeroshot.METRICS_MULTI_CLASS,
    ),
    _zero_shot("siim", "Pneumothorax, SIIM-ACR", "image", ("Pneumothorax",), {"standard": zeroshot.STANDARD_ZEROSHOT}),
    _zero_shot(
        "kermany",
        "Pneumonia of children, Kermany",
        "official",
        ("Pneumonia",),
        {"standard": zeroshot.STANDARD_ZEROSHOT},
    ),
    _ground(
        "rsna",
        "Pneumonia opacities, RSNA",
        "detection",
        "Pneumonia",
        {"standard": grounding.STANDARD_GROUNDING_RSNA},
    ),
    _ground(
        "rsna-medslip",
        "Pneumonia opacities, RSNA, on MeDSLIP's list",
        "medslip",
        "Pneumonia",
        {
            "standard": grounding.STANDARD_GROUNDING_RSNA,
            "as-released": grounding.AS_RELEASED_GROUNDING_RSNA,
            "as-released-product": grounding.AS_RELEASED_PRODUCT_RSNA,
        },
        dataset="rsna",
    ),
    _ground("siim", "Pneumothorax, SIIM-ACR", "image", "Pneumothorax", {"standard": grounding.STANDARD_GROUNDING}),
    TaskSpec(
        id="ms-cxr-t-temporal",
        title="Improving, stable or worsening, MS-CXR-T: image pairs",
        dataset="ms-cxr-t",
        split="all",
        protocol="temporal image classification",
        capabilities=frozenset({"ImageEncoder"}),
        metrics=temporal.IMAGE_METRICS,
        recipes={
            "standard": temporal.STANDARD_PAIRS,
            "standard-10": temporal.STANDARD_PAIRS_10,
            "as-released": temporal.RELEASED_PAIRS,
            "as-released-10": temporal.RELEASED_PAIRS_10,
        },
        loader="medbench_tasks.temporal.image:PROTOCOL",
        parts=("test",),
        trains=False,
        tags=("cxr", "temporal", "frozen"),
    ),
    *(
        TaskSpec(
            id=f"ms-cxr-t-sentences{suffix}",
            title=f"Paraphrase or contradiction, MS-CXR-T {title}: sentence similarity",
            dataset="ms-cxr-t-sentences",
            split=split,
            protocol="temporal sentence similarity",
            capabilities=frozenset({"TextEncoder"}),
            metrics=temporal.SENTENCE_METRICS,
            recipes={"standard": temporal.STANDARD_SENTENCES},
            loader="medbench_tasks.temporal.sentences:PROTOCOL",
            parts=("test",),
            trains=False,
            tags=("text", "temporal", "frozen"),
        )
        for suffix, title, split in (
            ("", "RadGraph pairs", "radgraph"),
            ("-swaps", "swapped pairs", "swaps"),
            ("-all", "all pairs", "all"),
        )
    ),
)
