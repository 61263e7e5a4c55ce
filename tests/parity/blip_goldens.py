"""Brain BLIP's goldens: checkpoints by the rule, written in the official container, and models read by the plugins' loaders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from weights import ATOL, RTOL, golden_arrays, golden_state_dict

from medbench.capabilities import LoadRequest
from medbench_methods import blip, brain_blip

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from medbench_methods.nets.blip_model import BlipModel
    from medbench_methods.nets.blip_net import BlipNet

METHODS = {
    "brain-blip-pretrain": (brain_blip, "pretrain"),
    "brain-blip-itm": (brain_blip, "retrieval"),
    "brain-blip-caption": (blip, "caption-coco"),
    "brain-blip-vqa": (blip, "vqa"),
}
"""Who reads each folder's file: the release's captioner and its model for questions are BLIP's own, byte for byte."""
STRIDE = 97
QUEUE_WIDTH = 8


def golden_blip_state(folder: Path, root: Path) -> dict[str, Tensor]:
    """The manifest's tensors but for the momentum copies, tied ones equal to the first of their names; queues are short."""
    manifest = json.loads((folder / "manifest.json").read_text())
    entries = {key: entry for key, entry in manifest["state_dict"].items() if "_m." not in key}
    queues = {key: [[*shape[:-1], QUEUE_WIDTH], dtype] for key, (shape, dtype) in entries.items() if "queue" in key}
    tied, scalars = manifest["tied"], manifest["scalars"]
    listed = root / f"{folder.name}.json"
    drawn = {key: entry for key, entry in entries.items() if key not in {*tied, *scalars, *queues}}
    listed.write_text(json.dumps({"state_dict": drawn}))
    state = golden_state_dict(listed)
    state |= {key: torch.tensor(value) for key, value in scalars.items()}
    state |= {key: torch.zeros(shape, dtype=getattr(torch, dtype)) for key, (shape, dtype) in queues.items()}
    return state | {key: state[first] for key, first in tied.items() if key in entries}


def load_blip_state(folder: str, state: Mapping[str, Tensor], root: Path) -> BlipModel:
    """The model of a golden folder on ``state``, by the plugin's own loader and the real vocabulary under ``root``."""
    module, variant = METHODS[folder]
    path = root / f"{folder}.pth"
    torch.save({"model": dict(state), "optimizer": {}, "config": {}, "epoch": 59}, path)
    model: BlipModel = module.load(LoadRequest(variant=variant, checkpoint=path, assets=root))
    path.unlink()
    return model


def assets_with_vocabulary(shared: Path, root: Path) -> Path:
    """``root`` with bert-base-uncased's real vocabulary in its place."""
    (root / "tokenizers").mkdir()
    (root / "tokenizers" / "bert-base-uncased").symlink_to(shared / "data" / "vocab" / "bert_base_uncased")
    return root


def vary(net: BlipNet, variant: int) -> None:
    """Make the decoder the golden's ``v3`` or ``v4`` (``variants`` in golden.json)."""
    with torch.no_grad():
        for name, parameter in net.text_decoder.named_parameters():
            if name.endswith("attention.output.dense.weight"):
                parameter.mul_(0.3)
        net.text_decoder.cls.predictions.bias[102] += variant


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
