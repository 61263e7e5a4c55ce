"""A method's feature maps as a backbone for mmdet and mmseg: frozen or not, encoded once where that is possible."""

from __future__ import annotations

import math
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from mmengine.model import BaseDataPreprocessor
from mmengine.structures import BaseDataElement
from timm.layers import LayerNorm2d
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from medbench.batch_size import BatchSize
from medbench.errors import TrialError
from medbench.preprocessing import normalised
from medbench_tasks.pixels import preprocess_of
from medbench_tasks.precision import DTYPES, autocast_on

if TYPE_CHECKING:
    from medbench.capabilities import DenseImageEncoder, Preprocess
    from medbench.protocols import TrialContext
    from medbench_tasks.recipes import TrainingRecipe

FEATURE_BUDGET = 4 * 2**30
_ROWS = 32


class DenseSamples(Protocol):
    """Images with their targets, as the datasets of detection and segmentation give them.

    ``self[i]`` is ``{"inputs": image, "data_samples": target}``, augmented where the recipe augments. `image` and `target`
    are never augmented, and `target` decodes no image.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> dict[str, Any]: ...

    def image(self, index: int) -> Tensor:
        """(S, S) uint8, which `MoveInputs` normalises, or (3, S, S) float32, normalised."""
        ...

    def target(self, index: int) -> BaseDataElement:
        """The truth of that sample, as mmdet's or mmseg's data element."""
        ...


class MethodPyramid(nn.Module):
    """The maps of an encoder at the wanted strides, as a backbone.

    ``encoder`` has the `DenseImageEncoder` capability. ``strides`` chooses maps; None takes all. An encoder that lacks a
    wanted stride gives a single map, the last of the stride nearest to the middle one (see `SimpleFeaturePyramid`).
    ``channels`` and ``strides`` then describe the maps given. Called with (B, 3, H, W) images, or with maps that were
    encoded before, which pass through.

    A frozen encoder gets no gradient; with ``batchnorm="frozen"`` it also stays in eval mode. What cannot change is kept
    out of the state_dict: checkpoints hold the trained part alone. ``precision`` is the encoder's when it is frozen, and
    ``preprocess`` says how its images are normalised, as the encoder asks unless given.
    It has no ``init_weights``, so that mmengine leaves the pretrained weights alone.
    """

    def __init__(
        self,
        encoder: DenseImageEncoder,
        *,
        strides: tuple[int, ...] | None = None,
        freeze: bool = True,
        batchnorm: Literal["frozen", "batch"] = "frozen",
        precision: str = "fp32",
        preprocess: Preprocess | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(encoder, nn.Module):
            raise TrialError("a method with feature maps must be a torch.nn.Module to be trained on")
        self.encoder: Any = encoder
        own: Preprocess | None = getattr(encoder, "preprocess", None)  # only pixels need it
        self.preprocess = own if preprocess is None else preprocess
        self._chosen = _choose(encoder.strides, strides)
        self.channels = tuple(encoder.channels[index] for index in self._chosen)
        self.strides = tuple(encoder.strides[index] for index in self._chosen)
        self._freeze = freeze
        self._constant = freeze and batchnorm == "frozen"
        self._precision = precision if freeze else "fp32"
        encoder.requires_grad_(not freeze)
        self.register_state_dict_post_hook(_drop_constant)
        self.register_load_state_dict_pre_hook(_restore_constant)
        self.train(self.training)

    @classmethod
    def from_context(cls, context: TrialContext, strides: tuple[int, ...] | None = None) -> MethodPyramid:
        """The pyramid of the trial's model, as its recipe says; a model that training would change is copied first."""
        recipe: TrainingRecipe = context.recipe  # type: ignore[assignment]
        constant = recipe.freeze_encoder and recipe.batchnorm == "frozen"
        return cls(
            context.model if constant else deepcopy(context.model),
            strides=strides,
            freeze=recipe.freeze_encoder,
            batchnorm=recipe.batchnorm,
            precision=context.compute.precision,
            preprocess=preprocess_of(recipe, context.model.preprocess),
        )

    def forward(self, inputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """(B, 3, H, W) images, or maps -> maps (B, channels[i], H / strides[i], W / strides[i]), float32 if frozen."""
        if isinstance(inputs, tuple):
            return inputs
        if not self._freeze:
            maps = self.encoder.encode_pyramid(inputs)
            return tuple(maps[index] for index in self._chosen)
        with torch.no_grad(), autocast_on(inputs.device.type, self._precision):
            maps = self.encoder.encode_pyramid(inputs)
        return tuple(maps[index].float() for index in self._chosen)

    def train(self, mode: bool = True) -> MethodPyramid:
        """As `nn.Module.train`, but an encoder that is to stay constant is left in eval mode."""
        super().train(mode)
        if self._constant:
            self.encoder.eval()
        return self

    def changing(self) -> set[str]:
        """Names of the encoder's tensors that training may change, and that a checkpoint must therefore hold."""
        if self._constant:
            return set()
        if self._freeze:
            return {name for name, _ in self.encoder.named_buffers()}
        return set(self.encoder.state_dict())


class SimpleFeaturePyramid(nn.Module):
    """Three maps at half, once and twice the stride of a plain ViT's single map, as a trained neck.

    Li et al. 2022, "Exploring plain vision transformer backbones for object detection" (ViTDet), section 3: each scale is
    made from the last map alone, by a 2x2 deconvolution of stride 2, the identity and a 2x2 max-pooling, followed by a
    1x1 and a 3x3 convolution, each with LayerNorm over channels.
    """

    def __init__(self, in_channels: int, out_channels: int = 256) -> None:
        super().__init__()
        half = in_channels // 2
        self.finer = nn.Sequential(
            nn.ConvTranspose2d(in_channels, half, kernel_size=2, stride=2), *_project(half, out_channels)
        )
        self.same = nn.Sequential(*_project(in_channels, out_channels))
        self.coarser = nn.Sequential(nn.MaxPool2d(2), *_project(in_channels, out_channels))

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """One map (B, C, h, w) in a tuple -> maps of 2h, h and h / 2, each of ``out_channels``, finest first."""
        (single,) = maps
        return self.finer(single), self.same(single), self.coarser(single)


def collate(items: list[dict[str, Any]]) -> dict[str, Any]:
    """Items -> their inputs stacked, images or each scale of encoded maps, and the list of their data samples.

    Stacked where they are read, since every tensor that comes from a worker costs a shared memory file.
    """
    inputs = [item["inputs"] for item in items]
    first = inputs[0]
    stacked = (
        torch.stack(inputs)
        if isinstance(first, Tensor)
        else tuple(torch.stack(maps) for maps in zip(*inputs, strict=True))
    )
    return {"inputs": stacked, "data_samples": [item["data_samples"] for item in items]}


def images_of(inputs: Tensor, preprocess: Preprocess | None) -> Tensor:
    """(B, S, S) uint8 -> (B, 3, S, S) float32, normalised where they are; what is float32 already stays as it is."""
    return inputs if inputs.is_floating_point() or preprocess is None else normalised(inputs, preprocess)


class MoveInputs(BaseDataPreprocessor):
    """A batch of `collate` -> the same on the model's device, where pixels are normalised as ``preprocess`` says."""

    def __init__(self, preprocess: Preprocess | None = None) -> None:
        super().__init__()
        self._preprocess = preprocess

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """``inputs`` are those of `images_of`, or a tuple of (B, C, h, w) that becomes float32; ``data_samples`` move along."""
        inputs: Tensor | tuple[Tensor, ...] = data["inputs"]
        if isinstance(inputs, Tensor):
            inputs = images_of(inputs.to(self.device, non_blocking=True), self._preprocess)
        else:
            inputs = tuple(maps.to(self.device, non_blocking=True).float() for maps in inputs)
        samples = [sample.to(self.device, non_blocking=True) for sample in data["data_samples"]]
        return {"inputs": inputs, "data_samples": samples}


class FeatureItems(Dataset):  # type: ignore[type-arg]
    """Samples whose images were encoded already: ``self[i]`` has the maps in place of the image."""

    def __init__(self, samples: DenseSamples, maps: tuple[Tensor, ...]) -> None:
        self._samples = samples
        self._maps = maps

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {
            "inputs": tuple(one[index] for one in self._maps),
            "data_samples": self._samples.target(index),
        }


def encode_features(
    pyramid: MethodPyramid, samples: DenseSamples, context: TrialContext, *, budget: int = FEATURE_BUDGET
) -> DenseSamples | FeatureItems:
    """The samples with their features computed now, once; the samples as they are where that cannot be done.

    It cannot where the recipe lets features change (a trained encoder, batch statistics, augmentation), or where they would
    take more than ``budget`` bytes of memory. Features are kept in the precision in which they are computed. A batch that does
    not fit into the device's memory is done again in halves. Every process of a group keeps all features, since any may get any
    image. Raises `TrialError` where a single image does not fit.
    """
    recipe: TrainingRecipe = context.recipe  # type: ignore[assignment]
    size = samples.image(0).shape[-1] if len(samples) else 0
    dtype = DTYPES[context.compute.precision]
    per_sample = sum(c * (size // s) ** 2 for c, s in zip(pyramid.channels, pyramid.strides, strict=True))
    if not len(samples) or not recipe.encoder_is_constant or len(samples) * per_sample * dtype.itemsize > budget:
        return samples

    pyramid.to(context.compute.device).eval()
    on_gpu = context.compute.device == "cuda"
    loader = DataLoader(_Images(samples), batch_size=_ROWS, num_workers=context.compute.workers, pin_memory=on_gpu)
    rows = BatchSize(_ROWS, context.features.identity.label)
    context.progress.phase("encode", len(samples))
    store: tuple[Tensor, ...] = ()
    start = 0
    with torch.no_grad():
        for images in loader:
            moved = images.to(context.compute.device, non_blocking=True)
            for maps in rows.pieces(partial(_maps_of, pyramid, moved), len(images)):
                store = store or tuple(torch.empty((len(samples), *one.shape[1:]), dtype=dtype) for one in maps)
                for kept, one in zip(store, maps, strict=True):
                    kept[start : start + len(one)] = one.to("cpu", dtype)
                start += len(maps[0])
            context.progress.advance(len(images))
    return FeatureItems(samples, store)


def _maps_of(pyramid: MethodPyramid, images: Tensor, start: int, stop: int) -> tuple[Tensor, ...]:
    maps: tuple[Tensor, ...] = pyramid(images_of(images[start:stop], pyramid.preprocess))
    return maps


class _Images(Dataset):  # type: ignore[type-arg]
    def __init__(self, samples: DenseSamples) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Tensor:
        return self._samples.image(index)


def _choose(has: tuple[int, ...], wanted: tuple[int, ...] | None) -> tuple[int, ...]:
    if wanted is None:
        return tuple(range(len(has)))
    if set(wanted) <= set(has):
        return tuple(has.index(stride) for stride in wanted)
    middle = wanted[len(wanted) // 2]
    nearest = min(has, key=lambda stride: abs(math.log(stride / middle)))
    return (len(has) - 1 - has[::-1].index(nearest),)


def _project(in_channels: int, out_channels: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False),
        LayerNorm2d(out_channels),
        nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
        LayerNorm2d(out_channels),
    )


def _drop_constant(module: nn.Module, state: dict[str, Any], prefix: str, _metadata: Any) -> None:
    keep = {f"{prefix}encoder.{name}" for name in module.changing()}  # type: ignore[operator]
    for key in [key for key in state if key.startswith(f"{prefix}encoder.") and key not in keep]:
        del state[key]


def _restore_constant(module: nn.Module, state: dict[str, Any], prefix: str, *_others: Any) -> None:
    """So that a strict load succeeds: what a checkpoint leaves out is what the encoder already holds."""
    for name, tensor in module.encoder.state_dict().items():  # type: ignore[union-attr]
        if name not in module.changing():  # type: ignore[operator]
            state.setdefault(f"{prefix}encoder.{name}", tensor)
