"""Four small pretrained image encoders: CIFAR-10 ResNets, and the auto-encoder and the MAML network of MEVF (MICCAI 2019).

Networks as in akamaster/pytorch_resnet_cifar10 (resnet.py) and yutian-zhao/MICCAI19-MedVQA (auto_encoder.py, simple_cnn.py).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from medbench.capabilities import LoadRequest, Preprocess
from medbench.checkpoints import read_checkpoint
from medbench.errors import CheckpointError
from medbench.hookspecs import hookimpl
from medbench.specs import CheckpointSource, MethodSpec, MethodVariant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn

FILES = {  # variant: its file, its title, the keys that are no part of the encoder
    "cifar-resnet20": ("cifar10_resnet20", "ResNet-20, CIFAR-10", ("linear.",)),
    "cifar-resnet32": ("cifar10_resnet32", "ResNet-32, CIFAR-10", ("linear.",)),
    "mevf-autoencoder": ("mevf_medical_autoencoder", "MEVF auto-encoder", ("tran_conv", "conv4.", "conv5.")),
    "mevf-maml": ("mevf_medical_maml_cnn", "MEVF MAML network", ()),
}
DENSE = frozenset(FILES) - {"mevf-maml"}  # whose maps divide their input
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
PLAIN = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))

SPEC = MethodSpec(
    id="small-encoders",
    title="Small encoders",
    summary="Real pretrained encoders of a few hundred kB: CIFAR-10 ResNets and MEVF's two.",
    variants=(
        *(
            MethodVariant(
                id=name,
                title=title,
                checkpoint=CheckpointSource(filename=f"small-encoders/{file}.safetensors"),
                capabilities=frozenset({"ImageEncoder", *({"DenseImageEncoder"} if name in DENSE else ())}),
            )
            for name, (file, title, _) in FILES.items()
        ),
        MethodVariant(
            id="random-resnet20",
            title="ResNet-20, untrained",
            checkpoint=None,
            capabilities=frozenset({"ImageEncoder", "DenseImageEncoder"}),
        ),
    ),
    loader="medbench_small_encoders:load",
    licence="BSD-2-Clause (ResNets), MIT (MEVF)",
    tags=("third-party",),
)


@hookimpl
def medbench_methods() -> Iterable[MethodSpec]:
    """The one method of this plugin."""
    return (SPEC,)


def load(request: LoadRequest) -> nn.Module:
    """The encoder in eval mode. Raises `CheckpointError` where the file is not that variant's."""
    import torch

    with torch.random.fork_rng(devices=[]):  # layers are drawn before they are filled
        torch.manual_seed(request.seed)
        return _loaded(request)


def _loaded(request: LoadRequest) -> nn.Module:
    if request.variant == "random-resnet20":
        return _encoder(_resnet(3), _squashed(64, *IMAGENET)).eval()
    if request.checkpoint is None:
        raise CheckpointError(f"small-encoders@{request.variant} needs its file", fix="see the README of this plugin")
    tensors = dict(read_checkpoint(request.checkpoint).tensors)
    if request.variant == "mevf-autoencoder":
        trunk, side, (mean, std) = _autoencoder(), 128, PLAIN
    elif request.variant == "mevf-maml":
        trunk, side, (mean, std) = _maml(), 84, PLAIN
        # Stored as height, width, in, out; the normalisation between the convolutions was never trained.
        kernels = {f"{key}.weight": one.permute(3, 2, 0, 1) for key, one in tensors.items() if one.ndim == 4}
        tensors = kernels | {f"conv{key[1:]}.bias": one for key, one in tensors.items() if one.ndim == 1}
    else:
        trunk, side, (mean, std) = _resnet(int(request.variant.removeprefix("cifar-resnet")) // 6), 64, IMAGENET
        tensors = {key: one.reshape(()) if "num_batches" in key else one for key, one in tensors.items()}
    needed = {key: one for key, one in tensors.items() if not key.startswith(FILES[request.variant][2])}
    try:
        trunk.load_state_dict(needed)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:120]
        raise CheckpointError(f"{request.checkpoint} is not {request.variant}'s: {reason}") from error
    return _encoder(trunk, _squashed(side, mean, std)).eval()


def _squashed(side: int, mean: tuple[float, float, float], std: tuple[float, float, float]) -> Preprocess:
    return Preprocess(resize=side, mode="squash", crop=side, mean=mean, std=std, interpolation="bilinear")


def _encoder(trunk: nn.Module, images_as: Preprocess) -> nn.Module:
    from torch import nn

    colours = next(trunk.parameters()).shape[1]
    widths = [one.out_channels for one in trunk.modules() if isinstance(one, nn.Conv2d)]

    class SmallEncoder(nn.Module):
        """`ImageEncoder`: 64 features, the maps averaged, the auto-encoder's 16 over 2 x 2. `DenseImageEncoder`: the maps."""

        embed_dim, preprocess = 64, images_as
        channels, strides = (widths[-1],), (4,)

        def __init__(self) -> None:
            super().__init__()
            self.trunk = trunk

        def encode_pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
            """(B, 3, H, W) -> one map (B, C, H / 4, W / 4). Networks for grey images are given the mean of the channels."""
            return (self.trunk(images if colours == 3 else images.mean(dim=1, keepdim=True)),)

        def encode_images(self, images: Tensor) -> Tensor:
            """(B, 3, H, W) -> (B, 64)."""
            (maps,) = self.encode_pyramid(images)
            features: Tensor = nn.functional.adaptive_avg_pool2d(maps, 2 if maps.shape[1] == 16 else 1).flatten(1)
            return features

    return SmallEncoder()


def _resnet(blocks: int) -> nn.Module:
    from torch import nn
    from torch.nn.functional import pad, relu

    class Block(nn.Module):
        def __init__(self, width_in: int, width: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(width_in, width, 3, stride=width // width_in, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)

        def forward(self, x: Tensor) -> Tensor:
            deep = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
            if deep.shape != x.shape:  # option A of the paper: every other pixel, new channels of zeros on both sides
                x = pad(x[:, :, ::2, ::2], (0, 0, 0, 0, x.shape[1] // 2, x.shape[1] // 2))
            return relu(deep + x)

    parts: dict[str, Any] = {"conv1": nn.Conv2d(3, 16, 3, padding=1, bias=False), "bn1": nn.BatchNorm2d(16)}
    parts["relu"] = nn.ReLU()
    for index, (width_in, width) in enumerate(((16, 16), (16, 32), (32, 64)), 1):
        parts[f"layer{index}"] = nn.Sequential(*(Block(width if one else width_in, width) for one in range(blocks)))
    return _sequence(parts)


def _autoencoder() -> nn.Module:
    from torch import nn

    conv1, conv2, conv3 = (nn.Conv2d(*widths, 3, padding=1) for widths in ((1, 64), (64, 32), (32, 16)))
    parts = {"conv1": conv1, "relu1": nn.ReLU(), "pool1": nn.MaxPool2d(2), "conv2": conv2, "relu2": nn.ReLU()}
    return _sequence(parts | {"pool2": nn.MaxPool2d(2), "conv3": conv3, "relu3": nn.ReLU()})


def _maml() -> nn.Module:
    from torch import nn

    parts: dict[str, nn.Module] = {}
    for n in range(1, 5):
        parts |= {f"conv{n}": nn.Conv2d(64 if n > 1 else 1, 64, 3, stride=2, padding=1), f"relu{n}": nn.ReLU()}
    return _sequence(parts)


def _sequence(parts: dict[str, Any]) -> nn.Module:
    import torch

    return torch.nn.Sequential(OrderedDict(parts))
