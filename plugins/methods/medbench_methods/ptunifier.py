"""PTUnifier (ICCV 2023): one encoder for images, texts and both, with pools of prompts in place of the one that is absent.

The image feature is that of the vision tower alone, CLIP's ViT-B/16 without its twelfth block. The release classifies by 1536
numbers from its language tower and fusion layers; they are left out.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from medbench.layouts import Layout
from medbench.specs import UNDISCLOSED, MethodSpec
from medbench_methods.known import functions_of, offer, variant
from medbench_methods.normalisation import CLIP_MEAN, CLIP_STD
from medbench_methods.vit_names import UNBATCHED, clip_names

if TYPE_CHECKING:
    from medbench_methods.nets.shapes import Part, Published

CLIP, FUSION = "vision_encoder.", ("proj", "layers", "pooler")
SEEN, MIMIC = ("roco", "medicat", "mimic-cxr", UNDISCLOSED), ("mimic-cxr:train", UNDISCLOSED)  # both start from CLIP
_CODE, _BENCHX = "https://github.com/zhjohnchan/PTUnifier", "https://huggingface.co/youngzhou12/PTUnifier"
SIDES = {"vit-b16": (288,), "vit-b16-benchx": (224, 288)}  # BenchX's is not told: its table of positions decides
IMAGES = Layout(
    name="PTUnifier's Lightning file",
    renames=clip_names(f"{CLIP}visual."),
    ignore=(
        *(f"{CLIP}{text}" for text in ("token_embedding.weight", "positional_embedding", "ln_final.*")),  # CLIP's own
        "language_encoder.**",
        *(f"multi_modal_vision_{layer}.**" for layer in FUSION),
        *(f"multi_modal_language_{layer}.**" for layer in FUSION),
        "modality_type_embeddings.weight",
        *(f"pseudo_{tower}_token_pool" for tower in ("vision", "language")),
    ),
    flat=UNBATCHED,
)
SPEC = MethodSpec(
    id="ptunifier",
    title="PTUnifier",
    summary="Images and texts in one encoder by soft prompts; here its vision tower, eleven blocks of CLIP's ViT-B/16.",
    variants=(
        variant("vit-b16", "ViT-B/16", "ptunifier/ptunifier.ckpt", _CODE, SEEN),
        variant("vit-b16-benchx", "ViT-B/16 (BenchX)", "ptunifier/benchx/PTUnifier.ckpt", _BENCHX, MIMIC),
    ),
    licence="none stated by the authors; BenchX's weights are MIT",
    citation="Chen et al., Towards Unifying Medical Vision-and-Language Pre-training via Soft Prompts, ICCV 2023",
    code_url=_CODE,
    paper_url="https://arxiv.org/abs/2302.08958",
    pretrained_on=SEEN,
    tags=("chest-x-ray", "vision-language"),
    **functions_of(__name__),
)


def published(variant: str) -> Published:
    """The CLS token after the last LayerNorm, at the side of the file's table: 288 pixels for 325 positions, 224 for 197.

    Images of either side are shown as the release shows its own: bicubic, by CLIP's mean and deviation.
    """
    from medbench_methods.nets.shapes import Published

    return Published(
        images=[_tower(side) for side in SIDES[variant]],
        container=lambda state: {"epoch": 1, "state_dict": state, "hyper_parameters": {"config": {}}},
        spare={f"{CLIP}positional_embedding": (77, 512), "pseudo_language_token_pool": (2048, 768)},
    )


def _tower(side: int) -> Part:
    from medbench.capabilities import Preprocess
    from medbench_methods.nets.shapes import ViTTrunk, image_part

    trunk = partial(ViTTrunk, "vit_base_patch16_clip_quickgelu_224", img_size=side, depth=11)
    shown = Preprocess(resize=side, mode="shorter", crop=side, mean=CLIP_MEAN, std=CLIP_STD, interpolation="bicubic")
    return image_part(trunk, shown, IMAGES)


load, write_phantom, keys = offer(SPEC, published)
