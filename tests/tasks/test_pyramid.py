"""A method's maps as a backbone: what is frozen stays, what is constant is encoded once and kept out of checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from dense_toys import TinyEncoder, TinyPlainEncoder, blob_manifest, toy_context
from torch import nn

from medbench_tasks.pyramid import (
    FeatureItems,
    MethodPyramid,
    MoveInputs,
    SimpleFeaturePyramid,
    collate,
    encode_features,
)
from medbench_tasks.recipes import TrainingRecipe

if TYPE_CHECKING:
    from pathlib import Path

    from medbench.protocols import TrialContext

IMAGES = torch.linspace(-1, 1, 2 * 3 * 64 * 64).reshape(2, 3, 64, 64)


class Samples:
    """Five images and their numbers."""

    def __init__(self) -> None:
        self.images = torch.randn(5, 3, 64, 64, generator=torch.Generator().manual_seed(1))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"inputs": self.image(index), "data_samples": self.target(index)}

    def image(self, index: int) -> torch.Tensor:
        return self.images[index]

    def target(self, index: int) -> Any:
        from mmengine.structures import BaseDataElement

        return BaseDataElement(metainfo={"img_id": index})


def context_of(folder: Path, model: nn.Module, **recipe: Any) -> TrialContext:
    return toy_context(folder, TrainingRecipe(**recipe), train=blob_manifest(folder / "images", [[]]), model=model)


def test_maps_of_the_wanted_strides_are_chosen() -> None:
    pyramid = MethodPyramid(TinyEncoder(), strides=(8, 32))
    assert pyramid.strides == (8, 32)
    assert [tuple(one.shape) for one in pyramid(IMAGES)] == [(2, 8, 8, 8), (2, 8, 2, 2)]


def test_an_encoder_of_a_single_map_gives_it_and_a_neck_makes_three() -> None:
    pyramid = MethodPyramid(TinyPlainEncoder(), strides=(8, 16, 32))
    maps = SimpleFeaturePyramid(8, 12)(pyramid(IMAGES))
    assert pyramid.strides == (16,)
    assert [tuple(one.shape) for one in maps] == [(2, 12, 8, 8), (2, 12, 4, 4), (2, 12, 2, 2)]


@pytest.mark.parametrize(("strides", "index"), [((16, 16, 16), 2), ((4, 14, 32), 1), ((32,), 0), ((8, 16), 1)])
def test_without_the_wanted_strides_the_nearest_last_map_is_taken(strides: tuple[int, ...], index: int) -> None:
    encoder = TinyEncoder()
    encoder.strides, encoder.channels = strides, tuple(range(1, len(strides) + 1))
    assert MethodPyramid(encoder, strides=(8, 16, 32)).channels == (index + 1,)


def test_encoded_maps_pass_through() -> None:
    pyramid = MethodPyramid(TinyEncoder())
    maps = pyramid(IMAGES)
    assert pyramid(maps) is maps
    assert pyramid.encoder.encoded == 2


def test_a_frozen_encoder_gets_no_gradient_and_keeps_its_statistics() -> None:
    encoder = TinyEncoder()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    maps = MethodPyramid(encoder).train()(IMAGES)
    assert not any(one.requires_grad for one in maps)
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


def test_batch_statistics_drift_as_released() -> None:
    encoder = TinyEncoder()
    pyramid = MethodPyramid(encoder, batchnorm="batch")
    in_eval, in_train = pyramid.eval()(IMAGES)[0], pyramid.train()(IMAGES)[0]
    assert not torch.allclose(in_eval, in_train)
    assert int(encoder.norm.num_batches_tracked) == 1
    assert not encoder.stem.weight.requires_grad


def test_a_trained_encoder_gets_gradients() -> None:
    pyramid = MethodPyramid(TinyEncoder(), freeze=False).train()
    sum(one.sum() for one in pyramid(IMAGES)).backward()
    assert pyramid.encoder.stem.weight.grad is not None


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({}, set()),
        ({"batchnorm": "batch"}, {"norm.running_mean", "norm.running_var", "norm.num_batches_tracked"}),
        ({"freeze": False}, set(TinyEncoder().state_dict())),
    ],
)
def test_checkpoints_hold_what_training_can_change(settings: dict[str, Any], kept: set[str]) -> None:
    model = nn.Sequential(MethodPyramid(TinyEncoder(), **settings))
    state = model.state_dict()
    assert set(state) == {f"0.encoder.{name}" for name in kept}
    model.load_state_dict(state, strict=True)


def test_loading_a_checkpoint_leaves_the_frozen_encoder_as_it_is() -> None:
    model = nn.Sequential(MethodPyramid(TinyEncoder()))
    before = model[0].encoder.stem.weight.clone()
    model.load_state_dict({}, strict=True)
    assert torch.equal(before, model[0].encoder.stem.weight)


def test_a_model_that_training_would_change_is_copied(tmp_path: Path) -> None:
    frozen, drifting = TinyEncoder(), TinyEncoder()
    assert MethodPyramid.from_context(context_of(tmp_path, frozen)).encoder is frozen
    MethodPyramid.from_context(context_of(tmp_path, drifting, batchnorm="batch")).train()(IMAGES)
    assert int(drifting.norm.num_batches_tracked) == 0


def test_features_are_encoded_once_and_equal_those_encoded_each_time(tmp_path: Path) -> None:
    context = context_of(tmp_path, TinyEncoder())
    pyramid, samples = MethodPyramid.from_context(context), Samples()
    items = encode_features(pyramid, samples, context)
    assert isinstance(items, FeatureItems)
    assert (pyramid.encoder.encoded, context.progress.phases, context.progress.steps) == (
        5,
        [("encode", 5)],
        {"encode": 5},
    )
    stacked = MoveInputs()(collate([items[index] for index in (3, 1)]))
    for one, expected in zip(stacked["inputs"], pyramid(samples.images[[3, 1]]), strict=True):
        torch.testing.assert_close(one, expected)
    assert [one.img_id for one in stacked["data_samples"]] == [3, 1]


class SmallDevice(TinyEncoder):
    """An encoder on a device with room for two images."""

    def encode_pyramid(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if len(images) > 2:
            raise torch.OutOfMemoryError
        return super().encode_pyramid(images)


def test_a_batch_that_does_not_fit_is_encoded_in_halves(tmp_path: Path) -> None:
    context = context_of(tmp_path, SmallDevice())
    pyramid, samples = MethodPyramid.from_context(context), Samples()
    items = encode_features(pyramid, samples, context)
    for index in range(5):
        for one, expected in zip(items[index]["inputs"], pyramid(samples.images[index : index + 1]), strict=True):
            torch.testing.assert_close(one, expected[0])
    assert context.progress.steps == {"encode": 5}


def test_images_are_stacked_where_they_are_read() -> None:
    samples = Samples()
    batch = collate([samples[index] for index in (4, 0, 2)])
    assert torch.equal(batch["inputs"], samples.images[[4, 0, 2]])
    assert [one.img_id for one in batch["data_samples"]] == [4, 0, 2]


@pytest.mark.parametrize("recipe", [{"augment": True}, {"batchnorm": "batch"}, {"freeze_encoder": False}])
def test_features_that_training_moves_are_not_kept(tmp_path: Path, recipe: dict[str, Any]) -> None:
    context = context_of(tmp_path, TinyEncoder(), **recipe)
    samples = Samples()
    assert encode_features(MethodPyramid.from_context(context), samples, context) is samples
    assert context.progress.phases == []


def test_features_over_the_memory_budget_are_not_kept(tmp_path: Path) -> None:
    context, samples = context_of(tmp_path, TinyEncoder()), Samples()
    pyramid = MethodPyramid.from_context(context)
    needed = 5 * sum(8 * side * side for side in (8, 4, 2)) * 4
    assert encode_features(pyramid, samples, context, budget=needed - 1) is samples
    assert isinstance(encode_features(pyramid, samples, context, budget=needed), FeatureItems)
