"""What the processes of a training share: batches, sums, statistics and results, here in a group of one or by pretence."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dense_toys import SIDE
from mmengine.dataset import DefaultSampler
from test_training import Brightness, run_fit
from timm.layers import BatchNormAct2d
from torch import Tensor, distributed, nn

from medbench.capabilities import Preprocess
from medbench.errors import UsageError
from medbench_tasks import training_batches, training_shares
from medbench_tasks.finetuning.model import masked_loss, shared_loss
from medbench_tasks.pixels import normalise
from medbench_tasks.pyramid import MoveInputs, collate
from medbench_tasks.recipes import TrainingRecipe
from medbench_tasks.segmentation.losses import BceDiceLoss, MixedLoss
from medbench_tasks.training_batches import DealtBatches, Shuffled, TrainingBatches
from medbench_tasks.training_batchnorm import SharedBatchNorm, share_batchnorm
from medbench_tasks.training_shares import check_divides, in_order, main_first


@pytest.fixture
def group() -> Iterator[None]:
    """A process group of this process alone: all that a group does, without waiting for others."""
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def batches_of(monkeypatch: pytest.MonkeyPatch, rank: int, processes: int, size: int, **recipe: Any) -> list[list[int]]:
    monkeypatch.setattr(training_batches, "get_dist_info", lambda: (rank, processes))
    return list(TrainingBatches(range(size), TrainingRecipe(batch_size=6, **recipe), seed=3))


@pytest.mark.parametrize(("size", "drop_last"), [(12, False), (14, False), (15, True), (17, False), (4, False)])
@pytest.mark.parametrize("processes", [2, 3])
def test_together_the_processes_see_the_batches_of_one(
    monkeypatch: pytest.MonkeyPatch, size: int, processes: int, *, drop_last: bool
) -> None:
    alone = batches_of(monkeypatch, 0, 1, size, drop_last=drop_last)
    shares = [batches_of(monkeypatch, rank, processes, size, drop_last=drop_last) for rank in range(processes)]
    if not drop_last and size > 6 and 0 < size % 6 < processes:
        alone = alone[:-1]  # an image or more is needed for each process
    together = [sorted(chain.from_iterable(parts)) for parts in zip(*shares, strict=True)]
    assert together == [sorted(batch) for batch in alone]
    assert all(share for batches in shares for share in batches)


def test_the_order_is_that_of_mmengines_sampler() -> None:
    ours, theirs = Shuffled(range(9), seed=5), DefaultSampler(range(9), shuffle=True, seed=5)  # type: ignore[arg-type]
    for epoch in range(3):
        ours.set_epoch(epoch)
        theirs.set_epoch(epoch)
        assert list(ours) == list(theirs)


@pytest.mark.parametrize("size", [1, 4, 5, 8, 9, 13])
def test_dealt_batches_come_back_in_order(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    parts = []
    for rank in range(3):
        monkeypatch.setattr(training_batches, "get_dist_info", lambda rank=rank: (rank, 3))
        dealt = DealtBatches(range(size), 2)
        parts.append([index for batch in dealt for index in batch])
    assert in_order(parts, 2) == list(range(size))
    assert dealt.rounds == -(-size // 6)


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_divides(7, 1)
    monkeypatch.setattr(training_shares, "get_world_size", lambda: 4)
    check_divides(8, 4)
    with pytest.raises(
        UsageError, match="a batch of 6 cannot be divided over 4 processes - choose an --nproc-per-node"
    ):
        check_divides(6, 100)
    with pytest.raises(UsageError, match="3 training images cannot be divided over 4 processes"):
        check_divides(8, 3)


def test_the_first_process_goes_first_and_the_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    for rank, expected in ((0, ["work", "barrier"]), (1, ["barrier", "work"])):
        steps: list[str] = []
        monkeypatch.setattr(training_shares, "is_main", lambda rank=rank: rank == 0)
        monkeypatch.setattr(training_shares, "barrier", lambda steps=steps: steps.append("barrier"))
        with main_first():
            steps.append("work")
        assert steps == expected


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("shape", [(6, 4), (3, 4, 5, 5)])
def test_shared_batchnorm_is_batchnorm(group: None, momentum: float | None, shape: tuple[int, ...]) -> None:
    plain = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(4, momentum=momentum)
    shared = SharedBatchNorm.of((nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(4, momentum=momentum))
    for seed in range(2):
        inputs = 3 + 2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        ours, theirs = inputs.clone().requires_grad_(), inputs.clone().requires_grad_()
        weights = torch.randn(shape, generator=torch.Generator().manual_seed(9))
        for layer, one in ((shared, ours), (plain, theirs)):
            (layer(one) * weights).sum().backward()
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(shared.state_dict()[name], value)
    torch.testing.assert_close(shared.weight.grad, plain.weight.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(shared.eval()(inputs), plain.eval()(inputs))


def test_layers_keep_their_parameters_and_unknown_ones_stay() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Sequential(BatchNormAct2d(3)), nn.LayerNorm(3))
    weight, names = model[0].weight, set(model.state_dict())
    share_batchnorm(model, torch.device("cpu"))
    assert isinstance(model[0], SharedBatchNorm)
    assert model[0].weight is weight
    assert type(model[1][0]) is BatchNormAct2d
    assert set(model.state_dict()) == names


def test_on_a_gpu_they_are_torchs_own() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3), BatchNormAct2d(3))
    activation = model[1].act
    share_batchnorm(model, torch.device("cuda", 0))
    assert all(isinstance(layer, nn.SyncBatchNorm) for layer in model)
    assert model[1].act is activation


@pytest.mark.parametrize("loss", [MixedLoss(), BceDiceLoss()])
def test_a_shared_loss_has_the_value_that_validation_gives_it(group: None, loss: nn.Module) -> None:
    draw = torch.Generator().manual_seed(1)
    logits, truth = torch.randn(3, 1, 8, 8, generator=draw), (torch.randn(3, 1, 8, 8, generator=draw) > 0).float()
    torch.testing.assert_close(loss.train()(logits, truth), loss.eval()(logits, truth))


def test_a_shared_masked_loss_counts_known_labels_alone(group: None) -> None:
    logits, truth = torch.randn(4, 3), torch.tensor([[1, 0, -1], [-1, -1, 1], [0, 0, 0], [-1, -1, -1]])
    for kind in ("multi-label", "multi-class"):
        torch.testing.assert_close(shared_loss(logits, truth, kind), masked_loss(logits, truth, kind))


def test_a_group_trains_as_one_process_does(tmp_path: Path, group: None) -> None:
    shared, model, _ = run_fit(tmp_path / "group", epochs=2)
    distributed.destroy_process_group()
    alone, same, _ = run_fit(tmp_path / "alone", epochs=2)
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    assert isinstance(model.norm, SharedBatchNorm)
    assert (shared.epochs, shared.best_epoch) == (alone.epochs, alone.best_epoch)
    assert shared.best_score == pytest.approx(alone.best_score, rel=1e-4)
    torch.testing.assert_close(model.head.weight, same.head.weight, rtol=1e-4, atol=1e-6)


def test_a_group_trains_in_bfloat16(tmp_path: Path, group: None) -> None:
    report, model, _ = run_fit(tmp_path, epochs=1, precision="bf16", train=Brightness(8, seed=1))
    assert np.isfinite(report.best_score)
    assert {one.dtype for one in model.parameters()} == {torch.float32}


def test_pixels_are_normalised_in_batches_to_the_same_bits() -> None:
    own = Preprocess(resize=SIDE, mode="squash", crop=SIDE, mean=(0.1, 0.485, 0.5), std=(0.2, 0.229, 0.3))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16)).astype(np.uint8)
    items: list[dict[str, Any]] = [{"inputs": torch.from_numpy(one), "data_samples": torch.zeros(1)} for one in pixels]
    batch = collate(items)
    assert batch["inputs"].dtype == torch.uint8
    found: Tensor = MoveInputs(own)(batch)["inputs"]
    assert torch.equal(found, torch.stack([normalise(one, own) for one in pixels]))
    ready = found.clone()
    assert MoveInputs(own)({"inputs": ready, "data_samples": []})["inputs"] is ready
