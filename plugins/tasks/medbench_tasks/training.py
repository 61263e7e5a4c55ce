"""Training a head over images through mmengine's Runner, and predicting with it: the floor of detection and segmentation.

`fit` validates, keeps the best weights, stops early, survives a kill at any moment and goes on from the last validation
as if nothing had happened; `predict` runs the trained model over a dataset. Everything is kept in the trial's ``work_dir``.

In a process group (`medbench.executors.ranks`) all processes call both, with the same data and the same model: each trains on
its share of every batch, validates and answers its share of the batches, and gets the results of all.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import torch
from mmengine.dist import is_distributed
from mmengine.runner import set_random_seed
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

from medbench_tasks.pyramid import FeatureItems, collate
from medbench_tasks.training_batches import DealtBatches, TrainingBatches
from medbench_tasks.training_hooks import Keeper, Reporter
from medbench_tasks.training_optimiser import optimiser_of, schedule_of
from medbench_tasks.training_runner import QuietRunner
from medbench_tasks.training_shares import SharedEvaluator, check_divides, gathered, in_order

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


def training_notes(report: FitReport, *, score: str = "best_validation_score", **more: float) -> dict[str, float]:
    """Numbers of a training for the record, those that are finite: its score by the name ``score``, and ``more``.

    The score has six decimals, so that what breaks ties between epochs is not told.
    """
    notes = {
        **more,
        "epochs": report.epochs,
        "best_epoch": report.best_epoch,
        score: round(report.best_score, 6),
        "train_seconds": report.seconds,
    }
    return {name: float(value) for name, value in notes.items() if math.isfinite(value)}


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
    save_seconds: float = SAVE_SECONDS,
) -> FitReport:
    """Train ``model`` as ``context.recipe`` (a `TrainingRecipe`) says; it then holds the weights of its best validation.

    ``model`` is an mmengine `BaseModel` whose ``data_preprocessor`` is a `MoveInputs`. The datasets give items of
    ``inputs`` and ``data_samples``; a ``set_epoch(int)`` on the training one is called before each epoch, for augmentation
    that is the same after a resumption. ``metric`` names its results with its prefix, and ``monitor`` is one of these
    names; a value that is not finite counts as no improvement. ``scope`` is ``mmdet`` or ``mmseg``. Training state is
    written at most every ``save_seconds``, so that is what a kill can cost.
    Raises `TrialError` where the loss stops being finite, `UsageError` for a precision that the device lacks or a batch that
    the processes cannot share, and `StoreError` where the disk does not take the training state.
    """
    recipe: TrainingRecipe = context.recipe  # type: ignore[assignment]
    check_divides(recipe.batch_size, len(train))  # type: ignore[arg-type]
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
            train_dataloader=_loader(train, TrainingBatches(train, recipe, context.seed), context.compute),  # type: ignore[arg-type]
            val_dataloader=_loader(valid, _dealt(valid, recipe), context.compute, keep_workers=True),
            train_cfg={
                "by_epoch": True,
                "max_epochs": recipe.epochs,
                "val_interval": recipe.validate_every,
                "val_begin": min(recipe.validate_from, recipe.epochs),
            },
            val_cfg={},
            val_evaluator=SharedEvaluator(metric, recipe.batch_size) if is_distributed() else [metric],
            optim_wrapper=optimiser_of(model, recipe, context.compute),
            param_scheduler=schedule_of(recipe) or None,
            default_hooks={"checkpoint": None},
            custom_hooks=[keeper, Reporter(context.progress, monitor=monitor, epochs=recipe.epochs, seed=context.seed)],
            default_scope=scope,
            launcher="pytorch" if is_distributed() else "none",
            randomness={"seed": context.seed},
            env_cfg={"cudnn_benchmark": False},
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
    batches = _dealt(dataset, recipe)
    loader = iter(_loader(dataset, batches, context.compute))
    context.progress.phase(phase, len(dataset))  # type: ignore[arg-type]
    index = 0
    for _ in range(batches.rounds):
        outputs = _answers(model, next(loader, None))
        if is_distributed():
            outputs = in_order(gathered(outputs), recipe.batch_size)
        for output in outputs:
            yield index, output
            index += 1
        context.progress.advance(len(outputs))


def _answers(model: nn.Module, batch: Any) -> list[Any]:
    """The model's answers to a batch; none where another process has the last one."""
    if batch is None:
        return []
    with torch.no_grad():
        return list(model.test_step(batch))  # type: ignore[operator]


def _dealt(dataset: Dataset[Any] | DenseSamples, recipe: TrainingRecipe) -> DealtBatches:
    return DealtBatches(dataset, recipe.batch_size)  # type: ignore[arg-type]


def _loader(
    dataset: Dataset[Any] | DenseSamples,
    batches: Sampler[list[int]],
    compute: Compute,
    *,
    keep_workers: bool = False,
) -> DataLoader[Any]:
    """``keep_workers`` is for what is the same in every epoch: workers learn an epoch's number when they start."""
    # No workers for features in memory: passing them between processes costs more than reading them.
    workers = 0 if isinstance(dataset, FeatureItems) else compute.workers
    if workers > 0:
        # By default each tensor on its way from a worker holds a file descriptor, and those run out with many workers.
        torch.multiprocessing.set_sharing_strategy("file_system")
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=collate,
        persistent_workers=keep_workers and workers > 0,
        pin_memory=torch.device(compute.device).type == "cuda",
    )
