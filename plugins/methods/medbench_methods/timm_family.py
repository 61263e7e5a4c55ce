"""Any image encoder of timm: ``timm/resnet50.a1_in1k``, ``timm/vit_base_patch16_224.dino``.

Weights lie at ``<checkpoints>/timm/<model>.safetensors`` (or ``.pth``), else they come from the hub.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from medbench.errors import UsageError
from medbench.specs import CheckpointSource, MethodSpec, MethodVariant
from medbench_methods.open_names import slug

if TYPE_CHECKING:
    from pathlib import Path

    from medbench.capabilities import LoadRequest
    from medbench_methods.nets.timm_encoder import TimmEncoder

CAPABILITIES = frozenset({"ImageEncoder", "DenseImageEncoder"})
SUFFIXES = (".safetensors", ".pth")
_NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?\Z")

SPEC = MethodSpec(
    id="timm",
    title="timm",
    summary="Any image encoder of PyTorch Image Models, by its name: timm/resnet50.a1_in1k.",
    variants=(),
    open_variants="medbench_methods.timm_family:variant",
    loader="medbench_methods.timm_family:load",
    licence="Apache-2.0 (code); each model's weights have their own",
    code_url="https://github.com/huggingface/pytorch-image-models",
    tags=("open-family",),
)


def variant(name: str, checkpoints: Path) -> MethodVariant:
    """The variant for a timm model's name, with or without the tag of its weights. Raises `UsageError`.

    A file of one's own may stand under an architecture with any tag: ``timm/resnet50.mine``.

    Whether timm knows the name shows when it is loaded: timm costs seconds to import.
    """
    if not _NAME.match(name):
        raise UsageError(
            f"'timm/{name}' is no name of a timm model: those are letters, digits and '_', with one '.' before the tag",
            fix="for a repository of the hub or a folder use hf/<name>",
        )
    files = [f"timm/{name}{suffix}" for suffix in SUFFIXES]
    found = next((file for file in files if (checkpoints / file).is_file()), files[0])
    source = CheckpointSource(filename=found, url=f"https://huggingface.co/timm/{name}", hub=f"timm/{name}")
    return MethodVariant(id=slug(name), title=name, checkpoint=source, capabilities=CAPABILITIES, name=name)


def load(request: LoadRequest) -> TimmEncoder:
    """The encoder in eval mode, strictly filled from the local file or the hub's.

    Raises `UnknownNameError` where timm has no such model, `MissingCheckpointError` where the hub cannot be reached, and
    `CheckpointError` where the weights do not fit.
    """
    from medbench_methods.nets.timm_encoder import TimmEncoder, hub_weights, make_net, take_weights

    net = make_net(request.name, own_weights=request.checkpoint is not None)
    take_weights(net, request.checkpoint or hub_weights(net, request.name), f"timm's {request.name}")
    return TimmEncoder(net, request.name).eval()
