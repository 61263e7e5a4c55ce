"""``medbench checkpoint inspect`` says of a file that it is known just where the method's loader takes it."""

from __future__ import annotations

import argparse
import sys
import types
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import torch

from medbench.capabilities import LoadRequest
from medbench.errors import CheckpointError
from medbench.inspection import choices_named, inspect
from medbench.loading import resolve
from medbench_methods import blip, imagenet, mgca
from medbench_methods.nets.blip_flavour import BLIP
from medbench_methods.nets.blip_phantom import official_layout as blip_layout
from medbench_methods.nets.families import MGCA
from medbench_methods.nets.family_phantom import official_layout as family_layout
from medbench_methods.nets.loading import shapes_of, tensor_shapes
from medbench_methods.nets.trunks import make_trunk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    State = dict[str, Tensor]

SPECS = {
    "imagenet": (imagenet.SPEC, "resnet50"),
    "mgca": (mgca.SPEC, "resnet50"),
    "blip": (blip.SPEC, "retrieval-coco"),
}


class Config:
    """Of a package that is not there where the file is read."""

    __module__, __qualname__ = "omegaconf", "Config"


def without_counters(state: State) -> State:
    return {key: one for key, one in state.items() if not key.endswith(".num_batches_tracked")}


FILES: dict[str, tuple[str, Callable[[State], Any], bool]] = {
    "an empty state_dict first": ("imagenet", lambda state: {"state_dict": {}, "model": state}, True),
    "bare beside a configuration": ("imagenet", lambda state: {**state, "model": {"width": 3}}, True),
    "under model_state": ("imagenet", lambda state: {"model_state": state, "epoch": 1}, True),
    "elsewhere": ("imagenet", lambda state: {"ema": state}, False),
    "the first of two": ("blip", lambda state: {"model": {"x": torch.ones(1)}, "state_dict": state}, True),
    "the second of two": ("blip", lambda state: {"model": state, "state_dict": {"x": torch.ones(1)}}, False),
    "beside a namespace": ("imagenet", lambda state: {"model": state, "args": argparse.Namespace(x=1)}, True),
    "beside a configuration": ("mgca", lambda state: {"state_dict": state, "hyper_parameters": Config()}, True),
    "of parallel training": ("mgca", lambda state: {f"module.{key}": one for key, one in state.items()}, True),
    "without counters": ("imagenet", without_counters, True),
    "sparse": ("imagenet", lambda state: state | {"bn1.weight": torch.ones(64).to_sparse()}, False),
    "without values": ("imagenet", lambda state: state | {"bn1.weight": torch.ones(64, device="meta")}, False),
    "whole numbers": ("imagenet", lambda state: state | {"bn1.weight": torch.ones(64, dtype=torch.int64)}, False),
}


@cache
def state_of(method: str) -> State:
    """The published tensors, each a view of one zero."""
    if method == "imagenet":
        shapes = shapes_of(make_trunk("resnet50").net)
    else:
        shapes = tensor_shapes(family_layout(MGCA, "resnet50") if method == "mgca" else blip_layout(BLIP, "retrieval"))
    return {
        key: torch.zeros((), dtype=torch.int64 if key.endswith(("tracked", "_ids", "ptr_queue")) else None).expand(
            shape
        )
        for key, shape in shapes.items()
    }


def is_known(method: str, path: Path) -> bool:
    try:
        return inspect(path, choices_named(*SPECS[method])).state == "known"
    except CheckpointError:
        return False


def is_loaded(method: str, path: Path) -> bool:
    spec, variant = SPECS[method]
    try:
        resolve(spec.loader, spec.id)(LoadRequest(variant=variant, checkpoint=path))
    except CheckpointError as error:
        assert str(path) in str(error)
        return False
    return True


@pytest.mark.parametrize("case", FILES)
def test_what_is_known_is_loaded_and_nothing_else(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method, content, good = FILES[case]
    path = tmp_path / "file.pth"
    with monkeypatch.context() as patch:
        package = types.ModuleType("omegaconf")
        package.Config = Config  # type: ignore[attr-defined]
        patch.setitem(sys.modules, "omegaconf", package)
        torch.save(content(state_of(method)), path)
    assert (is_known(method, path), is_loaded(method, path)) == (good, good)
