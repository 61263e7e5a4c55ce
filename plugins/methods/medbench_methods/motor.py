"""MOTOR (2023): BLIP for chest films, with graphs and texts of medical knowledge to read while it is pre-trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.specs import CheckpointSource, MethodSpec, MethodVariant

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from medbench.capabilities import LoadRequest
    from medbench.layouts import KeyReading, Shape
    from medbench_methods.nets.blip_model import BlipModel

URL = "https://github.com/chenzcv7/MOTOR"
VOCABULARY = ("tokenizers/scibert_scivocab_uncased", "tokenizers/scibert_scivocab_uncased/vocab.txt")
"""SciBERT's: either is read, the file itself or the one in a folder."""
START = ("mimic-cxr", "imagenet")
IMAGES = frozenset({"ImageEncoder", "DenseImageEncoder"})
MATCHES = IMAGES | {"TextEncoder", "ImageTextMatcher", "Explainer"}
WRITES = IMAGES | {"ReportGenerator"}
ANSWERS = IMAGES | {"QuestionAnswerer"}


def _variant(
    name: str,
    title: str,
    filename: str,
    capabilities: frozenset[str],
    *,
    companions: tuple[str, ...] = (),
    texts: tuple[str, ...] = VOCABULARY,
    seen: tuple[str, ...] = (),
) -> MethodVariant:
    """``seen`` is what a fine-tuned variant saw beside what it started from."""
    source = CheckpointSource(filename=f"motor/{filename}", url=URL, companions=companions, text_files=texts)
    declared = (*START, *seen) if seen else None
    return MethodVariant(id=name, title=title, checkpoint=source, capabilities=capabilities, pretrained_on=declared)


def _answers(folder: str) -> tuple[str, ...]:
    return tuple(f"motor/{folder}/{kind}_label2ans.json" for kind in ("close", "open"))


SPEC = MethodSpec(
    id="motor",
    title="MOTOR",
    summary="Medical knowledge enhanced BLIP (ViT-B/16, SciBERT). No weights are released: the variants read what the"
    " authors' scripts save. Questions are asked without padding, which in the release makes answers depend on their batch.",
    variants=(
        _variant("pretrain", "pre-trained, plain image encoder", "checkpoint_29.pth", MATCHES | WRITES),
        _variant(
            "pretrain-knowledge",
            "pre-trained, image tokens with both kinds of knowledge",
            "checkpoint_29.pth",
            MATCHES | WRITES,
            companions=VOCABULARY,
            texts=(),
        ),
        _variant("retrieval", "fine-tuned for retrieval, one view", "retrieval/checkpoint_best.pth", MATCHES),
        _variant(
            "retrieval-iu",
            "fine-tuned for retrieval, two views",
            "retrieval-iu/checkpoint_best.pth",
            MATCHES | {"StudyEncoder"},
            seen=("iu-xray:train",),
        ),
        _variant("generation-mimic", "fine-tuned for reports, one view", "generation-mimic/model_best.pth", WRITES),
        _variant(
            "generation-iu",
            "fine-tuned for reports, two views",
            "generation-iu/model_best.pth",
            WRITES,
            seen=("iu-xray:train",),
        ),
        _variant(
            "diagnosis",
            "fine-tuned for diagnosis",
            "diagnosis/current_checkpoint.pth",
            IMAGES,
            texts=(),
            seen=("chestx-ray14:train",),
        ),
        _variant(
            "vqa-rad",
            "fine-tuned on VQA-RAD",
            "vqa-rad/VQA-RAD_best.pth",
            ANSWERS,
            texts=(*VOCABULARY, *_answers("vqa-rad")),
            seen=("vqa-rad",),
        ),
        _variant(
            "vqa-slake",
            "fine-tuned on SLAKE",
            "vqa-slake/SLAKE_best.pth",
            ANSWERS,
            texts=(*VOCABULARY, *_answers("vqa-slake")),
            seen=("slake",),
        ),
    ),
    loader="medbench_methods.motor:load",
    phantom="medbench_methods.motor:write_phantom",
    keys="medbench_methods.motor:keys",
    licence="none stated in the authors' repository (parts of BLIP: BSD-3-Clause)",
    citation="Towards Medical Artificial General Intelligence via Knowledge-Enhanced Multimodal Pretraining, arXiv 2304.14204",
    code_url=URL,
    paper_url="https://arxiv.org/abs/2304.14204",
    # VQA-RAD and SLAKE stand whole above, since their scripts choose the epoch on the test part.
    pretrained_on=START,
    tags=("chest-x-ray", "vision-language"),
)


def load(request: LoadRequest) -> BlipModel:
    """The model in eval mode. Raises `MissingCheckpointError` and `CheckpointError`.

    SciBERT's vocabulary is read when it is first needed: by a text, or by the images of ``pretrain-knowledge``.
    """
    from medbench_methods.nets.motor_loading import load_motor

    return load_motor(request)


def keys(variant: str, shapes: Mapping[str, Shape]) -> tuple[KeyReading, ...]:
    """What a file's keys are to a variant."""
    from medbench_methods.nets.motor_loading import read_keys

    return read_keys(variant, shapes)


def write_phantom(folder: Path, seed: int) -> list[Path]:
    """A checkpoint for each file of the variants, with drawn weights of a tiny net in the published form."""
    from medbench_methods.nets.motor_phantom import write_motor

    return write_motor(folder, seed)
