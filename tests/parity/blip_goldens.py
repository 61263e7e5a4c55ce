"""Brain BLIP's goldens: checkpoints by the rule, written in the official container, and models read by the plugins' loaders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from vision_language_goldens import write
from weights import ATOL, RTOL, golden_arrays

from medbench.capabilities import LoadRequest
from medbench_methods import blip, brain_blip

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from medbench_methods.nets.blip_model import BlipModel

METHODS = {
    "brain-blip-pretrain": (brain_blip, "pretrain"),
    "brain-blip-itm": (brain_blip, "retrieval"),
    "brain-blip-caption": (blip, "caption-coco"),
    "brain-blip-vqa": (blip, "vqa"),
}
"""Who reads each folder's file: the release's captioner and its model for questions are BLIP's own, byte for byte."""
STRIDE = 97


def load_blip_state(folder: str, state: Mapping[str, Tensor], root: Path) -> BlipModel:
    """The model of a golden folder on ``state``, by the plugin's own loader and the real vocabulary under ``root``."""
    module, variant = METHODS[folder]
    path = root / f"{folder}.pth"
    write({"model": dict(state), "optimizer": {}, "config": {}, "epoch": 59}, path)
    model: BlipModel = module.load(LoadRequest(variant=variant, checkpoint=path, assets=root))
    path.unlink()
    return model


def assets_with_vocabulary(shared: Path, root: Path) -> Path:
    """``root`` with bert-base-uncased's real vocabulary in its place."""
    (root / "tokenizers").mkdir()
    (root / "tokenizers" / "bert-base-uncased").symlink_to(shared / "data" / "vocab" / "bert_base_uncased")
    return root


def kept_logits(logits: Tensor) -> Tensor:
    """The entries of the vocabulary that the goldens keep."""
    return logits[..., ::STRIDE]


class Checked:
    """A folder's arrays, and which of them were compared."""

    def __init__(self, folder: Path) -> None:
        self.arrays: Mapping[str, NDArray[Any]] = golden_arrays(folder)
        self.texts: Mapping[str, Any] = json.loads((folder / "golden.json").read_text())
        self.seen: set[str] = set()

    def close(self, name: str, value: Tensor) -> None:
        """``value`` equals the array of that name within the goldens' tolerance."""
        self.seen.add(name)
        np.testing.assert_allclose(value.detach().numpy(), self.arrays[name], rtol=RTOL, atol=ATOL, err_msg=name)

    def exact(self, name: str, value: Tensor) -> None:
        """``value`` is the array of that name."""
        self.seen.add(name)
        np.testing.assert_array_equal(value.numpy(), self.arrays[name], err_msg=name)

    def missed(self) -> set[str]:
        """Names that nothing compared."""
        return set(self.arrays) - self.seen
