"""An open_clip model as image and text encoder, its image features taken before the projection where the tower allows it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import open_clip
import torch
from open_clip.convert import convert_state_dict
from open_clip.model import convert_to_custom_text_state_dict
from open_clip.timm_model import TimmModel
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from open_clip.transformer import VisionTransformer
from torch import nn

from medbench.capabilities import Preprocess
from medbench.checkpoints import read_checkpoint
from medbench.errors import CheckpointError, UsageError
from medbench_methods.nets.loading import fill, match, require, shapes_of, taken

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from medbench_methods.nets.open_clip_files import OpenClipFiles

_MODES = {"shortest": "shorter", "squash": "squash", "longest": "pad"}
_INTERPOLATIONS = ("bilinear", "bicubic")
_CONTEXT = 77
# Index buffers of older transformers, which are no weights.
_SPARE = ("text.transformer.embeddings.position_ids", "attn_mask")


class _Halves(NamedTuple):
    """The image tower up to its pooled features, and what takes those into the joint space."""

    trunk: nn.Module
    projection: nn.Module


class _Matrix(nn.Module):
    """A projection kept as a bare matrix (D, joint_dim)."""

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, features: Tensor) -> Tensor:
        return features @ self.weight


class OpenClipEncoder(nn.Module):
    """`ImageEncoder` and `TextEncoder`.

    Image features are those before the projection for open_clip's own ViTs and for timm trunks with a linear or MLP head.
    The OpenAI ResNets, CoCa's and timm's attention pools project as they pool: there the features are the projected ones.
    """

    def __init__(self, model: Any, tokenizer: Any, files: OpenClipFiles) -> None:
        super().__init__()
        self.preprocess = preprocess_of(model.visual, files)
        self.tokenizer = tokenizer
        halves = _halved(model.visual)
        self.trunk, self.projection = halves.trunk, halves.projection
        self.model = model
        self.embed_dim, self.joint_dim = self._widths()

    def encode_images(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, embed_dim)."""
        features: Tensor = self.trunk(images)
        return features

    def encode_texts(self, texts: list[str]) -> Tensor:
        """B texts -> (B, joint_dim); what goes beyond the context is cut off."""
        device = next(self.parameters()).device
        features: Tensor = self.model.encode_text(self.tokenizer(texts).to(device))
        return features

    def project_images(self, features: Tensor) -> Tensor:
        """(B, embed_dim) -> (B, joint_dim)."""
        projected: Tensor = self.projection(features)
        return projected

    @torch.inference_mode()
    def _widths(self) -> tuple[int, int]:
        self.eval()
        side = self.preprocess.crop
        features = self.encode_images(torch.zeros(1, 3, side, side))
        return features.shape[1], self.project_images(features).shape[1]


def make_model(files: OpenClipFiles) -> Any:
    """The model of a configuration, its weights not yet the published ones. Raises `UsageError`."""
    config = copy.deepcopy(dict(files.model))
    custom = config.pop("custom_text", False) or "hf_model_name" in config["text_cfg"]
    kind = open_clip.CoCa if "multimodal_cfg" in config else open_clip.CustomTextCLIP if custom else open_clip.CLIP
    try:
        with torch.random.fork_rng(devices=[]):
            return kind(**config)
    except (TypeError, KeyError, AttributeError, ImportError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UsageError(f"open_clip {open_clip.__version__} cannot build {files.name} ({reason})") from error


def take_weights(model: Any, path: Path, what: str) -> None:
    """Fill both towers, every tensor, translating as open_clip does it. Raises `CheckpointError`."""
    found = read_checkpoint(path).tensors
    prefix = "module." if all(key.startswith("module.") for key in found) else ""
    tensors = convert_state_dict(model, {key.removeprefix(prefix): value for key, value in found.items()})
    if isinstance(model, open_clip.CustomTextCLIP | open_clip.CoCa):
        tensors = convert_to_custom_text_state_dict(tensors)
    needed = shapes_of(model)
    for scale in ("logit_scale", "logit_bias"):
        if scale in tensors and scale in needed and tensors[scale].numel() == 1:
            tensors[scale] = tensors[scale].reshape(needed[scale])
    matching = match(tensors, needed, prefixes={"": ""}, ignore=lambda key: key in _SPARE)
    require(matching, tensors, path, what)
    fill(model, taken(tensors, matching, needed))


def make_tokenizer(files: OpenClipFiles) -> Any:
    """The tokenizer that the configuration asks for, cutting texts at the context. Raises `CheckpointError`."""
    text = files.model["text_cfg"]
    context = text.get("context_length", _CONTEXT)
    options = dict(text.get("tokenizer_kwargs", {}))
    if files.tokenizer is None:
        return SimpleTokenizer(context_length=context, **options)
    try:
        mode = text.get("tokenizer_mode")
        return HFTokenizer(str(files.tokenizer), context_length=context, tokenizer_mode=mode, **options)
    except Exception as error:  # the library raises whatever its file formats do
        reason = " ".join(str(error).split())[:120]
        raise CheckpointError(f"{files.tokenizer} holds no readable tokenizer ({reason})") from error


def preprocess_of(visual: Any, files: OpenClipFiles) -> Preprocess:
    """What the configuration says of evaluation images. Raises `UsageError` where it cannot be carried out."""
    size = visual.image_size
    height, width = (size, size) if isinstance(size, int) else size
    mode = _MODES.get(files.images.get("resize_mode", "shortest"))
    interpolation = files.images.get("interpolation", "bicubic")
    if height != width or mode is None or interpolation not in _INTERPOLATIONS:
        raise UsageError(f"open_clip/{files.name} wants images that medbench does not make ({height} x {width})")
    return Preprocess(
        resize=height,
        mode=mode,  # type: ignore[arg-type]
        crop=height,
        mean=tuple(files.images.get("mean", open_clip.OPENAI_DATASET_MEAN)),
        std=tuple(files.images.get("std", open_clip.OPENAI_DATASET_STD)),
        interpolation=interpolation,
    )


def _halved(visual: Any) -> _Halves:
    """Split a tower at its pooled features; a tower that does not come apart is all trunk."""
    if isinstance(visual, VisionTransformer) and isinstance(visual.proj, nn.Parameter):
        projection = _Matrix(visual.proj)
        visual.proj = None  # its forward then ends with the pooled features
        return _Halves(visual, projection)
    if isinstance(visual, TimmModel) and "pool" not in dict(visual.head.named_children()):
        return _Halves(visual.trunk, visual.head)
    return _Halves(visual, nn.Identity())
