"""MeDSLIP's published checkpoint: told apart from others, its keys made uniform, checked and filled in.

Container: ``torch.save`` of ``model``, ``optimizer``, ``lr_scheduler``, ``config``, ``epoch``, written by the pre-training
script of the MeDSLIP release (2024-07-15).
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, TypeVar

from medbench.checkpoints import is_phantom
from medbench.errors import CheckpointError, MissingCheckpointError
from medbench.layouts import KeyReading, Matching, Shape
from medbench.untrusted import shown
from medbench_methods.nets.loading import (
    fill,
    hollow,
    match,
    read_tensors,
    require,
    shapes_of,
    taken,
    without_parallel,
)
from medbench_methods.nets.medslip_books import read_books
from medbench_methods.nets.medslip_encoder import MedslipEncoder, make_encoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torch import Tensor

    from medbench.capabilities import LoadRequest

_Value = TypeVar("_Value")
TRAINING_ONLY = ("cl_fc_pathology.", "cl_fc_anatomy.")
ANATOMY = ("res_l1_anatomy.", "res_l2_anatomy.", "decoder_anatomy.", "classifier_anatomy.")
_NORMS = ("decoder_anatomy.norm.", "decoder_pathology.norm.")
_GROUNDING_NAME, _NAME = "disease_embedding_layer.", "pathology_embedding_layer."
# Part of a key -> what such a file is, and the method that reads it. The first that is found names the file.
_SIGNS = (
    ("_element_wise_multi_head.", "a MedST checkpoint", "medst"),
    (".global_embed_la.", "a MedST checkpoint", "medst"),
    ("img_encoder_q.", "an MGCA checkpoint", "mgca"),
    ("up_blocks.", "MeDSLIP fine-tuned for segmentation", None),
    ("res_out.", "MeDSLIP fine-tuned for classification", None),
    ("bert_l1.", "a ConVIRT checkpoint", "convirt"),
    ("res_l1.", "a MedKLIP checkpoint", "medklip"),
    ("gloria.", "a GLoRIA checkpoint", "gloria"),
    ("visual_encoder.blocks.", "a checkpoint of BLIP or MOTOR", None),
    ("vision_model.", "a MedCLIP checkpoint", "medclip"),
    ("layer4.2.conv3.weight", "a plain ResNet-50", "imagenet"),
)


def load_medslip(request: LoadRequest) -> MedslipEncoder:
    """The encoder that ``request`` asks for, in eval mode; its texts are left for later.

    Accepted: keys with DataParallel's prefix, the grounding script's name of the query projection, a file without the
    training heads, one without the whole anatomy stream, and one of the two tied norms alone. Anything else that is
    missing, spare or misshapen raises `CheckpointError`; no file raises `MissingCheckpointError`.
    """
    if request.checkpoint is None:
        raise MissingCheckpointError(f"medslip@{request.variant} needs its checkpoint file")
    path = request.checkpoint
    tensors = uniform(read_tensors(path))
    _check_kind(path, tensors)
    places = _has_places(tensors)
    tensors = _tied(tensors, places)
    encoder = make_encoder(places=places, read=partial(read_books, request.assets, phantom=is_phantom(path)))
    needed = shapes_of(encoder.net)
    matching = _match(tensors, needed, places)
    require(matching, tensors, path, "MeDSLIP (resnet50)")
    _check_ties(path, tensors)
    fill(encoder.net, taken(tensors, matching, needed))
    return encoder.eval()


def read_keys(shapes: Mapping[str, Shape]) -> tuple[KeyReading]:
    """What a file's keys are to MeDSLIP: one part, whose texts lie beside it."""
    tensors = uniform(hollow(shapes))
    places = _has_places(tensors)
    matching = _match(_tied(tensors, places), _needs(places), places)
    return (KeyReading(part="images", layout="MeDSLIP's file", matching=matching),)


def uniform(tensors: Mapping[str, _Value]) -> dict[str, _Value]:
    """The tensors under the names of the pre-training model."""
    tensors = without_parallel(tensors)
    if any(key.startswith(_NAME) for key in tensors):
        return tensors
    return {
        _NAME + key.removeprefix(_GROUNDING_NAME) if key.startswith(_GROUNDING_NAME) else key: value
        for key, value in tensors.items()
    }


def _check_kind(path: Path, tensors: Mapping[str, Tensor]) -> None:
    sign, kind, method = next(
        ((sign, kind, method) for sign, kind, method in _SIGNS if any(sign in key for key in tensors)), ("", "", None)
    )
    if kind:
        raise CheckpointError(
            f"{path}: this is {kind} (it holds {sign}*), not the pre-trained MeDSLIP",
            fix=f"use --methods {method}" if method else "point medbench at the published MeDSLIP_resnet50.pth",
        )
    if not any(key.startswith("mask_generator.") for key in tensors):
        raise CheckpointError(
            f"{path}: this is not a MeDSLIP checkpoint (no mask_generator.*; it holds {shown(next(iter(tensors)))}, ...)",
            fix="point medbench at the published MeDSLIP_resnet50.pth",
        )


def _has_places(keys: Iterable[str]) -> bool:
    return any(key.startswith(ANATOMY) for key in keys if not key.startswith(_NORMS))


@cache
def _needs(places: bool) -> Mapping[str, Shape]:
    return shapes_of(make_encoder(places=places, read=partial(read_books, None)).net)


def _match(tensors: Mapping[str, Tensor], needed: Mapping[str, Shape], places: bool) -> Matching:
    return match(tensors, needed, prefixes={"": ""}, ignore=lambda key: _may_be_spare(key, places))


def _tied(tensors: Mapping[str, Tensor], places: bool) -> dict[str, Tensor]:
    """Both decoders' last norm is one module: give each name its tensors."""
    tied = dict(tensors)
    for name in ("weight", "bias"):
        anatomy, pathology = (prefix + name for prefix in _NORMS)
        if pathology not in tied and anatomy in tied:
            tied[pathology] = tied[anatomy]
        if places and anatomy not in tied and pathology in tied:
            tied[anatomy] = tied[pathology]
    return tied


def _check_ties(path: Path, tensors: Mapping[str, Tensor]) -> None:
    import torch

    for name in ("weight", "bias"):
        anatomy, pathology = (prefix + name for prefix in _NORMS)
        if anatomy in tensors and pathology in tensors and not torch.equal(tensors[anatomy], tensors[pathology]):
            raise CheckpointError(
                f"{path}: {anatomy} and {pathology} differ, though MeDSLIP's decoders share that norm",
                fix="download the published file again",
            )


def _may_be_spare(key: str, places: bool) -> bool:
    return key.startswith(TRAINING_ONLY) or (not places and key.startswith(_NORMS))
