"""MOTOR's files of tiny nets, one at a time, and the models that its loader makes of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch

from medbench.capabilities import LoadRequest
from medbench_methods import motor
from medbench_methods.nets.blip_phantom import write_vocabulary
from medbench_methods.nets.motor_flavour import MOTOR
from medbench_methods.nets.motor_phantom import ANSWERS, drawn_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from medbench_methods.nets.motor_layouts import Layout

LAYOUTS: dict[str, Layout] = {
    "pretrain": "pretrain",
    "pretrain-knowledge": "pretrain",
    "retrieval": "retrieval",
    "retrieval-iu": "retrieval-iu",
    "generation-mimic": "generation-mimic",
    "generation-iu": "generation-iu",
    "diagnosis": "diagnosis",
    "vqa-rad": "vqa",
    "vqa-slake": "vqa",
}
CONTAINERS = {"vqa": "model_state", "diagnosis": "state_dict"}


def load_tiny(
    folder: Path, variant: str, layout: Layout | None = None, change: Callable[[dict[str, Tensor]], Any] | None = None
) -> Any:
    """``variant`` read from a file of ``layout`` (its own where None), whose tensors ``change`` may alter in place."""
    layout = layout or LAYOUTS[variant]
    state = drawn_state(layout, seed=5)
    if change is not None:
        change(state)
    path = folder / "motor" / f"{variant}-file.pth"  # each its own: a loaded model still reads its file
    path.parent.mkdir(parents=True, exist_ok=True)
    container = CONTAINERS.get(layout, "state_dict" if layout.startswith("generation") else "model")
    torch.save({container: state, "epoch": 3}, path)
    write_vocabulary(folder, MOTOR)
    return motor.load(LoadRequest(variant=variant, checkpoint=path, assets=folder))


def write_answers(folder: Path) -> None:
    """The lists of answers of both variants under the checkpoints root ``folder``."""
    for variant in ("vqa-rad", "vqa-slake"):
        place = folder / "motor" / variant
        place.mkdir(parents=True, exist_ok=True)
        for name, answers in zip(("close", "open"), ANSWERS, strict=True):
            (place / f"{name}_label2ans.json").write_text(json.dumps(answers))
