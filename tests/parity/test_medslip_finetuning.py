"""MeDSLIP's fine-tuned networks on SIIM, number by number: both classifiers, the segmentation net, its loss and Dice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from medslip_goldens import PATCHES
from torch import nn
from weights import ATOL, RTOL, assert_golden, golden_arrays, golden_images, golden_state_dict

from medbench.masks import encode_mask
from medbench_methods.nets.medslip_encoder import MedslipEncoder
from medbench_methods.nets.medslip_net import MedslipNet

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from medbench_tasks.segmentation.model import BinarySegmentor

UP_STEPS = (2, 4, 8, 16)
SEGMENTATION = ("bridge", "up0", "up1", "up2", "up3", "logits", "prob_sum", "positive_pixels")
OF_NO_USE = ("res_l1_", "res_l2_", "mask_generator.", "back.", "last_res.")  # the masked form holds them, and uses none


@pytest.fixture(scope="module")
def encoder() -> MedslipEncoder:
    """Undrawn weights: every one that matters is taken from the goldens."""
    return MedslipEncoder(MedslipNet(places=False), _no_books).eval()


@pytest.mark.parametrize(("name", "masked"), [("medslip-siim-cls", False), ("medslip-siim-cls-masked", True)])
@torch.inference_mode()
def test_the_classifier_computes_the_published_outputs(
    name: str, masked: bool, encoder: MedslipEncoder, shared: Path
) -> None:
    folder = shared / "golden" / name
    arrays, state = golden_arrays(folder), golden_state_dict(folder)
    trunk = encoder.fine_tuning_encoder(0, masked=masked)
    head = nn.Linear(trunk.embed_dim, 1)
    head.load_state_dict({key: state.pop(f"res_out.{key}") for key in ("weight", "bias")})
    spare = {key for key in state if masked and "_anatomy." in key}  # held by the published form, used by none
    trunk.load_state_dict({_trunk_key(key): value for key, value in state.items() if key not in spare}, strict=True)

    feature = trunk.encode_images(golden_images())
    logits = head(feature)
    computed = {"feature": feature, "logits": logits, "prob": logits.sigmoid(), "logits_single": logits[0]}
    if masked:
        deepest = trunk.res_features(golden_images())
        computed["res_features"] = deepest[:, ::32, ::2, ::2]
        computed["back"] = trunk.through_stream(deepest).flatten(2).transpose(1, 2)[:, PATCHES, ::8]
    assert set(computed) == set(arrays), "every golden array is compared"
    for array, value in computed.items():
        assert_golden(arrays, array, value)


@pytest.mark.parametrize("name", ["medslip-siim-seg", "medslip-siim-seg-masked"])
@torch.inference_mode()
def test_the_segmentation_net_computes_the_published_outputs(name: str, encoder: MedslipEncoder, shared: Path) -> None:
    folder = shared / "golden" / name
    arrays, state = golden_arrays(folder), golden_state_dict(folder)
    segmentor = _segmentor(encoder, state)
    maps = segmentor.extract_feat(golden_images())
    bridge, *ups = segmentor.decode_head.decode(maps)
    probability = segmentor.decode_head(maps).sigmoid()[:, 0]
    logits = segmentor.decode_head(maps)
    computed = {"bridge": bridge[:, ::32, ::2, ::2], "logits": logits[..., ::2, ::2]}
    for index, (up, step) in enumerate(zip(ups, UP_STEPS, strict=True)):
        computed[f"up{index}"] = up[:, :: up.shape[1] // 16, ::step, ::step]
    computed["prob_sum"] = probability.sum(dim=(1, 2))
    computed["positive_pixels"] = (probability > 0.5).sum(dim=(1, 2))
    assert set(computed) == set(arrays) == set(SEGMENTATION)
    for array, value in computed.items():
        assert_golden(arrays, array, value)


def test_segmentation_loss_is_the_published_one(shared: Path) -> None:
    from medbench_tasks.segmentation.losses import BceDiceLoss

    arrays, results = _metrics(shared)
    logits = torch.from_numpy(arrays["seg_prob"]).double().logit().float()
    loss = BceDiceLoss()(logits, torch.from_numpy(arrays["seg_mask"]))
    assert float(loss) == pytest.approx(results["seg_DiceBCELoss_on_logits"], rel=RTOL)


def test_dice_and_iou_are_the_published_ones(shared: Path) -> None:
    from medbench_tasks.segmentation.metrics import dice_each, iou_plus_one_each, overlap_of, score_masks

    arrays, results = _metrics(shared)
    answers = [encode_mask(one[0] > 0.5) for one in arrays["seg_prob"]]
    truths = [encode_mask(one[0] > 0.5) for one in arrays["seg_mask"]]
    overlap = overlap_of(answers, truths)
    dice, published = dice_each(overlap), results["seg_dice"]
    found = {"dice": dice.mean(), "dice_pos": dice[overlap.positive].mean(), "dice_neg": dice[~overlap.positive].mean()}
    for name, value in found.items():
        assert value == pytest.approx(published[name], rel=1e-6)
    iou = iou_plus_one_each(overlap)
    assert iou.mean() == pytest.approx(results["seg_mIoU"], rel=1e-6)
    assert iou[overlap.positive].mean() == pytest.approx(results["seg_mIoU_pos_only"], rel=1e-6)
    scores = score_masks(overlap, np.zeros(len(dice), np.int64), [str(i) for i in range(len(dice))])
    assert scores["dice-all"].value == pytest.approx(published["dice"], rel=1e-6)
    assert scores["dice-positive"].value == pytest.approx(published["dice_pos"], rel=1e-6)
    assert scores["iou-plus-one-as-released"].value == pytest.approx(results["seg_mIoU"], rel=1e-6)


def test_validation_chooses_by_the_published_dice(shared: Path) -> None:
    from medbench_tasks.segmentation.losses import BceDiceLoss
    from medbench_tasks.segmentation.validation import MaskScores

    arrays, results = _metrics(shared)
    probabilities, truths = torch.from_numpy(arrays["seg_prob"]), torch.from_numpy(arrays["seg_mask"])
    metric = MaskScores(BceDiceLoss(), prefix="mask")
    metric.process(
        None,
        [
            {"seg_logits": {"data": probability.logit()}, "gt_sem_seg": {"data": truth}}
            for probability, truth in zip(probabilities, truths, strict=True)
        ],
    )
    scores = metric.compute_metrics(metric.results)
    assert scores["dice-all"] == pytest.approx(results["seg_dice"]["dice"], rel=1e-6)
    assert scores["dice"] == pytest.approx(results["seg_dice"]["dice_pos"], rel=1e-6)
    assert scores["loss"] == pytest.approx(results["seg_DiceBCELoss_on_logits"], rel=RTOL)


def test_image_and_mask_are_framed_as_published(shared: Path) -> None:
    from medbench_methods.nets.medslip_encoder import PREPROCESS
    from medbench_tasks.pixels import normalise, squash
    from medbench_tasks.segmentation.frames import nearest_mask

    arrays = golden_arrays(shared / "golden" / "preproc-blip")
    image = normalise(squash(arrays["image_gray"], 224), PREPROCESS)
    np.testing.assert_allclose(image[:, ::7, ::7], arrays["siimseg_image"], rtol=RTOL, atol=ATOL)
    pixels = np.zeros(arrays["image_gray"].shape, np.uint8)
    for top, bottom, left, right in _rectangles(arrays):
        pixels[top:bottom, left:right] = 255
    np.testing.assert_array_equal(nearest_mask(encode_mask(pixels > 0), 224), arrays["siimseg_mask"])


def _rectangles(arrays: dict[str, Any]) -> list[tuple[int, int, int, int]]:
    return [tuple(int(edge) for edge in row) for row in arrays["siimseg_mask_in_rows_cols"]]


def _segmentor(encoder: MedslipEncoder, state: dict[str, Tensor]) -> BinarySegmentor:
    from medbench_tasks.pyramid import MethodPyramid
    from medbench_tasks.segmentation.model import build_segmentor
    from medbench_tasks.segmentation.recipe import MEDSLIP_SEGMENTATION_SIIM
    from medbench_tasks.segmentation.resunet import STRIDES

    trunk = {
        key.removeprefix("res_features."): value for key, value in state.items() if key.startswith("res_features.")
    }
    encoder.net.res_features.load_state_dict(trunk, strict=True)
    pyramid = MethodPyramid(encoder, strides=STRIDES, freeze=False)
    segmentor = build_segmentor(pyramid, MEDSLIP_SEGMENTATION_SIIM).eval()
    head = {_head_key(key): value for key, value in state.items() if not key.startswith(("res_features.", *OF_NO_USE))}
    head["conv_seg.weight"] = head["conv_seg.weight"][..., None]  # published as a convolution over flat pixels
    segmentor.decode_head.load_state_dict(head, strict=True)
    return segmentor


def _head_key(key: str) -> str:
    key = key.replace("seg_classifier.", "conv_seg.").replace("bridge.bridge.", "bridge.")
    return key.replace(".conv.", ".0.").replace(".bn.", ".1.")


def _trunk_key(key: str) -> str:
    return key.replace("res_features.7.", "layer4.").replace("last_res.0.", "layer4.")


def _metrics(shared: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    folder = shared / "golden" / "metrics-blip"
    return golden_arrays(folder), json.loads((folder / "golden.json").read_text())["results"]


def _no_books() -> Any:
    raise AssertionError("fine-tuning asks no texts")
