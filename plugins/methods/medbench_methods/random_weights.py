"""Random weights on the two trunks: the floor under every encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.specs import MethodSpec, MethodVariant

if TYPE_CHECKING:
    from medbench.capabilities import LoadRequest
    from medbench_methods.nets.encoders import VisionEncoder

CAPABILITIES = frozenset({"ImageEncoder", "DenseImageEncoder"})

SPEC = MethodSpec(
    id="random",
    title="Random weights",
    summary="Untrained trunks, drawn from the trial's seed: what the head learns without any pretraining.",
    variants=(
        MethodVariant(id="resnet50", title="ResNet-50", checkpoint=None, capabilities=CAPABILITIES),
        MethodVariant(id="vit-b16", title="ViT-B/16", checkpoint=None, capabilities=CAPABILITIES),
    ),
    loader="medbench_methods.random_weights:load",
    licence="Apache-2.0",
    pretrained_on=(),
    tags=("baseline",),
)


def load(request: LoadRequest) -> VisionEncoder:
    """The encoder with weights drawn from ``request.seed``, in eval mode; the global generators stay untouched."""
    from medbench_methods.nets.drawing import draw_weights
    from medbench_methods.nets.encoders import FAMILY_PREPROCESS, VisionEncoder
    from medbench_methods.nets.loading import fill
    from medbench_methods.nets.trunks import make_trunk

    trunk = make_trunk(request.variant)
    fill(trunk.net, draw_weights(trunk.net.state_dict(), request.seed))
    return VisionEncoder(trunk, FAMILY_PREPROCESS).eval()
