"""From a recipe to mmengine's optimiser and schedulers: groups of parameters, precision, clipping, warm-up."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import nn

from medbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medbench.protocols import Compute
    from medbench_tasks.recipes import TrainingRecipe


class _ScopedClipping:
    """Clips the gradients of all parameters, or of the encoder's groups alone."""

    def __init__(self, *, clip_scope: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._clip_scope = clip_scope

    def _clip_grad(self) -> None:
        if self._clip_scope == "all":
            super()._clip_grad()  # type: ignore[misc]
            return
        groups = [group["params"] for group in self.optimizer.param_groups if group["encoder"]]  # type: ignore[attr-defined]
        clipped = [one for params in groups for one in params if one.grad is not None]
        if clipped:
            self.clip_func(clipped, **self.clip_grad_kwargs)  # type: ignore[attr-defined]


class PlainOptimWrapper(_ScopedClipping, OptimWrapper):  # type: ignore[misc]
    """Single precision."""


class Float16OptimWrapper(_ScopedClipping, AmpOptimWrapper):  # type: ignore[misc]
    """float16 autocast with loss scaling, on a GPU."""


class AutocastOptimWrapper(_ScopedClipping, OptimWrapper):  # type: ignore[misc]
    """bfloat16 autocast on the device at hand, the CPU included; bfloat16 needs no loss scaling."""

    def __init__(self, *, device_type: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._device_type = device_type

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """The context in which mmengine computes the loss."""
        with super().optim_context(model), torch.autocast(self._device_type, dtype=torch.bfloat16):
            yield


def optimiser_of(model: nn.Module, recipe: TrainingRecipe, compute: Compute) -> OptimWrapper:
    """The optimiser in the asked precision. Raises `UsageError` for one that the device lacks."""
    settings: dict[str, Any] = {
        "optimizer": bare_optimiser(parameter_groups(model, recipe), recipe),
        "clip_grad": _clipping(recipe),
        "clip_scope": recipe.clip_scope,
    }
    device_type = torch.device(compute.device).type
    if compute.precision == "fp32":
        return PlainOptimWrapper(**settings)
    if compute.precision == "bf16":
        return AutocastOptimWrapper(device_type=device_type, **settings)
    if compute.precision == "fp16" and device_type == "cuda":
        return Float16OptimWrapper(dtype="float16", **settings)
    raise UsageError(f"precision '{compute.precision}' cannot train on {compute.device}", fix="use fp32 or bf16")


def _clipping(recipe: TrainingRecipe) -> dict[str, Any] | None:
    if recipe.clip_value is not None:
        return {"type": "value", "clip_value": recipe.clip_value}
    return None if recipe.clip_grad is None else {"max_norm": recipe.clip_grad}


def parameter_groups(model: nn.Module, recipe: TrainingRecipe) -> list[dict[str, Any]]:
    """The parameters that get gradients, in groups of one room, learning rate and decay each, empty ones left out.

    The encoder's are those with ``encoder`` as a part of their name, as in ``backbone.encoder.stem.weight``.
    """
    groups: dict[tuple[bool, float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            encoder = "encoder" in name.split(".")
            rate = recipe.lr * (recipe.encoder_lr if encoder else 1.0)
            decays = recipe.decay == "all" or parameter.ndim > 1
            groups.setdefault((encoder, rate, recipe.weight_decay if decays else 0.0), []).append(parameter)
    return [
        {"params": found, "lr": rate, "weight_decay": decay, "encoder": encoder}
        for (encoder, rate, decay), found in groups.items()
    ]


def bare_optimiser(groups: list[dict[str, Any]], recipe: TrainingRecipe) -> torch.optim.Optimizer:
    """torch's own optimiser over such groups."""
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum)
    betas = (recipe.betas[0], recipe.betas[1])
    if recipe.optimiser == "adamax":
        return torch.optim.Adamax(groups, lr=recipe.lr, betas=betas)
    kind = torch.optim.AdamW if recipe.optimiser == "adamw" else torch.optim.Adam
    return kind(groups, lr=recipe.lr, betas=betas, amsgrad=recipe.amsgrad)


def schedule_of(recipe: TrainingRecipe) -> list[dict[str, Any]]:
    """mmengine's schedulers, in order; none for a constant rate without warm-up."""
    if recipe.schedule_steps:
        return _schedule_in_steps(recipe)
    parts: list[dict[str, Any]] = []
    warmup = min(recipe.warmup_epochs, recipe.epochs - 1)
    common = {"by_epoch": True, "convert_to_iter_based": True}
    if warmup > 0:
        parts.append({"type": "LinearLR", "start_factor": 0.01, "begin": 0, "end": warmup, **common})
    if recipe.schedule == "cosine":
        parts.append(
            {"type": "CosineAnnealingLR", "begin": warmup, "end": recipe.epochs, "eta_min_ratio": 0.01, **common}
        )
    return parts


def _schedule_in_steps(recipe: TrainingRecipe) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    warmup, end = recipe.warmup_steps, recipe.schedule_steps
    if warmup > 0:
        parts.append({"type": "LinearLR", "start_factor": 0.01, "begin": 0, "end": warmup, "by_epoch": False})
    if recipe.schedule == "cosine":
        # mmengine leaves out the step at which a part ends, where the rate would be lowest
        whole = {"begin": warmup, "end": end + 1, "T_max": end - warmup, "by_epoch": False}
        parts.append({"type": "CosineAnnealingLR", "eta_min_ratio": 0.01, **whole})
    return parts
