"""The published segmentation protocol, number by number: losses, Dice, preprocessing, and the whole models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import torch
from weights import (
    ATOL,
    RTOL,
    assert_golden,
    golden_arrays,
    golden_images,
    golden_state_dict,
    head_state_dict,
    write_lightning_checkpoint,
)

from medbench.capabilities import LoadRequest, Preprocess
from medbench.masks import encode_mask

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

EVERY_EIGHTH = (slice(None), slice(None), slice(0, None, 8), slice(0, None, 8))
HALF = (0.5, 0.5, 0.5)


@pytest.fixture(scope="module")
def numbers(shared: Path) -> dict[str, Any]:
    return golden_arrays(shared / "golden" / "mgca-metrics")


def test_losses_are_the_published_ones(numbers: dict[str, Any]) -> None:
    from medbench_tasks.segmentation.losses import MixedLoss, focal, soft_dice

    logits = torch.from_numpy(numbers["seg_logits_in"])[:, None]
    truth = torch.from_numpy(numbers["seg_masks_in"]).float()[:, None]
    assert float(focal(logits, truth)) == pytest.approx(float(numbers["seg_focal"]), rel=RTOL)
    assert float(soft_dice(logits, truth)) == pytest.approx(float(numbers["seg_softdice"]), rel=RTOL)
    assert float(MixedLoss()(logits, truth)) == pytest.approx(float(numbers["seg_mixed_loss"]), rel=RTOL)
    batches = [float(MixedLoss()(logits[part], truth[part])) for part in (slice(0, 4), slice(4, 6))]
    np.testing.assert_allclose(batches, numbers["seg_batch_loss"], rtol=RTOL)


def test_dice_is_the_published_one(numbers: dict[str, Any]) -> None:
    from medbench_tasks.segmentation.metrics import dice_each, overlap_of, score_masks

    answers = [encode_mask(logits > 0) for logits in numbers["seg_logits_in"]]
    overlap = overlap_of(answers, [encode_mask(mask) for mask in numbers["seg_masks_in"]])
    dice = dice_each(overlap)
    np.testing.assert_allclose(dice, numbers["seg_get_dice_each"], rtol=RTOL)
    assert dice.mean() == pytest.approx(float(numbers["seg_get_dice"]), rel=RTOL)
    np.testing.assert_allclose([dice[:4].mean(), dice[4:].mean()], numbers["seg_batch_dice"], rtol=RTOL)
    batches = np.array([0, 0, 0, 0, 1, 1])
    released = score_masks(overlap, batches, list("abcdef"))["dice-as-released"].value
    assert released == pytest.approx(float(numbers["seg_epoch_dice"]), rel=RTOL)


def test_preprocessing_is_the_published_one(numbers: dict[str, Any]) -> None:
    from medbench_tasks.pixels import normalise, squash
    from medbench_tasks.segmentation.frames import padded_mask, squashed_mask

    small = np.random.RandomState(9).randint(0, 256, (32, 32)).astype(np.uint8)
    image = cv2.resize(small, (1024, 1024), interpolation=cv2.INTER_CUBIC)
    tensor = normalise(squash(image, 224), Preprocess(resize=256, mode="pad", crop=224, mean=HALF, std=HALF)).numpy()
    for channel in tensor:
        _compare(numbers, "seg_image_tensor", channel)

    pixels = np.zeros((1024, 1024), np.uint8)
    pixels[100:400, 200:350] = 1
    pixels[300:700, 300:500] = 1
    mask = padded_mask(encode_mask(pixels), 224)
    _compare(numbers, "seg_mask_resized", mask)
    _compare(numbers, "seg_mask_tensor", mask)
    np.testing.assert_allclose(np.unique(mask), numbers["seg_mask_values"], rtol=RTOL)
    np.testing.assert_array_equal(squashed_mask(encode_mask(pixels), 224), mask >= 0.5)


def test_the_u_net_computes_the_published_outputs(shared: Path, tmp_path: Path) -> None:
    folder = shared / "golden" / "mgca-resnet50"
    arrays = golden_arrays(folder)
    segmentor = _segmentor(folder, tmp_path, "resnet50", "resnet_50", _unet_key)
    with torch.no_grad():
        maps = segmentor.extract_feat(golden_images())
        decoded = segmentor.decode_head.decode(maps)
        logits = segmentor.decode_head(maps)
    for index, one in enumerate(maps, start=1):
        assert_golden(arrays, f"seg_encoder_feat{index}", one, _corner(8, 4, 4))
    assert_golden(arrays, "seg_decoder", decoded, _corner(8, 4, 4))
    assert_golden(arrays, "seg_logits", logits, EVERY_EIGHTH)


def test_setr_computes_the_published_outputs(shared: Path, tmp_path: Path) -> None:
    folder = shared / "golden" / "mgca-vit_base"
    arrays = golden_arrays(folder)
    segmentor = _segmentor(folder, tmp_path, "vit-b16", "vit_base", _setr_key)
    head = segmentor.decode_head
    with torch.no_grad():
        maps = segmentor.extract_feat(golden_images())
        features = head.project(maps)
        assert_golden(arrays, "seg_tokens", maps[0].flatten(2).transpose(1, 2), (slice(None), slice(8), slice(32)))
        assert_golden(arrays, "seg_map", features, _corner(8, 4, 4))
        for number, stage in enumerate(head.stages, start=1):
            features = stage(features)
            assert_golden(arrays, f"seg_decoder_{number}", features, _corner(8, 4, 4))
        assert_golden(arrays, "seg_logits", head(maps), EVERY_EIGHTH)


def _segmentor(folder: Path, checkpoints: Path, variant: str, name: str, rename: Any) -> Any:
    """Our segmentor over our plugin's encoder, filled with the golden weights of encoder and head."""
    from medbench_methods.mgca import load
    from medbench_tasks.pyramid import MethodPyramid
    from medbench_tasks.segmentation.model import build_segmentor
    from medbench_tasks.segmentation.recipe import MGCA_SEGMENTATION_SIIM

    path = write_lightning_checkpoint(checkpoints / "golden.ckpt", golden_state_dict(folder), {"img_encoder": name})
    encoder = load(LoadRequest(variant=variant, checkpoint=path))
    path.unlink()  # half a gigabyte that pytest would keep
    segmentor = build_segmentor(MethodPyramid(encoder), MGCA_SEGMENTATION_SIIM).eval()
    head = {rename(key.removeprefix("model.")): value for key, value in head_state_dict(folder, "segmenter").items()}
    segmentor.decode_head.load_state_dict(head, strict=True)
    return segmentor


def _unet_key(key: str) -> str:
    key = key.replace("segmentation_head.0.", "conv_seg.").removeprefix("decoder.")
    for convolution in ("conv1", "conv2"):
        key = key.replace(f"{convolution}.0.", f"{convolution}.conv.").replace(
            f"{convolution}.1.", f"{convolution}.bn."
        )
    return key


def _setr_key(key: str) -> str:
    key = key.replace("encoder_2d.final_dense.", "linear.").replace("decoder_2d.final_out.", "conv_seg.")
    if not key.startswith("decoder_2d.decoder_"):
        return key
    stage, rest = key.removeprefix("decoder_2d.decoder_").split(".", 1)
    return f"stages.{int(stage) - 1}.{rest}"


def _corner(channels: int, height: int, width: int) -> tuple[Any, ...]:
    return (0, slice(channels), slice(height), slice(width))


def _compare(numbers: dict[str, Any], name: str, array: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(array[::4, ::4], numbers[f"{name}__corner"], rtol=RTOL, atol=ATOL)
    wide = array.astype(np.float64)
    assert wide.mean() == pytest.approx(float(numbers[f"{name}__mean"]), rel=RTOL, abs=ATOL)
    assert wide.std() == pytest.approx(float(numbers[f"{name}__std"]), rel=RTOL, abs=ATOL)
