"""Decoders and losses: which head an encoder gets, its shapes, and what the losses reward."""

from __future__ import annotations

import math

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from segmentation_toys import ToyPyramid, ToySingleMap

from medbench.errors import TrialError
from medbench_tasks.pyramid import MethodPyramid
from medbench_tasks.segmentation import losses  # registers the losses
from medbench_tasks.segmentation.heads import PupHead, UnetHead, head_config
from medbench_tasks.segmentation.model import build_segmentor
from medbench_tasks.segmentation.recipe import MGCA_SEGMENTATION_SIIM, STANDARD_SEGMENTATION

LOSSES = (losses.MixedLoss, losses.BceDiceLoss)


def _head(channels: tuple[int, ...], strides: tuple[int, ...], loss: str = "MixedLoss") -> UnetHead | PupHead:
    return MODELS.build(head_config(channels, strides, loss)).eval()


def _maps(channels: tuple[int, ...], strides: tuple[int, ...], side: int) -> tuple[torch.Tensor, ...]:
    return tuple(torch.randn(2, c, side // s, side // s) for c, s in zip(channels, strides, strict=True))


@pytest.mark.parametrize(
    ("channels", "strides", "expected"),
    [
        ((8, 8, 8, 8, 8), (2, 4, 8, 16, 32), UnetHead),
        ((8, 8, 8, 8), (4, 8, 16, 32), UnetHead),
        ((6, 12), (8, 16), UnetHead),
        ((24,), (16,), PupHead),
        ((24,), (8,), PupHead),
        ((24, 12), (16, 16), PupHead),
    ],
)
def test_strides_choose_the_head_and_logits_have_the_size_of_the_input(channels, strides, expected):
    head = _head(channels, strides)
    assert isinstance(head, expected)
    with torch.no_grad():
        assert head(_maps(channels, strides, 64)).shape == (2, 1, 64, 64)


def test_published_widths_come_out_for_resnet50_and_vit_base():
    unet = _head((64, 256, 512, 1024, 2048), (2, 4, 8, 16, 32))
    assert [block.conv1.in_channels for block in unet.blocks] == [3072, 768, 384, 128, 32]
    assert [block.conv2.out_channels for block in unet.blocks] == [256, 128, 64, 32, 16]
    pup = _head((768,), (16,))
    assert [stage[0].out_channels for stage in pup.stages] == [512, 256, 128, 64]


def _weights_over_bounds(head: UnetHead) -> list[float]:
    """Largest weight of each convolution over the bound of kaiming_uniform_(fan_in, relu); at the end xavier's."""
    convolutions = [conv.conv for block in head.blocks for conv in (block.conv1, block.conv2)]
    bounds = [math.sqrt(6 / (conv.in_channels * 9)) for conv in convolutions]
    last = head.conv_seg
    bounds.append(math.sqrt(6 / ((last.in_channels + last.out_channels) * 9)))
    return [
        float(conv.weight.detach().abs().max()) / bound
        for conv, bound in zip([*convolutions, last], bounds, strict=True)
    ]


def test_the_published_u_net_starts_as_published_and_mmengine_leaves_it_so():
    segmentor = build_segmentor(MethodPyramid(ToyPyramid()), MGCA_SEGMENTATION_SIIM)
    segmentor.init_weights()  # as mmengine's Runner does
    assert all(0.9 < ratio <= 1 for ratio in _weights_over_bounds(segmentor.decode_head))
    assert not segmentor.decode_head.conv_seg.bias.any()
    norms = [part for part in segmentor.decode_head.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    assert all(bool((norm.weight == 1).all()) and not norm.bias.any() for norm in norms)


def test_other_heads_keep_their_own_start():
    standard = build_segmentor(MethodPyramid(ToyPyramid()), STANDARD_SEGMENTATION).decode_head
    assert max(_weights_over_bounds(standard)) > 1
    single = build_segmentor(MethodPyramid(ToySingleMap()), MGCA_SEGMENTATION_SIIM).decode_head
    assert single.conv_seg.bias.any()


@pytest.mark.parametrize("strides", [(3, 6), (4, 16), (32, 16)])
def test_strides_that_no_decoder_fits_are_refused_in_one_line(strides):
    with pytest.raises(TrialError, match=r"no segmentation head for feature maps of strides \d+, \d+"):
        head_config((4, 4), strides, "MixedLoss")


def test_a_stride_that_is_no_power_of_two_is_resized_to_the_mask():
    head = _head((12,), (14,))
    element = SegDataSample(metainfo={"img_shape": (56, 56), "ori_shape": (56, 56)})
    element.gt_sem_seg = PixelData(data=torch.ones(1, 56, 56))
    maps = (torch.randn(1, 12, 4, 4),)
    assert head.predict(maps, [element.metainfo], None).shape == (1, 1, 56, 56)
    assert set(head.loss(maps, [element], None)) == {"loss_mixed"}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_is_least_for_the_right_answer_and_finite_without_foreground(loss):
    truth = torch.zeros(3, 1, 8, 8)
    truth[:2, :, 2:5, 2:5] = 1
    right, wrong = (truth * 2 - 1) * 12, (1 - truth * 2) * 12
    assert loss()(right, truth) < 0.01 < loss()(torch.zeros_like(truth), truth) < loss()(wrong, truth)
    logits = torch.randn(2, 1, 8, 8, requires_grad=True)
    loss()(logits, torch.zeros_like(logits)).backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad.abs().sum() > 0


@pytest.mark.parametrize("loss", LOSSES)
def test_extreme_logits_and_soft_edges_give_finite_losses(loss):
    truth = torch.full((1, 1, 4, 4), 0.3)
    for value in (-1e4, 1e4):
        assert torch.isfinite(loss()(torch.full_like(truth, value), truth))


def test_the_mixed_loss_is_ten_focal_less_log_dice():
    logits, truth = torch.randn(2, 1, 4, 4), (torch.rand(2, 1, 4, 4) > 0.5).float()
    p_truth = torch.where(truth > 0, logits.sigmoid(), 1 - logits.sigmoid()).double()
    focal = (-((1 - p_truth) ** 2) * p_truth.log()).mean()
    p = logits.sigmoid().double()
    dice = (2 * (p * truth).sum() + 1) / (p.sum() + truth.sum() + 1)
    assert float(losses.MixedLoss()(logits, truth)) == pytest.approx(float(10 * focal - dice.log()), rel=1e-5)


def test_dice_is_taken_over_the_batch():
    truth = torch.zeros(2, 1, 10, 10)
    truth[0] = 1
    logits = torch.full_like(truth, 20.0)
    assert float(losses.soft_dice(logits, truth)) == pytest.approx((200 + 1) / (300 + 1), rel=1e-5)
    assert math.isclose(float(losses.soft_dice(-logits, torch.zeros_like(truth))), 1.0, rel_tol=1e-4)
