"""Stand-ins for the ready-made models, in their libraries' own files: small nets of the same kind, their weights drawn.

They keep the originals' patches, pixels and lengths of texts, and the form of their files. Widths, depths and vocabularies
are ours, and so is DINOv2's processor, which nothing depends on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medbench_methods import ready_made
from medbench_methods.nets.hf_phantom import write_model
from medbench_methods.normalisation import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD
from medbench_methods.open_clip_family import has_open_clip

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medbench.specs import MethodSpec

_WIDTH = 64
_TOWER = {"hidden_size": _WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4}
_DINO = _TOWER | {"mlp_ratio": 2, "patch_size": 14, "image_size": 518}
_CLIP_TEXT = _TOWER | {"intermediate_size": 128, "max_position_embeddings": 77}
_PATCHES = {"vit-b32": 32, "vit-b16": 16}


def write_rad_dino(folder: Path, seed: int) -> list[Path]:
    """A small ViT/14 with a processor of 518 pixels."""
    processor = _processor(518, (0.5307,) * 3, (0.2583,) * 3)
    return [
        write_model(folder / place, "dinov2", _DINO, processor, seed) for _, place in _places(ready_made.RAD_DINO, None)
    ]


def write_dinov2(folder: Path, seed: int, *, variants: tuple[str, ...] | None = None) -> list[Path]:
    """A small ViT/14 with a processor of 224 pixels; its positions are those of 518."""
    processor = _processor(224, IMAGENET_MEAN, IMAGENET_STD)
    places = _places(ready_made.DINOV2, variants)
    return [write_model(folder / place, "dinov2", _DINO, processor, seed) for _, place in places]


def write_pubmedclip(folder: Path, seed: int) -> list[Path]:
    """Two small towers and a tokenizer that spells."""
    return _write_clip(ready_made.PUBMEDCLIP, folder, seed, None)


def write_clip(folder: Path, seed: int, *, variants: tuple[str, ...] | None = None) -> list[Path]:
    """Two small towers and a tokenizer that spells."""
    return _write_clip(ready_made.CLIP, folder, seed, variants)


def write_biomedclip(folder: Path, seed: int) -> list[Path]:
    """timm's ViT-Ti/16 with a small BERT, and a tokenizer that spells; nothing where open_clip is not installed."""
    if not has_open_clip():
        return []
    from medbench_methods.nets.open_clip_phantom import write_repository

    vision = {"timm_model_name": "vit_tiny_patch16_224", "timm_pool": "", "timm_proj": "linear", "image_size": 224}
    text = {"hf_proj_type": "mlp", "hf_pooler_type": "cls_last_hidden_state_pooler", "context_length": 256}
    model = {"embed_dim": _WIDTH, "vision_cfg": vision, "text_cfg": text}
    images = {"mean": CLIP_MEAN, "std": CLIP_STD, "interpolation": "bicubic", "resize_mode": "shortest"}
    bert = _TOWER | {"intermediate_size": 128, "max_position_embeddings": 256}
    places = _places(ready_made.BIOMEDCLIP, None)
    return [write_repository(folder, place, model, images, bert, seed) for _, place in places]


def _write_clip(spec: MethodSpec, folder: Path, seed: int, variants: tuple[str, ...] | None) -> list[Path]:
    processor = _processor(224, CLIP_MEAN, CLIP_STD)
    found = []
    for name, place in _places(spec, variants):
        vision = _TOWER | {"intermediate_size": 128, "image_size": 224, "patch_size": _PATCHES[name]}
        sizes = {"text_config": _CLIP_TEXT, "vision_config": vision, "projection_dim": _WIDTH}
        found.append(write_model(folder / place, "clip", sizes, processor, seed))
    return found


def _places(spec: MethodSpec, variants: tuple[str, ...] | None) -> list[tuple[str, str]]:
    """The ids of the variants to draw, and their folders under the checkpoints' root: both families name them so."""
    chosen = [spec.variant(name) for name in variants or (spec.variants[0].id,)]
    return [(one.id, one.stands_for) for one in chosen]


def _processor(side: int, mean: Sequence[float], std: Sequence[float]) -> dict[str, Any]:
    return {
        "size": {"shortest_edge": side},
        "crop_size": {"height": side, "width": side},
        "do_center_crop": True,
        "resample": 3,  # bicubic
        "image_mean": mean,
        "image_std": std,
    }
