"""BenchX's fine-tuning as recipes: its common procedure, and what its search chose for each method and dataset, as data.

Zhou et al., "BenchX: A Unified Benchmark Framework for Medical Vision-Language Pretraining on Chest X-Rays" (NeurIPS 2024
Datasets and Benchmarks), the tables of chosen hyper-parameters, and the released code for what really runs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, NamedTuple

from medbench_tasks.finetuning.recipe import FineTuningRecipe


class Choice(NamedTuple):
    """What the search chose: learning rate, batch size, and Adam (``A``) or SGD (``S``)."""

    lr: float
    batch_size: int
    optimiser: Literal["A", "S"]


class Method(NamedTuple):
    """A method's choices by dataset, whether its head has a LayerNorm (LN) and its encoder a tenth of the rate (DLR)."""

    layer_norm: bool
    discriminative_lr: bool
    nih: Choice
    vindr: Choice
    covidx: Choice
    siim: Choice
    rsna: Choice


def _method(norm: str, lower: str, nih: str, vindr: str, covidx: str, siim: str, rsna: str) -> Method:
    """From the table's own notation, ``1e-4/64/A``."""
    return Method(norm == "Y", lower == "Y", *(_choice(text) for text in (nih, vindr, covidx, siim, rsna)))


def _choice(text: str) -> Choice:
    lr, batch_size, optimiser = text.split("/")
    return Choice(float(lr), int(batch_size), "A" if optimiser == "A" else "S")


METHODS = {
    #                          LN   DLR  NIH          VinDr         COVIDx      SIIM          RSNA
    "convirt": _method("Y", "Y", "1e-4/64/A", "5e-5/32/A", "5e-4/64/A", "1e-4/128/A", "5e-5/64/A"),
    "gloria": _method("Y", "Y", "1e-4/64/A", "1e-4/64/A", "5e-4/32/A", "1e-5/128/A", "1e-4/32/A"),
    "medclip@resnet50": _method("N", "N", "1e-5/64/A", "1e-4/128/A", "5e-4/64/A", "1e-5/128/A", "1e-5/32/A"),
    "medclip@vit": _method("N", "N", "1e-5/32/A", "1e-4/128/A", "1e-4/64/A", "1e-5/32/A", "1e-5/32/A"),
    "medklip": _method("N", "Y", "1e-4/128/A", "1e-4/64/A", "1e-4/64/A", "1e-4/64/A", "1e-4/128/A"),
    "m-flag": _method("Y", "N", "1e-4/32/A", "1e-4/64/A", "5e-4/128/A", "1e-4/64/A", "1e-4/64/A"),
    "mgca@resnet50": _method("Y", "N", "1e-5/32/A", "5e-5/64/A", "5e-4/128/A", "1e-5/128/A", "1e-5/32/A"),
    "mgca@vit-b16": _method("Y", "Y", "1e-2/64/S", "3e-2/64/S", "5e-4/32/A", "1e-2/128/S", "1e-2/32/S"),
    "mrm": _method("Y", "Y", "3e-2/64/S", "1e-2/64/S", "5e-4/64/A", "1e-2/64/S", "1e-2/32/S"),
    "refers": _method("Y", "N", "3e-2/32/S", "3e-2/128/S", "5e-4/64/A", "3e-2/64/S", "1e-2/32/S"),
}
"""By ``method@variant``, or by the method where BenchX has one of it."""

Dataset = Literal["nih", "vindr", "covidx", "siim", "rsna"]
MULTI_LABEL: tuple[Dataset, ...] = ("nih", "vindr")

BENCHX = FineTuningRecipe(
    seeds=(42, 0, 1),
    epochs=200,
    batch_size=64,
    optimiser="adam",
    lr=1e-4,
    encoder_lr=0.1,
    weight_decay=0.0,
    patience=50,
    validate_from=10,
    validate_every=5,
    schedule="cosine",
    warmup_steps=50,
    schedule_steps=3000,
    clip_grad=1.0,
    augment="benchx",
    frame="benchx",
    normalise="benchx",
    source_scale=2.0,
    head_norm=True,
    head_init="truncated-normal",
    binary_head="softmax",
    select="f1",
    thresholds="half",
)
"""BenchX's common procedure, with what a method without published settings gets: Adam at 1e-4, batches of 64 and LayerNorm,
the most frequent choices of its search, and a tenth of the rate for the encoder, the choice of half of its methods.

Warm-up over 50 of 3,000 steps, then cosine; first validation at epoch 10, then every 5, and 10 of them without improvement
end the training. Not published, so the harness's own: the rate at the end (1 % of the first, which then stays), no weight
decay, SGD's momentum of 0.9, torchvision's usual area of 0.08 to 1 for resized crops, taken from the whole image kept at
448 x 448 pixels. The release trains in mixed precision: ``--precision`` says so here. ConVIRT's configurations with 60 of
1,200 and 10 of 200 steps are not told apart, and cuDNN is deterministic here, which the release leaves off.

The splits differ, so that the published figures are no target. SIIM-ACR has 9,303 / 1,372 / 1,372 images in BenchX, where
the split by image here has 8,433 / 1,807 / 1,807. NIH ChestX-ray14 is divided 70 / 10 / 20 by patient in both, but by
BenchX's own list there. Of VinDr-CXR's 28 labels BenchX takes 14, so that its mean over labels is over others.
"""


def benchx_recipe(dataset: Dataset) -> FineTuningRecipe:
    """BenchX's recipe on one of its datasets: macro AUROC selects where there are several labels, else binary F1.

    What its search chose for a method is in ``method_settings``, and marked by ``published_settings``.
    """
    settings = tuple((name, _settings(method, getattr(method, dataset))) for name, method in METHODS.items())
    return replace(BENCHX, select="auroc" if dataset in MULTI_LABEL else "f1", method_settings=settings)


def _settings(method: Method, choice: Choice) -> tuple[tuple[str, Any], ...]:
    return (
        ("lr", choice.lr),
        ("batch_size", choice.batch_size),
        ("optimiser", "adam" if choice.optimiser == "A" else "sgd"),
        ("head_norm", method.layer_norm),
        ("encoder_lr", 0.1 if method.discriminative_lr else 1.0),
        ("published_settings", True),
    )
