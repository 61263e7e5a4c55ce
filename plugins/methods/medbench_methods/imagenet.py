"""ImageNet baselines on the two trunks: what a radiograph encoder has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.specs import CheckpointSource, MethodSpec, MethodVariant
from medbench_methods.normalisation import IMAGENET_MEAN, IMAGENET_STD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from medbench.capabilities import LoadRequest
    from medbench.layouts import KeyReading, Matching, Shape
    from medbench_methods.nets.encoders import VisionEncoder

CAPABILITIES = frozenset({"ImageEncoder", "DenseImageEncoder"})
MODELS = {"resnet50": "resnet50.tv_in1k", "vit-b16": "deit_base_patch16_224.fb_in1k"}


def _source(variant: str) -> CheckpointSource:
    hub = f"timm/{MODELS[variant]}"
    return CheckpointSource(filename=f"imagenet/{variant}.safetensors", url=f"https://huggingface.co/{hub}", hub=hub)


SPEC = MethodSpec(
    id="imagenet",
    title="ImageNet",
    summary="Supervised ImageNet-1k weights: torchvision's first ResNet-50, and DeiT-B/16, from which MGCA's ViT starts.",
    variants=(
        MethodVariant(id="resnet50", title="ResNet-50", checkpoint=_source("resnet50"), capabilities=CAPABILITIES),
        MethodVariant(id="vit-b16", title="DeiT-B/16", checkpoint=_source("vit-b16"), capabilities=CAPABILITIES),
    ),
    loader="medbench_methods.imagenet:load",
    phantom="medbench_methods.nets.imagenet_phantom:write_phantom",
    keys="medbench_methods.imagenet:keys",
    licence="BSD-3-Clause (resnet50), Apache-2.0 (vit-b16)",
    code_url="https://github.com/huggingface/pytorch-image-models",
    pretrained_on=("imagenet",),
    tags=("baseline",),
)


def load(request: LoadRequest) -> VisionEncoder:
    """The encoder from a local file (timm safetensors or a torch state_dict), else from the hub, in eval mode.

    Images are resized and cropped as MGCA's are, and normalised by ImageNet's statistics. Raises
    `MissingCheckpointError` where the hub cannot be reached and `CheckpointError` where the file does not fit.
    """
    from medbench.capabilities import Preprocess
    from medbench_methods.nets.encoders import VisionEncoder
    from medbench_methods.nets.loading import fill, read_tensors, require, shapes_of, taken
    from medbench_methods.nets.trunks import make_trunk

    trunk = make_trunk(request.variant)
    if request.checkpoint is None:
        fill(trunk.net, _from_hub(request.variant))
    else:
        tensors = read_tensors(request.checkpoint)
        needed = shapes_of(trunk.net)
        matching = _match(tensors, needed)
        require(matching, tensors, request.checkpoint, f"timm's {MODELS[request.variant]}")
        fill(trunk.net, taken(tensors, matching, needed))
    return VisionEncoder(
        trunk, Preprocess(resize=256, mode="pad", crop=224, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    ).eval()


def keys(variant: str, shapes: Mapping[str, Shape]) -> tuple[KeyReading, ...]:
    """What a file's keys are to a variant."""
    from medbench.layouts import KeyReading
    from medbench_methods.nets.loading import hollow, shapes_of, without_parallel
    from medbench_methods.nets.trunks import make_trunk

    matching = _match(hollow(without_parallel(shapes)), shapes_of(make_trunk(variant).net))
    return (KeyReading(part="images", layout=f"timm's {MODELS[variant]}", matching=matching),)


def _match(tensors: Mapping[str, Tensor], needed: Mapping[str, Shape]) -> Matching:
    from medbench_methods.nets.loading import match

    return match(tensors, needed, prefixes={"": ""}, ignore=_is_classifier)


def _from_hub(variant: str) -> dict[str, Tensor]:
    import timm

    from medbench.errors import MissingCheckpointError

    try:
        state: dict[str, Tensor] = timm.create_model(MODELS[variant], pretrained=True, num_classes=0).state_dict()
    except Exception as error:  # the hub's client raises whatever its transport does
        raise MissingCheckpointError(
            f"imagenet@{variant}: {MODELS[variant]} could not be fetched from the hub ({type(error).__name__})",
            fix=f"put timm/{MODELS[variant]}'s model.safetensors at <checkpoints>/imagenet/{variant}.safetensors",
        ) from error
    return state


def _is_classifier(key: str) -> bool:
    return key.startswith(("fc.", "head."))
