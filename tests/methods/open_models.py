"""Tiny models with drawn weights, written as their libraries write them, for the tests of the open families."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from medbench.capabilities import LoadRequest
from medbench.specs import MethodVariant


class Bomb:
    """An object whose unpickling leaves a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def write_bomb(path: Path, mark: Path) -> None:
    """A pickle in torch's legacy form that would touch ``mark``."""
    torch.save({"state_dict": Bomb(mark)}, path, pickle_module=pickle, _use_new_zipfile_serialization=False)


def request_of(variant: MethodVariant, checkpoints: Path, *, local: bool = True) -> LoadRequest:
    """What the runner would ask the loader for."""
    assert variant.checkpoint is not None
    path = checkpoints / variant.checkpoint.filename if local else None
    return LoadRequest(variant=variant.id, checkpoint=path, assets=checkpoints, name=variant.name)


def noise(count: int, side: int) -> torch.Tensor:
    """(count, 3, side, side) of the range that normalised images have."""
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(7)) * 2 - 1


@torch.inference_mode()
def check_stable(model: Any, images: torch.Tensor) -> None:
    """Eval mode; and each image's features depend neither on the batch's size nor on the order in it."""
    assert isinstance(model, nn.Module)
    assert not any(one.training for one in model.modules())
    together = model.encode_images(images)
    assert together.shape == (len(images), model.embed_dim)
    assert together.std() > 0
    alone = torch.cat([model.encode_images(image[None]) for image in images])
    turned = model.encode_images(images.flip(0)).flip(0)
    torch.testing.assert_close(alone, together, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(turned, together, atol=2e-5, rtol=1e-4)


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
