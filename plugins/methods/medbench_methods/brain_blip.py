"""Brain BLIP (2024): BLIP pre-trained further on figures of brain abnormalities and their captions from PubMed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.specs import UNDISCLOSED, CheckpointSource, MethodSpec, MethodVariant
from medbench_methods.blip import BERT_VOCABULARY, MATCHES, WRITES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from medbench.capabilities import LoadRequest
    from medbench.layouts import KeyReading, Shape
    from medbench_methods.nets.blip_keys import Kind
    from medbench_methods.nets.blip_model import BlipModel

_PRETRAINED = "checkpoint_59.pth"
_RETRIEVAL = "checkpoint_best.pth"
_LONG = "-200"
"""Ends the variants that read 200 tokens of a text, as the release trains; its evaluation reads 35."""


def _variant(name: str, title: str, file: str, capabilities: frozenset[str]) -> MethodVariant:
    url = "https://github.com/masoud-monajati/MedVL_pretraining_pipeline"
    source = CheckpointSource(filename=f"brain-blip/{file}", url=url, text_files=BERT_VOCABULARY)
    return MethodVariant(id=name, title=title, checkpoint=source, capabilities=capabilities)


SPEC = MethodSpec(
    id="brain-blip",
    title="brain BLIP",
    summary="BLIP pre-trained on 22,795 brain figures and captions from PubMed. No weights are released: the files are what its"
    " scripts save. It reads 200 words of a text and, as its evaluation does, 35 tokens; variants in -200 read 200 tokens.",
    variants=(
        _variant("pretrain", "pre-trained", _PRETRAINED, MATCHES | WRITES),
        _variant("retrieval", "fine-tuned for retrieval", _RETRIEVAL, MATCHES),
        _variant("pretrain-200", "pre-trained, texts of 200 tokens", _PRETRAINED, MATCHES | WRITES),
        _variant("retrieval-200", "fine-tuned for retrieval, texts of 200 tokens", _RETRIEVAL, MATCHES),
    ),
    loader="medbench_methods.brain_blip:load",
    phantom="medbench_methods.brain_blip:write_phantom",
    keys="medbench_methods.brain_blip:keys",
    licence="BSD-3-Clause (code, as BLIP); no weights released",
    citation="Monajatipoor et al., Medical Vision-Language Pre-Training for Brain Abnormalities, LREC-COLING 2024",
    code_url="https://github.com/masoud-monajati/MedVL_pretraining_pipeline",
    paper_url="https://arxiv.org/abs/2404.17779",
    # All figures, those of the test part too in some of its runs. It starts from BLIP, whose images of the web are not known.
    pretrained_on=("brain-pubmed", UNDISCLOSED),
    tags=("brain", "vision-language"),
)


READ: Mapping[str, tuple[Kind, ...]] = {
    "pretrain": ("pretrain",),
    "retrieval": ("retrieval", "itm"),
    "pretrain-200": ("pretrain",),
    "retrieval-200": ("retrieval", "itm"),
}
"""The kinds of file that each variant reads."""


def load(request: LoadRequest) -> BlipModel:
    """The model of the asked variant, in eval mode. Raises `MissingCheckpointError` and `CheckpointError`."""
    from medbench_methods.nets.blip_flavour import BRAIN_BLIP, BRAIN_BLIP_LONG
    from medbench_methods.nets.blip_loading import load_blip

    flavour = BRAIN_BLIP_LONG if request.variant.endswith(_LONG) else BRAIN_BLIP
    return load_blip(request, flavour, READ)


def keys(variant: str, shapes: Mapping[str, Shape]) -> tuple[KeyReading, ...]:
    """What a file's keys are to a variant."""
    from medbench_methods.nets.blip_flavour import BRAIN_BLIP
    from medbench_methods.nets.blip_loading import read_keys

    return read_keys(shapes, BRAIN_BLIP, READ[variant][0])


def write_phantom(folder: Path, seed: int) -> list[Path]:
    """A checkpoint of each of the two kinds in the form that the scripts save, of tiny nets, and a stand-in vocabulary."""
    from medbench_methods.nets.blip_flavour import BRAIN_BLIP
    from medbench_methods.nets.blip_phantom import write_blip

    return write_blip(folder, BRAIN_BLIP, {_PRETRAINED: "pretrain", _RETRIEVAL: "retrieval"}, seed)
