"""BLIP (2022) on natural images: what the medical methods of its family start from, and their baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.specs import CheckpointSource, MethodSpec, MethodVariant

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from medbench.capabilities import LoadRequest
    from medbench.layouts import KeyReading, Shape
    from medbench_methods.nets.blip_keys import Kind
    from medbench_methods.nets.blip_model import BlipModel

ENCODES = frozenset({"ImageEncoder", "DenseImageEncoder"})
MATCHES = ENCODES | {"TextEncoder", "ImageTextMatcher", "Explainer"}
WRITES = ENCODES | {"ReportGenerator"}
ANSWERS = ENCODES | {"QuestionAnswerer"}
BERT_VOCABULARY = ("tokenizers/bert-base-uncased", "tokenizers/bert-base-uncased/vocab.txt")
_PRETRAINED = "https://github.com/salesforce/BLIP#pre-trained-checkpoints"
_FINETUNED = "https://github.com/salesforce/BLIP#finetuned-checkpoints"


def _variant(name: str, title: str, file: str, url: str, capabilities: frozenset[str]) -> MethodVariant:
    source = CheckpointSource(filename=f"blip/{file}", url=url, text_files=BERT_VOCABULARY)
    return MethodVariant(id=name, title=title, checkpoint=source, capabilities=capabilities)


SPEC = MethodSpec(
    id="blip",
    title="BLIP",
    summary="Bootstrapped language-image pre-training on natural images, ViT-B/16: contrast, matches, captions and questions."
    " It reads 30 words and 35 tokens of a text. What it answers does not depend on the batch; in the release it does.",
    variants=(
        _variant("pretrain", "pre-trained", "model_base.pth", _PRETRAINED, MATCHES | WRITES),
        _variant("retrieval-coco", "retrieval (COCO)", "model_base_retrieval_coco.pth", _FINETUNED, MATCHES),
        _variant("caption-coco", "captions (COCO)", "model_base_caption_capfilt_large.pth", _FINETUNED, WRITES),
        _variant("vqa", "questions (VQA v2)", "model_base_vqa_capfilt_large.pth", _FINETUNED, ANSWERS),
    ),
    loader="medbench_methods.blip:load",
    phantom="medbench_methods.blip:write_phantom",
    keys="medbench_methods.blip:keys",
    licence="BSD-3-Clause",
    citation="Li et al., BLIP: Bootstrapping Language-Image Pre-training for Unified Vision-Language Understanding and"
    " Generation, ICML 2022",
    code_url="https://github.com/salesforce/BLIP",
    paper_url="https://arxiv.org/abs/2201.12086",
    # Images of the web, of which no list is at hand: whether figures of articles are among them is not known.
    pretrained_on=None,
    tags=("natural-images", "vision-language"),
)


READ: Mapping[str, tuple[Kind, ...]] = {
    "pretrain": ("pretrain",),
    "retrieval-coco": ("retrieval", "itm"),
    "caption-coco": ("caption",),
    "vqa": ("vqa",),
}
"""The kinds of file that each variant reads."""


def load(request: LoadRequest) -> BlipModel:
    """The model of the asked variant, in eval mode. Raises `MissingCheckpointError` and `CheckpointError`."""
    from medbench_methods.nets.blip_flavour import BLIP
    from medbench_methods.nets.blip_loading import load_blip

    return load_blip(request, BLIP, READ)


def keys(variant: str, shapes: Mapping[str, Shape]) -> tuple[KeyReading, ...]:
    """What a file's keys are to a variant."""
    from medbench_methods.nets.blip_flavour import BLIP
    from medbench_methods.nets.blip_loading import read_keys

    return read_keys(shapes, BLIP, READ[variant][0])


def write_phantom(folder: Path, seed: int) -> list[Path]:
    """A checkpoint for each variant in the published container, of tiny nets (some MB each), and a stand-in vocabulary."""
    from medbench_methods.nets.blip_flavour import BLIP
    from medbench_methods.nets.blip_phantom import write_blip

    return write_blip(
        folder,
        BLIP,
        {
            "model_base.pth": "pretrain",
            "model_base_retrieval_coco.pth": "retrieval",
            "model_base_caption_capfilt_large.pth": "caption",
            "model_base_vqa_capfilt_large.pth": "vqa",
        },
        seed,
    )
