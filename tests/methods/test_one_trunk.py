"""In one batch a first-party encoder runs its trunk once for global features, maps and tokens, and gives the same numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from transformers import BlipVisionModel, ViTConfig, ViTModel

from medbench.capabilities import Preprocess
from medbench.one_pass import one_batch
from medbench_methods.nets.blip_net import BlipNet
from medbench_methods.nets.blip_tiny import tiny_vision
from medbench_methods.nets.encoders import VisionEncoder
from medbench_methods.nets.hf_encoder import HfEncoder
from medbench_methods.nets.hf_kinds import KINDS
from medbench_methods.nets.medslip_net import MedslipNet
from medbench_methods.nets.motor_net import StudyNet
from medbench_methods.nets.trunks import ResNetTrunk

SIDE = 32
PLAIN = Preprocess(resize=SIDE, mode="squash", crop=SIDE, mean=(0.5,) * 3, std=(0.5,) * 3)


def resnet() -> tuple[nn.Module, nn.Module, list[Any]]:
    encoder = VisionEncoder(ResNetTrunk(), PLAIN)
    return encoder, encoder.trunk.net.conv1, [encoder.encode_images, lambda images: encoder.encode_pyramid(images)[-1]]


def medslip() -> tuple[nn.Module, nn.Module, list[Any]]:
    net = MedslipNet(places=False)
    return net, net.res_features[0], [net.patches, lambda images: net.pyramid(images)[-1]]


def hugging_face() -> tuple[nn.Module, nn.Module, list[Any]]:
    config = ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=SIDE, patch_size=8
    )
    encoder = HfEncoder(ViTModel(config, add_pooling_layer=False), KINDS["vit"], PLAIN, None)
    return encoder, encoder.model, [encoder.encode_images, lambda images: encoder.encode_pyramid(images)[-1]]


def motor() -> tuple[nn.Module, nn.Module, list[Any]]:
    net = StudyNet(BlipNet(BlipVisionModel(tiny_vision(8, SIDE))), None)
    return net, net.vision_model, [net.view_tokens, net.image_tokens]


@pytest.mark.parametrize("made", [resnet, medslip, hugging_face, motor])
def test_the_trunk_runs_once_and_the_numbers_stay(made: Any) -> None:
    torch.manual_seed(0)
    module, counted, functions = made()
    module.eval()
    runs: list[int] = []
    counted.register_forward_hook(lambda *_: runs.append(1))
    images = torch.rand(2, 3, SIDE, SIDE)
    with torch.inference_mode():
        apart = [function(images) for function in functions]
        assert len(runs) == 2
        runs.clear()
        with one_batch():
            together = [function(images) for function in functions]
        assert len(runs) == 1
    assert all(torch.equal(one, other) for one, other in zip(apart, together, strict=True))
