"""Clipping by value and by scope, and the optimisers that published recipes name."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from torch import nn

from medbench.errors import UsageError
from medbench.protocols import Compute
from medbench_tasks.recipes import TrainingRecipe
from medbench_tasks.training_optimiser import optimiser_of


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(1, 1, bias=False)
        self.head = nn.Linear(1, 1, bias=False)


def step(**fields: Any) -> tuple[float, float]:
    """How far plain SGD at rate 1 moves the encoder and the head under a gradient of 5 on each."""
    net = Net()
    before = [weight.item() for weight in net.parameters()]
    wrapper = optimiser_of(net, TrainingRecipe(optimiser="sgd", momentum=0.0, lr=1.0, **fields), Compute())
    wrapper.update_params(5 * (net.encoder.weight + net.head.weight).sum())
    return tuple(old - new.item() for old, new in zip(before, net.parameters(), strict=True))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("scope", "moved"), [("all", (0.1, 0.1)), ("encoder", (0.1, 5.0))], ids=["all", "the encoder alone"]
)
def test_gradients_are_clipped_by_value(scope: Literal["all", "encoder"], moved: tuple[float, float]) -> None:
    assert step(clip_value=0.1, clip_scope=scope) == pytest.approx(moved, rel=1e-5)


def test_gradients_are_clipped_by_norm_within_the_encoder() -> None:
    assert step(clip_grad=2.0, clip_scope="encoder") == pytest.approx((2.0, 5.0), rel=1e-5)
    assert step() == pytest.approx((5.0, 5.0), rel=1e-5)


def test_a_recipe_clips_in_one_way() -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        TrainingRecipe(clip_grad=1.0, clip_value=0.1)


@pytest.mark.parametrize(
    ("fields", "kind", "amsgrad"),
    [
        ({"optimiser": "adamax"}, torch.optim.Adamax, None),
        ({"optimiser": "adam", "amsgrad": True}, torch.optim.Adam, True),
        ({"optimiser": "adamw"}, torch.optim.AdamW, False),
    ],
)
def test_optimisers_are_torchs_own(fields: dict[str, Any], kind: type, amsgrad: bool | None) -> None:
    optimiser = optimiser_of(Net(), TrainingRecipe(**fields), Compute()).optimizer
    assert type(optimiser) is kind
    assert optimiser.defaults.get("amsgrad") is amsgrad
