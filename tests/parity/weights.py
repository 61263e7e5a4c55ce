"""Deterministic weights, inputs and arrays of the goldens, by the rule in ``../shared/golden/README.md``.

A checkpoint is never shipped: it is made from its manifest, each tensor from a generator seeded by its own key.
"""

from __future__ import annotations

import json
import math
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

RTOL = 1e-4
ATOL = 1e-5
SENTENCES = (
    "No acute cardiopulmonary process.",
    "Small left pleural effusion with adjacent atelectasis.",
    "Right lower lobe pneumonia is worse.",
    "The heart size is normal and the lungs are clear.",
)


def golden_state_dict(manifest_path: Path) -> dict[str, Tensor]:
    """Every tensor of the manifest's state_dict, in its order, filled by the rule."""
    return _filled(_manifest(manifest_path)["state_dict"])


def head_state_dict(manifest_path: Path, head_name: str) -> dict[str, Tensor]:
    """A downstream module's tensors (``detector``, ``segmenter``, ``linear_*``) under the keys of its own state_dict.

    The encoder's tensors in it come from the method's file and are not refilled: they are left out.
    """
    head = _manifest(manifest_path)["downstream_heads"][head_name]
    encoder = ("model.backbone.", "model.encoder.", "model.encoder_2d.bert_model.")
    return _filled({key: entry for key, entry in head.items() if not key.startswith(encoder)})


def golden_images(size: int = 224) -> Tensor:
    """(2, 3, size, size) float32: the already normalised input."""
    values = np.random.RandomState(0).standard_normal((2, 3, size, size)).astype(np.float32) * np.float32(0.5)
    return torch.from_numpy(values)


def golden_sentences() -> list[str]:
    """The four sentences as they enter a method's own cleaning."""
    return list(SENTENCES)


def golden_arrays(folder: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a folder's ``golden.npz`` by name."""
    with np.load(folder / "golden.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def golden_text(folder: Path) -> dict[str, Any]:
    """The strings of a folder's ``golden.json``."""
    text: dict[str, Any] = json.loads((folder / "golden.json").read_text())["text"]
    return text


def write_lightning_checkpoint(
    path: Path, state_dict: Mapping[str, Tensor], hyper_parameters: Mapping[str, Any]
) -> Path:
    """Write a torch zip with the container keys of Lightning 1.5.10, and give its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    container = {
        "epoch": 1,
        "global_step": 1,
        "pytorch-lightning_version": "1.5.10",
        "state_dict": dict(state_dict),
        "callbacks": {},
        "optimizer_states": [],
        "lr_schedulers": [],
        "hparams_name": "kwargs",
        "hyper_parameters": dict(hyper_parameters),
    }
    torch.save(container, path)
    return path


def assert_golden(arrays: Mapping[str, NDArray[Any]], name: str, value: Tensor, corner: tuple[slice, ...] = ()) -> None:
    """``value`` equals the golden of that name: the whole array, or its mean, deviation and corner where kept so."""
    actual = value.detach().numpy()
    if name in arrays:
        np.testing.assert_allclose(actual, arrays[name], rtol=RTOL, atol=ATOL, err_msg=name)
        return
    kept = arrays[f"{name}__corner"]
    part = actual[corner] if corner else actual[_corner_of(actual.shape, kept.shape)].reshape(kept.shape)
    np.testing.assert_allclose(part, kept, rtol=RTOL, atol=ATOL, err_msg=f"{name}__corner")
    wide = actual.astype(np.float64)
    np.testing.assert_allclose(wide.mean(), arrays[f"{name}__mean"], rtol=RTOL, atol=ATOL, err_msg=f"{name}__mean")
    np.testing.assert_allclose(wide.std(), arrays[f"{name}__std"], rtol=RTOL, atol=ATOL, err_msg=f"{name}__std")


def _corner_of(full: tuple[int, ...], kept: tuple[int, ...]) -> tuple[slice, ...]:
    """The leading slice of ``full`` that has the shape ``kept``, a leading axis of length 1 having been dropped."""
    lengths = (1, *kept) if len(kept) == len(full) - 1 else kept
    return tuple(slice(0, length) for length in lengths)


def _manifest(path: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((path / "manifest.json" if path.is_dir() else path).read_text())
    return manifest


def _filled(entries: Mapping[str, tuple[list[int], str]]) -> dict[str, Tensor]:
    return {key: _tensor(key, tuple(shape), dtype) for key, (shape, dtype) in entries.items()}


def _tensor(key: str, shape: tuple[int, ...], dtype: str) -> Tensor:
    if dtype == "int64":
        return _as_constructed(key, shape)
    if not shape or "queue" in key:
        raise ValueError(f"{key}: scalars and queues are taken as constructed; this reader knows none")
    draw = np.random.RandomState(zlib.crc32(key.encode()) & 0xFFFFFFFF).standard_normal(shape)
    return torch.from_numpy(_scaled(key, draw).astype(np.float32))


def _scaled(key: str, draw: NDArray[Any]) -> NDArray[Any]:
    if key.endswith("running_var"):
        return 1 + 0.1 * np.abs(draw)
    if key.endswith("running_mean"):
        return 0.1 * draw
    if draw.ndim == 1:
        return 1 + 0.1 * draw if key.endswith("weight") else 0.02 * draw
    return np.divide(draw, math.sqrt(math.prod(draw.shape[1:])), out=draw)


def _as_constructed(key: str, shape: tuple[int, ...]) -> Tensor:
    if key.endswith("position_ids"):
        return torch.arange(shape[-1]).reshape(shape)
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    raise ValueError(f"{key}: no rule for this integer tensor")
