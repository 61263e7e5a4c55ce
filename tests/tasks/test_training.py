"""Training through mmengine: it learns, repeats, survives a kill, stops early, and leaves the process as it found it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from dense_toys import TinyEncoder, blob_manifest, toy_context
from mmengine.evaluator import BaseMetric
from mmengine.logging import MessageHub, MMLogger
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmengine.structures import BaseDataElement
from mmengine.visualization import Visualizer
from torch import nn

from medbench.errors import TrialError, UsageError
from medbench_tasks.pyramid import MethodPyramid, MoveInputs
from medbench_tasks.recipes import TrainingRecipe
from medbench_tasks.training import FitReport, fit, predict, seed_everything

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class Brightness:
    """Noise images and their mean brightness; remembers the order in which it was asked and the epochs it was told."""

    def __init__(self, count: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.images = torch.randn(count, 3, 64, 64, generator=generator) + torch.randn(
            count, 1, 1, 1, generator=generator
        )
        self.asked: list[int] = []
        self.epochs: list[int] = []

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        self.asked.append(index)
        return {
            "inputs": self.images[index],
            "data_samples": BaseDataElement(truth=self.images[index].mean()),
        }

    def set_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)


class Regressor(BaseModel):
    """A linear layer on the pooled maps, with dropout, so that the random state matters."""

    def __init__(self, pyramid: MethodPyramid) -> None:
        super().__init__(data_preprocessor=MoveInputs())
        self.backbone = pyramid
        self.drop = nn.Dropout(0.2)
        self.norm = nn.BatchNorm1d(pyramid.channels[-1])
        self.head = nn.Linear(pyramid.channels[-1], 1)
        self.devices: set[str] = set()

    def forward(self, inputs: Any, data_samples: Sequence[Any] = (), mode: str = "tensor") -> Any:
        maps = self.backbone(inputs)
        self.devices.add(maps[0].device.type)
        answer = self.head(self.drop(self.norm(maps[-1].mean((2, 3)))))[:, 0]
        if mode == "loss":
            return {"loss": (answer - torch.stack([sample.truth for sample in data_samples])).square().mean()}
        for sample, value in zip(data_samples, answer, strict=True):
            sample.answer = value
        return list(data_samples)


class SquaredError(BaseMetric):
    """Mean squared error; ``on_epoch`` is called with the number of validations so far and may replace the score."""

    def __init__(self, on_epoch: Callable[[int], float | None] = lambda _: None) -> None:
        super().__init__(prefix="valid")
        self.validations = 0
        self._on_epoch = on_epoch

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        self.results += [float((sample["answer"] - sample["truth"]) ** 2) for sample in data_samples]

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        self.validations += 1
        replaced = self._on_epoch(self.validations)
        return {"mse": sum(results) / len(results) if replaced is None else replaced}


class KilledError(RuntimeError):
    """Stands for a kill in the middle of a training."""


def run_fit(
    folder: Path,
    *,
    metric: SquaredError | None = None,
    train: Brightness | None = None,
    seed: int = 3,
    device: str = "cpu",
    precision: str = "fp32",
    **recipe: Any,
) -> tuple[FitReport, Regressor, Any]:
    settings = {"epochs": 4, "batch_size": 4, "lr": 0.03, "warmup_epochs": 1, "schedule": "cosine"} | recipe
    context = toy_context(
        folder,
        TrainingRecipe(**settings),
        train=blob_manifest(folder / "images", [[]]),
        seed=seed,
        device=device,
        precision=precision,
    )
    seed_everything(seed)
    model = Regressor(MethodPyramid.from_context(context))
    report = fit(
        model,
        train=train or Brightness(18, seed=1),
        valid=Brightness(6, seed=2),
        metric=metric or SquaredError(),
        monitor="valid/mse",
        rule="less",
        scope="mmengine",
        context=context,
        save_seconds=0,
    )
    return report, model, context


def test_training_learns_and_reports_its_progress(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    report, _, context = run_fit(tmp_path / "eight", epochs=8)
    one, _, _ = run_fit(tmp_path / "one", epochs=1)
    assert report.best_score < one.best_score / 2
    assert context.progress.phases == [("train", 8)]
    assert context.progress.steps == {"train": 8}
    assert capfd.readouterr() == ("", "")


def test_the_same_seed_gives_the_same_weights_and_another_does_not(tmp_path: Path) -> None:
    reports = [run_fit(tmp_path / name, seed=seed)[0] for name, seed in (("a", 3), ("b", 3), ("c", 4))]
    assert reports[0].best_score == reports[1].best_score
    assert reports[0].best_score != reports[2].best_score


def test_a_killed_training_goes_on_to_the_same_result(tmp_path: Path) -> None:
    def kill_in_third(validation: int) -> None:
        if validation == 3:
            raise KilledError

    whole, model, _ = run_fit(tmp_path / "whole", epochs=5)
    with pytest.raises(KilledError):
        run_fit(tmp_path / "killed", epochs=5, metric=SquaredError(kill_in_third))
    train = Brightness(18, seed=1)
    resumed, again, context = run_fit(tmp_path / "killed", epochs=5, train=train)
    assert train.epochs == [2, 3, 4]
    assert context.progress.steps == {"train": 5}
    assert (resumed.epochs, resumed.best_epoch) == (whole.epochs, whole.best_epoch)
    assert resumed.best_score == pytest.approx(whole.best_score, rel=1e-6)
    torch.testing.assert_close(again.head.weight, model.head.weight)


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    first, model, _ = run_fit(tmp_path)
    train = Brightness(18, seed=1)
    second, again, _ = run_fit(tmp_path, train=train)
    assert train.asked == []
    assert (second.best_epoch, second.best_score) == (first.best_epoch, first.best_score)
    torch.testing.assert_close(again.head.weight, model.head.weight)


def test_patience_stops_the_training_and_the_best_weights_are_kept(tmp_path: Path) -> None:
    scores = [5.0, 1.0, 2.0, 3.0, 4.0, 0.5]
    report, _, context = run_fit(tmp_path, epochs=6, patience=2, metric=SquaredError(lambda n: scores[n - 1]))
    assert (report.epochs, report.best_epoch, report.best_score) == (4, 2, 1.0)
    state = torch.load(context.work_dir / "training.pth", weights_only=True)
    assert state["state"]["stopped"] is True


def test_a_score_that_is_no_number_is_no_improvement(tmp_path: Path) -> None:
    scores = [math.nan, 2.0, math.nan]
    report, _, _ = run_fit(tmp_path, epochs=3, metric=SquaredError(lambda n: scores[n - 1]))
    assert (report.best_epoch, report.best_score) == (2, 2.0)


def test_without_any_score_all_epochs_run_and_the_last_is_kept(tmp_path: Path) -> None:
    report, _, _ = run_fit(tmp_path, epochs=4, patience=1, metric=SquaredError(lambda _: math.nan))
    assert (report.epochs, report.best_epoch) == (4, 4)


def test_a_loss_that_is_no_number_fails_in_one_line(tmp_path: Path) -> None:
    train = Brightness(18, seed=1)
    train.images[7] = math.nan
    with pytest.raises(TrialError, match=r"the loss is nan in epoch 1 - lower the recipe's lr"):
        run_fit(tmp_path, train=train)


def test_damaged_training_state_is_told_in_one_line(tmp_path: Path) -> None:
    _, _, context = run_fit(tmp_path, epochs=1)
    path = context.work_dir / "training.pth"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(TrialError, match=r"training state training.pth is damaged"):
        run_fit(tmp_path, epochs=1)


@pytest.mark.parametrize(
    ("size", "drop_last", "used"), [(9, False, 8), (10, False, 10), (1, False, 1), (10, True, 8), (3, True, 3)]
)
def test_which_last_batches_are_left_out_of_an_epoch(tmp_path: Path, size: int, used: int, *, drop_last: bool) -> None:
    train = Brightness(size, seed=1)
    if size == 1:  # a one-sample subset is one batch; the pooled BatchNorm of this model cannot take it, maps could
        with pytest.raises(ValueError, match="more than 1 value"):
            run_fit(tmp_path, train=train, epochs=1)
    else:
        run_fit(tmp_path, train=train, epochs=1, drop_last=drop_last)
    assert len(set(train.asked)) == used


def test_the_frozen_encoder_stays_and_is_not_saved(tmp_path: Path) -> None:
    before = TinyEncoder().state_dict()
    _, model, context = run_fit(tmp_path)
    saved = torch.load(context.work_dir / "training.pth", weights_only=True)["best"]
    assert not [name for name in saved if "encoder" in name]
    after = model.backbone.encoder.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_drifting_statistics_are_saved_with_the_best_weights(tmp_path: Path) -> None:
    _, model, context = run_fit(tmp_path, batchnorm="batch")
    saved = torch.load(context.work_dir / "training.pth", weights_only=True)["best"]
    assert int(saved["backbone.encoder.norm.num_batches_tracked"]) > 0
    torch.testing.assert_close(saved["backbone.encoder.norm.running_mean"], model.backbone.encoder.norm.running_mean)
    assert int(context.model.norm.num_batches_tracked) == 0


def test_the_cpu_is_used_when_asked_for_even_where_mmengine_sees_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mmengine.runner.runner as module

    monkeypatch.setattr(module, "get_device", lambda: "meta")
    _, model, _ = run_fit(tmp_path, epochs=1)
    assert model.devices == {"cpu"}
    assert {parameter.device.type for parameter in model.parameters()} == {"cpu"}


def test_bfloat16_trains_on_the_cpu_and_half_precision_says_that_it_cannot(tmp_path: Path) -> None:
    report, _, _ = run_fit(tmp_path / "bf16", precision="bf16")
    assert math.isfinite(report.best_score)
    with pytest.raises(UsageError, match="precision 'fp16' cannot train on cpu"):
        run_fit(tmp_path / "fp16", precision="fp16")


def test_nothing_is_left_in_mmengines_tables(tmp_path: Path) -> None:
    tables = (MMLogger, MessageHub, Visualizer, DefaultScope)
    before = [set(table._instance_dict) for table in tables]
    run_fit(tmp_path, epochs=1)
    after = [set(table._instance_dict) for table in tables]
    assert [new - old - {"mmengine"} for new, old in zip(after, before, strict=True)] == [set()] * len(tables)


def test_convolutions_on_a_gpu_are_told_to_repeat_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    run_fit(tmp_path, epochs=1)
    assert torch.backends.cudnn.deterministic


def test_workers_read_the_same_batches_without_a_file_descriptor_for_each_tensor(tmp_path: Path) -> None:
    _, model, context = run_fit(tmp_path, epochs=1)
    alone = [float(sample.answer) for _, sample in predict(model, Brightness(6, seed=2), context)]
    before = torch.multiprocessing.get_sharing_strategy()
    try:
        context = replace(context, compute=replace(context.compute, workers=1))
        shared = [float(sample.answer) for _, sample in predict(model, Brightness(6, seed=2), context)]
        assert torch.multiprocessing.get_sharing_strategy() == "file_system"
    finally:
        torch.multiprocessing.set_sharing_strategy(before)
    assert shared == alone


def test_predictions_come_in_order_without_gradients(tmp_path: Path) -> None:
    _, model, context = run_fit(tmp_path)
    found = list(predict(model, Brightness(6, seed=2), context))
    assert [index for index, _ in found] == list(range(6))
    assert not any(sample.answer.requires_grad for _, sample in found)
    assert context.progress.phases[-1] == ("evaluate", 6)
    assert context.progress.steps["evaluate"] == 6
