"""Hooks of a training: the best and the last state, early stopping, a seed for each epoch, progress."""

from __future__ import annotations

import math
import pickle
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from mmengine.dist import all_reduce, get_rank, is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import set_random_seed

from medbench.errors import TrialError
from medbench.files import write_atomically
from medbench_tasks.training_shares import broadcast_buffers

if TYPE_CHECKING:
    from pathlib import Path

    from mmengine.runner import Runner
    from torch import nn

    from medbench.protocols import PhaseReporter

_PRIME = 7919
_RANK_PRIME = 104_729


@dataclass(frozen=True, slots=True)
class TrainingState:
    """How far a training is: epochs and iterations done, the best validation, and whether patience ran out."""

    epoch: int = 0
    iter: int = 0
    best_epoch: int = 0
    best_score: float = math.nan
    stopped: bool = False


class Keeper(Hook):  # type: ignore[misc]
    """Keeps the best weights, stops early, and writes ``training.pth`` in ``folder``, from which it resumes.

    mmengine's own hooks save before the validation of an epoch and forget how long there was no improvement, so that a
    resumed run would differ from one that was never killed; here the state after a validation is the unit. It is one
    file, which appears whole or not at all, is written at most every ``save_seconds`` and at the end, and is read with the
    weights-only unpickler. A disk that does not take it raises `StoreError`. Of several processes the first one writes, and
    all read.
    """

    priority = "VERY_LOW"

    def __init__(
        self, folder: Path, *, monitor: str, rule: str, patience: int, epochs: int, save_seconds: float
    ) -> None:
        self._path = folder / "training.pth"
        self._monitor = monitor
        self._sign = 1.0 if rule == "greater" else -1.0
        self._patience = patience
        self._epochs = epochs
        self._save_seconds = save_seconds
        self._saved_at = time.monotonic()
        self._content = _read(self._path) or {}
        self._best: dict[str, torch.Tensor] = self._content.get("best", {})
        self.state = TrainingState(**self._content.get("state", {}))

    @property
    def finished(self) -> bool:
        """Whether the training came to its end, now or before."""
        return self.state.stopped or self.state.epoch >= self._epochs

    def load_best(self, model: nn.Module) -> None:
        """Put the best weights into ``model``. Raises `TrialError` where no validation took place."""
        if not self._best:
            raise TrialError("the training ended without a validation", fix="raise the recipe's epochs above 0")
        model.load_state_dict(self._best)

    def before_train(self, runner: Runner) -> None:
        """Go on where the file stands."""
        if "model" not in self._content:
            return
        _bare(runner.model).load_state_dict(self._content["model"])
        runner.optim_wrapper.load_state_dict(self._content["optimiser"])
        for scheduler, state in zip(runner.param_schedulers or [], self._content["schedulers"], strict=True):
            scheduler.load_state_dict(state)
        runner.train_loop._epoch = self.state.epoch
        runner.train_loop._iter = self.state.iter
        self._content = {}

    def before_val_epoch(self, runner: Runner) -> None:
        """Let all processes validate the same model."""
        broadcast_buffers(runner.model.buffers())

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Compare, stop if patience ran out, and save if it is time."""
        if metrics is None or self._monitor not in metrics:
            raise TrialError(
                f"validation did not report '{self._monitor}', got: {', '.join(metrics or {}) or 'nothing'}"
            )
        score, old = float(metrics[self._monitor]), self.state
        better = math.isfinite(score) and not self._sign * score <= self._sign * old.best_score
        if better or not math.isfinite(old.best_score):
            self._best = {name: tensor.cpu().clone() for name, tensor in _bare(runner.model).state_dict().items()}
            best_epoch = runner.epoch
        else:
            best_epoch = old.best_epoch
        self.state = TrainingState(
            epoch=runner.epoch,
            iter=runner.iter,
            best_epoch=best_epoch,
            best_score=score if better else old.best_score,
            stopped=runner.epoch - best_epoch >= self._patience,
        )
        runner.train_loop.stop_training = self.state.stopped
        due = self.finished or time.monotonic() - self._saved_at >= self._save_seconds
        if due and is_main_process():
            self._save(runner)

    def _save(self, runner: Runner) -> None:
        content: dict[str, Any] = {"best": self._best, "state": asdict(self.state)}
        if not self.finished:
            content |= {
                "model": _bare(runner.model).state_dict(),
                "optimiser": runner.optim_wrapper.state_dict(),
                "schedulers": [scheduler.state_dict() for scheduler in runner.param_schedulers or []],
            }

        def write(partial: Path) -> None:
            with partial.open("wb") as file:
                try:
                    torch.save(content, file)
                except RuntimeError as error:  # what torch makes of a failed write
                    raise OSError(str(error).splitlines()[0]) from error

        write_atomically(self._path, write)
        self._saved_at = time.monotonic()


class Reporter(Hook):  # type: ignore[misc]
    """Tells progress by epochs, seeds each epoch by its number, and fails a training whose loss is no number."""

    priority = "LOW"

    def __init__(self, progress: PhaseReporter, *, monitor: str, epochs: int, seed: int) -> None:
        self._progress = progress
        self._monitor = monitor
        self._epochs = epochs
        self._seed = seed
        self._losses: list[torch.Tensor] = []
        self._score: float | None = None
        self._told = 0

    def before_train(self, runner: Runner) -> None:
        """Enter the phase; the `Keeper` has not yet resumed, so that epochs done are told at the first epoch."""
        self._progress.phase("train", self._epochs)

    def before_train_epoch(self, runner: Runner) -> None:
        """Make an epoch's randomness depend on its number alone, whatever ran before it in this process.

        Of several processes each draws its own, so that dropout does not repeat itself over the shares of a batch.
        """
        if runner.epoch > self._told:
            self._progress.advance(runner.epoch - self._told)
        self._told = runner.epoch + 1
        set_random_seed((self._seed + _PRIME * (runner.epoch + 1) + _RANK_PRIME * get_rank()) % 2**32)
        set_epoch = getattr(runner.train_dataloader.dataset, "set_epoch", None)
        if set_epoch is not None:
            set_epoch(runner.epoch)
        self._losses = []

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Note the loss; it is read at the epoch's end, so that a GPU is not waited for."""
        if outputs is not None:
            self._losses.append(outputs["loss"].detach())

    def after_train_epoch(self, runner: Runner) -> None:
        """Tell the epoch's mean loss beside the last validation."""
        mean = torch.stack(self._losses).mean() if self._losses else torch.tensor(math.nan)
        all_reduce(mean, "mean")  # all processes fail together; alone it does nothing
        loss = float(mean)
        if not math.isfinite(loss):
            raise TrialError(f"the loss is {loss} in epoch {runner.epoch + 1}", fix="lower the recipe's lr")
        score = "" if self._score is None else f" {self._monitor} {self._score:.3f}"
        self._progress.advance(1, note=f"loss {loss:.4f}{score}")

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Remember the score to show."""
        self._score = (metrics or {}).get(self._monitor)


def _bare(model: nn.Module) -> nn.Module:
    inner: nn.Module = model.module if is_model_wrapper(model) else model  # type: ignore[assignment]
    return inner


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise TrialError(f"the training state {path.name} is damaged", fix="remove the trial's work folder") from error
    return content
