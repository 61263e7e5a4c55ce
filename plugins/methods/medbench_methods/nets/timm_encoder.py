"""A timm model as an image encoder: made by name, filled strictly, preprocessed as its own configuration says."""

from __future__ import annotations

import difflib
import math
import sys
from typing import TYPE_CHECKING, Any

import timm
import torch
from torch import nn

from medbench.capabilities import Preprocess
from medbench.checkpoints import read_checkpoint
from medbench.errors import MissingCheckpointError, UnknownNameError, UsageError
from medbench_methods.nets.loading import fill, match, require, shapes_of, taken
from medbench_methods.nets.open_hub import hub_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

# Transformers that can take other input sizes than their own say so by one of these.
_ANY_SIZE: tuple[dict[str, bool], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False}, {})
_MODES = {"center": "shorter", "squash": "squash", "border": "pad"}
_INTERPOLATIONS = ("bilinear", "bicubic")
_MODEL_FILES = ("model.safetensors", "pytorch_model.bin")


class TimmEncoder(nn.Module):
    """`ImageEncoder` by the pooled features before the classifier, `DenseImageEncoder` where the model gives maps.

    A CNN or hierarchical transformer gives its last map at each stride, a plain ViT its last block's patch tokens.
    """

    def __init__(self, net: Any, name: str) -> None:
        super().__init__()
        self.net = net
        self.name = name
        self.preprocess = preprocess_of(net, name)
        self.embed_dim = _width(net.eval(), self.preprocess.crop, name)

    @property
    def channels(self) -> tuple[int, ...]:
        """Widths of the maps. Raises `UsageError` for a model that gives none."""
        return tuple(self.net.feature_info[index]["num_chs"] for index in self._stages())

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides of the maps. Raises `UsageError` for a model that gives none."""
        return tuple(self.net.feature_info[index]["reduction"] for index in self._stages())

    def encode_images(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, embed_dim)."""
        features: Tensor = self.net(images)
        return features

    def encode_pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> maps (B, channels[i], H / strides[i], W / strides[i]), finest first."""
        stages = self._stages()
        try:
            maps: list[Tensor] = self.net.forward_intermediates(
                images, indices=stages, norm=True, output_fmt="NCHW", intermediates_only=True
            )
        except AssertionError as error:  # how timm says that an architecture is bound to its own input size
            size = " x ".join(map(str, images.shape[-2:]))
            raise UsageError(f"timm/{self.name} does not take images of {size} pixels ({error})") from error
        return tuple(maps)

    def _stages(self) -> list[int]:
        info = getattr(self.net, "feature_info", None)
        if not info or not hasattr(self.net, "forward_intermediates"):
            raise UsageError(f"timm/{self.name} gives no feature maps, so it cannot do dense prediction")
        last = {stage["reduction"]: index for index, stage in enumerate(info)}
        return sorted(last.values())


def make_net(name: str, *, own_weights: bool = False) -> Any:
    """The network without classifier, its weights not yet the published ones. Raises `UnknownNameError`.

    With ``own_weights`` the part after the '.' may be anything: the file is the user's, and its images are made as those
    of the architecture's default weights.
    """
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise UnknownNameError("timm model", name, _near(name))
    if tag and name not in timm.list_pretrained(f"{architecture}.*"):
        if not own_weights:
            raise UnknownNameError("timm model", name, timm.list_pretrained(f"{architecture}.*"))
        name = architecture
    with torch.random.fork_rng(devices=[]):
        for extra in _ANY_SIZE[:-1]:
            try:
                return timm.create_model(name, pretrained=False, num_classes=0, **extra)
            except TypeError:  # this architecture has no such argument
                continue
        return timm.create_model(name, pretrained=False, num_classes=0)


def take_weights(net: Any, path: Path, what: str) -> None:
    """Fill ``net`` from a file, every tensor of it, leaving out the classifier alone.

    A file in its authors' own layout is first translated as timm does it. Raises `CheckpointError`.
    """
    classifier = net.pretrained_cfg.get("classifier") or ()
    heads = tuple(f"{head}." for head in ((classifier,) if isinstance(classifier, str) else classifier))
    tensors: Mapping[str, Tensor] = read_checkpoint(path).tensors
    needed = shapes_of(net)
    matching = match(tensors, needed, prefixes={"": ""}, ignore=lambda key: key.startswith(heads))
    translate = getattr(sys.modules[type(net).__module__], "checkpoint_filter_fn", None)
    if matching.complaint() is not None and translate is not None:
        try:
            translated = translate(dict(tensors), net)
        except (
            KeyError,
            RuntimeError,
            ValueError,
            AttributeError,
        ):  # not that layout either: the first complaint stands
            translated = tensors
        again = match(translated, needed, prefixes={"": ""}, ignore=lambda key: key.startswith(heads))
        if again.complaint() is None:
            tensors, matching = translated, again
    require(matching, tensors, path, what)
    fill(net, taken(tensors, matching, needed))


def hub_weights(net: Any, name: str) -> Path:
    """The published weights' file, from the hub or its cache. Raises `MissingCheckpointError`."""
    config = net.pretrained_cfg
    fix = f"put its weights at <checkpoints>/timm/{name}.safetensors"
    repo = config.get("hf_hub_id")
    if not repo:
        raise MissingCheckpointError(f"timm has no weights on the hub for {name}", fix=fix)
    own = config.get("hf_hub_filename")
    files = (own.replace("pytorch_model.bin", "model.safetensors"), own) if own else _MODEL_FILES
    return hub_file(str(repo), files, fix=fix)


def preprocess_of(net: Any, name: str) -> Preprocess:
    """What the model's configuration says of its evaluation images. Raises `UsageError` where it cannot be carried out."""
    config = timm.data.resolve_model_data_config(net)
    channels, height, width = config["input_size"]
    mode = _MODES.get(config["crop_mode"])
    if channels != 3 or height != width or mode is None or config["interpolation"] not in _INTERPOLATIONS:
        told = f"{channels} x {height} x {width}, {config['crop_mode']}, {config['interpolation']}"
        raise UsageError(f"timm/{name} wants images that medbench does not make ({told})")
    return Preprocess(
        resize=math.floor(height / config["crop_pct"]),
        mode=mode,  # type: ignore[arg-type]
        crop=height,
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation=config["interpolation"],
    )


def _width(net: Any, side: int, name: str) -> int:
    """The width of the pooled features, by looking: a few models pool wider than their configuration says."""
    with torch.inference_mode():
        features = net(torch.zeros(1, 3, side, side))
    if not isinstance(features, torch.Tensor) or features.ndim != 2:
        raise UsageError(f"timm/{name} gives no pooled feature vector, so it is no image encoder")
    return int(features.shape[1])


def _near(name: str) -> list[str]:
    """Names worth suggesting; all of timm's would fill the screen."""
    near = difflib.get_close_matches(name.partition(".")[0], timm.list_models(), n=5, cutoff=0.5)
    return near or ["those of timm.list_models()"]
