"""Training a head over images through mmengine's Runner, and predicting with it: the floor of detection and segmentation.

`fit` validates, keeps the best weights, stops early, survives a kill at any moment and goes on from the last validation
as if nothing had happened; `predict` runs the trained model over a dataset. Everything is kept in the trial's ``work_dir``.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import torch
from mmengine.dataset import DefaultSampler
from mmengine.dist import init_dist, is_distributed
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.runner import set_random_seed
from torch import nn
from torch.utils.data import DataLoader, Dataset

from medbench.errors import UsageError
from medbench_tasks.pyramid import FeatureItems, collate
from medbench_tasks.training_hooks import Keeper, Reporter
from medbench_tasks.training_runner import QuietRunner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mmengine.evaluator import BaseMetric

    from medbench.protocols import Compute, TrialContext
    from medbench_tasks.pyramid import DenseSamples
    from medbench_tasks.recipes import TrainingRecipe

SAVE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FitReport:
    """How a training went: epochs run in all, the epoch whose weights are kept, its validation score, and seconds spent now.

    ``epochs_now`` of the ``epochs`` were run in those ``seconds``, the others before a kill.
    ``best_score`` is NaN where no validation gave a finite number; the last epoch is then kept.
    """

    epochs: int
    best_epoch: int
    best_score: float
    seconds: float
    epochs_now: int = 0


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and torch's generators; call it before building a model, so that its heads start alike."""
    set_random_seed(seed)


def fit(
    model: nn.Module,
    *,
    train: Dataset[Any] | DenseSamples,
    valid: Dataset[Any] | DenseSamples,
    metric: BaseMetric,
    monitor: str,
    rule: Literal["greater", "less"],
    scope: str,
    context: TrialContext,
    launcher: str = "none",
    save_seconds: float = SAVE_SECONDS,
) -> FitReport:
    """Train ``model`` as ``context.recipe`` (a `TrainingRecipe`) says; it then holds the weights of its best validation.

    ``model`` is an mmengine `BaseModel` whose ``data_preprocessor`` is a `MoveInputs`. The datasets give items of
    ``inputs`` and ``data_samples``; a ``set_epoch(int)`` on the training one is called before each epoch, for augmentation
    that is the same after a resumption. ``metric`` names its results with its prefix, and ``monitor`` is one of these
    names; a value that is not finite counts as no improvement. ``scope`` is ``mmdet`` or ``mmseg``. Training state is
    written at most every ``save_seconds``, so that is what a kill can cost.
    Raises `TrialError` where the loss stops being finite, `UsageError` for a precision that the device lacks, and
    `StoreError` where the disk does not take the training state.
    """
    recipe: TrainingRecipe = context.recipe  # type: ignore[assignment]
    if launcher != "none" and not is_distributed():
        init_dist(launcher)
    started = time.monotonic()
    torch.backends.cudnn.deterministic = True  # else two runs of one seed on a GPU differ
    keeper = Keeper(
        context.work_dir,
        monitor=monitor,
        rule=rule,
        patience=recipe.patience,
        epochs=recipe.epochs,
        save_seconds=save_seconds,
    )
    epochs_before = keeper.state.epoch
    if not keeper.finished:
        runner = QuietRunner(
            device=torch.device(context.compute.device),
            model=model,
            work_dir=str(context.work_dir / "mmengine"),
            train_dataloader=_train_loader(train, recipe, context),
            val_dataloader=_eval_loader(valid, recipe.batch_size, context.compute),
            train_cfg={
                "by_epoch": True,
                "max_epochs": recipe.epochs,
                "val_interval": recipe.validate_every,
                "val_begin": min(recipe.validate_from, recipe.epochs),
            },
            val_cfg={},
            val_evaluator=[metric],
            optim_wrapper=_optimiser(model, recipe, context.compute),
            param_scheduler=_schedule(recipe) or None,
            default_hooks={"checkpoint": None},
            custom_hooks=[keeper, Reporter(context.progress, monitor=monitor, epochs=recipe.epochs, seed=context.seed)],
            default_scope=scope,
            launcher=launcher,
            randomness={"seed": context.seed},
            env_cfg={"cudnn_benchmark": False, "dist_cfg": {"backend": _backend(context.compute)}},
            experiment_name=f"medbench-{uuid4().hex}",
        )
        try:
            runner.train()
        finally:
            runner.forget()
    keeper.load_best(model)
    return FitReport(
        epochs=keeper.state.epoch,
        best_epoch=keeper.state.best_epoch,
        best_score=keeper.state.best_score,
        seconds=time.monotonic() - started,
        epochs_now=keeper.state.epoch - epochs_before,
    )


def predict(
    model: nn.Module, dataset: Dataset[Any] | DenseSamples, context: TrialContext, *, phase: str = "evaluate"
) -> Iterator[tuple[int, Any]]:
    """Yield (index, data sample with predictions) for every item of ``dataset``, in order, in eval mode without gradients."""
    recipe: TrainingRecipe = context.recipe  # type: ignore[assignment]
    model.to(context.compute.device).eval()
    loader = _eval_loader(dataset, recipe.batch_size, context.compute)
    context.progress.phase(phase, len(dataset))  # type: ignore[arg-type]
    index = 0
    for batch in loader:
        with torch.no_grad():
            outputs = model.test_step(batch)  # type: ignore[operator]
        for output in outputs:
            yield index, output
            index += 1
        context.progress.advance(len(outputs))


class _ScopedClipping:
    """Clips the gradients of all parameters, or of the encoder's groups alone."""

    def __init__(self, *, clip_scope: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._clip_scope = clip_scope

    def _clip_grad(self) -> None:
        if self._clip_scope == "all":
            super()._clip_grad()  # type: ignore[misc]
            return
        groups = [group["params"] for group in self.param_groups if group["encoder"]]  # type: ignore[attr-defined]
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


def _optimiser(model: nn.Module, recipe: TrainingRecipe, compute: Compute) -> OptimWrapper:
    settings: dict[str, Any] = {
        "optimizer": _bare_optimiser(parameter_groups(model, recipe), recipe),
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


def _bare_optimiser(groups: list[dict[str, Any]], recipe: TrainingRecipe) -> torch.optim.Optimizer:
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum)
    betas = (recipe.betas[0], recipe.betas[1])
    if recipe.optimiser == "adamax":
        return torch.optim.Adamax(groups, lr=recipe.lr, betas=betas)
    kind = torch.optim.AdamW if recipe.optimiser == "adamw" else torch.optim.Adam
    return kind(groups, lr=recipe.lr, betas=betas, amsgrad=recipe.amsgrad)


def _schedule(recipe: TrainingRecipe) -> list[dict[str, Any]]:
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


def _train_loader(
    dataset: Dataset[Any] | DenseSamples, recipe: TrainingRecipe, context: TrialContext
) -> DataLoader[Any]:
    size = len(dataset)  # type: ignore[arg-type]
    # BatchNorm cannot take a batch of one value per channel, so a last batch of a single sample is always left out.
    partial_goes = recipe.drop_last or size % recipe.batch_size == 1
    return _loader(
        dataset,
        recipe.batch_size,
        DefaultSampler(dataset, shuffle=True, seed=context.seed),
        context.compute,
        drop_last=partial_goes and size > recipe.batch_size,
    )


def _eval_loader(dataset: Dataset[Any] | DenseSamples, batch_size: int, compute: Compute) -> DataLoader[Any]:
    return _loader(dataset, batch_size, DefaultSampler(dataset, shuffle=False, round_up=False), compute)


def _loader(
    dataset: Dataset[Any] | DenseSamples,
    batch_size: int,
    sampler: DefaultSampler,
    compute: Compute,
    *,
    drop_last: bool = False,
) -> DataLoader[Any]:
    # No workers for features in memory: passing them between processes costs more than reading them.
    workers = 0 if isinstance(dataset, FeatureItems) else compute.workers
    if workers > 0:
        # By default each tensor on its way from a worker holds a file descriptor, and those run out with many workers.
        torch.multiprocessing.set_sharing_strategy("file_system")
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        drop_last=drop_last,
    )


def _backend(compute: Compute) -> str:
    return "nccl" if torch.device(compute.device).type == "cuda" else "gloo"
