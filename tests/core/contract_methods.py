"""Methods that break the contract, each in one way, for the tests of the checks."""

from __future__ import annotations

import contextlib
import itertools
import socket
from pathlib import Path

import torch
from torch import Tensor, nn

from medbench.capabilities import LoadRequest, Preprocess
from medbench.checkpoints import read_checkpoint
from medbench.errors import CheckpointError, MissingCheckpointError
from medbench.specs import CheckpointSource, MethodSpec, MethodVariant

PLAIN = Preprocess(resize=32, mode="squash", crop=32, mean=(0.5,) * 3, std=(0.5,) * 3)
FILE = "broken/weights.pt"
LOADS = itertools.count()


class Good(nn.Module):
    """A convolution and a normalisation: keeps the contract."""

    preprocess = PLAIN
    embed_dim = joint_dim = 8
    channels, strides = (8,), (8,)

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            self.trunk = nn.Sequential(nn.Conv2d(3, 8, 8, stride=8), nn.BatchNorm2d(8))

    def encode_pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        return (self.trunk(images),)

    def encode_images(self, images: Tensor) -> Tensor:
        return self.encode_pyramid(images)[0].mean((2, 3))

    def project_images(self, features: Tensor) -> Tensor:
        return features

    def encode_texts(self, texts: list[str]) -> Tensor:
        return torch.stack([torch.tensor([float(len(text) + one) for one in range(8)]) for text in texts])


class Dropout(Good):
    def encode_images(self, images: Tensor) -> Tensor:
        return nn.functional.dropout(super().encode_images(images), 0.5, training=True)


class DrawnAnew(Good):
    def __init__(self) -> None:
        super().__init__()
        nn.init.constant_(self.trunk[0].weight, 0.01 * next(LOADS) + 0.01)


class WrongWidth(Good):
    embed_dim = 9


class NotFinite(Good):
    def encode_images(self, images: Tensor) -> Tensor:
        return super().encode_images(images) / 0


class Double(Good):
    def encode_images(self, images: Tensor) -> Tensor:
        return super().encode_images(images).double()


class Constant(Good):
    def encode_images(self, images: Tensor) -> Tensor:
        return super().encode_images(images) * 0 + 1


class Batchwise(Good):
    def encode_images(self, images: Tensor) -> Tensor:
        features = super().encode_images(images)
        return features - features.mean(0, keepdim=True) / 2


class Raises(Good):
    def encode_images(self, images: Tensor) -> Tensor:
        return super().encode_images(images).squeeze().reshape(-1, 8)[[0, 1]]


class NoGradient(Good):
    @torch.no_grad()
    def encode_images(self, images: Tensor) -> Tensor:
        return super().encode_images(images)


class Switches(Good):
    def encode_images(self, images: Tensor) -> Tensor:
        self.trunk[1].train()
        found = super().encode_images(images)
        self.trunk[0].train()
        return found


class WrongStride(Good):
    strides = (16,)


class CoarseFirst(Good):
    channels, strides = (8, 8), (8, 4)


class BadPreprocess(Good):
    preprocess = Preprocess(resize=32, mode="squash", crop=32, mean=(0.5,) * 3, std=(0.5, 0.0, 0.5))


class NoEmptyText(Good):
    def encode_texts(self, texts: list[str]) -> Tensor:
        return torch.stack([torch.tensor([float(ord(text[0])) + one for one in range(8)]) for text in texts])


class Padded(Good):
    def encode_texts(self, texts: list[str]) -> Tensor:
        return super().encode_texts(texts) / max(len(text) + 1 for text in texts)


class Seeds(Good):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)


class Online(Good):
    def __init__(self) -> None:
        super().__init__()
        with contextlib.suppress(OSError):
            socket.create_connection(("weights.invalid", 443), timeout=1)


MODELS = {
    one.__name__.lower(): one
    for one in (
        Good,
        Dropout,
        DrawnAnew,
        WrongWidth,
        NotFinite,
        Double,
        Constant,
        Batchwise,
        Raises,
        NoGradient,
        Switches,
        WrongStride,
        CoarseFirst,
        BadPreprocess,
        NoEmptyText,
        Padded,
        Seeds,
        Online,
    )
}
CAPABILITIES = frozenset({"ImageEncoder", "DenseImageEncoder", "TextEncoder"})


def drawn(name: str) -> MethodSpec:
    """A method without weights of that model."""
    variant = MethodVariant(id=name, title=name, checkpoint=None, capabilities=CAPABILITIES)
    return _spec(variant, "load")


def weighted(loader: str) -> MethodSpec:
    """A method with a file, read by that loader."""
    source = CheckpointSource(filename=FILE)
    variant = MethodVariant(id="good", title="good", checkpoint=source, capabilities=frozenset({"ImageEncoder"}))
    return _spec(variant, loader)


def _spec(variant: MethodVariant, loader: str) -> MethodSpec:
    return MethodSpec(
        id="broken",
        title="Broken",
        summary="For tests.",
        variants=(variant,),
        loader=f"{__name__}:{loader}",
        licence="none",
        pretrained_on=(),
    )


def load(request: LoadRequest) -> nn.Module:
    return MODELS[request.variant]().eval()


def load_training(request: LoadRequest) -> nn.Module:
    return Good()


def load_careful(request: LoadRequest) -> nn.Module:
    """As a loader should."""
    if request.checkpoint is None:
        raise MissingCheckpointError("broken needs its file")
    model = Good()
    try:
        model.load_state_dict(read_checkpoint(request.checkpoint).tensors)
    except RuntimeError as error:
        raise CheckpointError("broken: another method's file") from error
    return model.eval()


def load_lenient(request: LoadRequest) -> nn.Module:
    if request.checkpoint is None:
        raise MissingCheckpointError("broken needs its file")
    model = Good()
    model.load_state_dict(read_checkpoint(request.checkpoint).tensors, strict=False)
    return model.eval()


def load_partly(request: LoadRequest) -> nn.Module:
    """Refuses a file of which nothing fits, and takes one of which half does."""
    if request.checkpoint is None:
        raise MissingCheckpointError("broken needs its file")
    tensors = read_checkpoint(request.checkpoint).tensors
    model = Good()
    if not tensors.keys() & model.state_dict().keys():
        raise CheckpointError("broken: another method's file")
    model.load_state_dict(tensors, strict=False)
    return model.eval()


def load_denying(request: LoadRequest) -> nn.Module:
    """Says of a file that it cannot read that there is none."""
    try:
        return load_careful(request)
    except CheckpointError as error:
        raise MissingCheckpointError("broken has no file") from error


def load_beside(request: LoadRequest) -> nn.Module:
    """Needs a file that lies beside the checkpoint."""
    if request.checkpoint is not None and not (request.checkpoint.parent / "sizes.json").is_file():
        raise MissingCheckpointError("broken: no sizes.json beside the checkpoint")
    return load_careful(request)


class NoVocabulary(Good):
    def encode_texts(self, texts: list[str]) -> Tensor:
        raise MissingCheckpointError("no vocabulary")


class ByHash(Good):
    def encode_texts(self, texts: list[str]) -> Tensor:
        return super().encode_texts(texts) + torch.tensor([[float(hash(text) % 97)] for text in texts])


def load_novocabulary(request: LoadRequest) -> nn.Module:
    load_careful(request)
    return NoVocabulary().eval()


def load_byhash(request: LoadRequest) -> nn.Module:
    return ByHash().eval()


def load_trusting(request: LoadRequest) -> nn.Module:
    model = Good()
    if request.checkpoint is not None:
        model.load_state_dict(torch.load(request.checkpoint, weights_only=False)["state_dict"])
    return model.eval()


def write_weights(checkpoints: Path) -> None:
    """The weights that the loaders above read."""
    write_phantom(checkpoints, 0)
    (checkpoints / FILE).with_name("sizes.json").write_text("{}")


def write_phantom(checkpoints: Path, seed: int) -> list[Path]:
    path = checkpoints / FILE
    path.parent.mkdir(parents=True)
    torch.save({"state_dict": Good().state_dict()}, path)
    return [path]


def write_phantom_online(checkpoints: Path, seed: int) -> list[Path]:
    with contextlib.suppress(OSError):
        socket.gethostbyname("drawn.invalid")
    torch.manual_seed(seed + 5)
    return write_phantom(checkpoints, seed)
