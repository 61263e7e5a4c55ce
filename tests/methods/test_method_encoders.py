"""Encoders offer what they claim, and an image's features depend on that image alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from medbench.capabilities import DenseImageEncoder, ImageEncoder, LoadRequest, TextEncoder
from medbench_methods import random_weights

if TYPE_CHECKING:
    from torch import Tensor

    from medbench_methods.nets.aligned import AlignedEncoder
    from medbench_methods.nets.encoders import VisionEncoder
    from medbench_methods.nets.multiview import MultiViewEncoder


@pytest.fixture(scope="module", params=["mgca@resnet50", "medst@vit-b16", "random@resnet50", "random@vit-b16"])
def encoder(request: pytest.FixtureRequest, mgca_resnet: AlignedEncoder, medst_vit: MultiViewEncoder) -> VisionEncoder:
    method, variant = request.param.split("@")
    if method == "random":
        return random_weights.load(LoadRequest(variant=variant, checkpoint=None, seed=5))
    return mgca_resnet if method == "mgca" else medst_vit


def test_image_capabilities_are_satisfied(encoder: VisionEncoder) -> None:
    assert isinstance(encoder, ImageEncoder)
    assert isinstance(encoder, DenseImageEncoder)
    assert isinstance(encoder, torch.nn.Module)
    assert not encoder.training
    assert {tensor.dtype for tensor in encoder.parameters()} == {torch.float32}


def test_text_capability_is_satisfied(mgca_resnet: AlignedEncoder, medst_vit: MultiViewEncoder) -> None:
    assert isinstance(mgca_resnet, TextEncoder)
    assert isinstance(medst_vit, TextEncoder)


@torch.inference_mode()
def test_features_do_not_depend_on_the_batch(encoder: VisionEncoder, images: Tensor) -> None:
    together = encoder.encode_images(images)
    assert together.shape == (3, encoder.embed_dim)
    alone = torch.cat([encoder.encode_images(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(encoder.encode_images(images), together, rtol=0, atol=0)


@torch.inference_mode()
@pytest.mark.parametrize("side", [224, 256])
def test_maps_have_the_declared_channels_and_strides(encoder: VisionEncoder, images: Tensor, side: int) -> None:
    image = torch.nn.functional.interpolate(images[:1], size=(side, side), mode="bilinear")
    shapes = [tuple(level.shape) for level in encoder.encode_pyramid(image)]
    declared = zip(encoder.channels, encoder.strides, strict=True)
    assert shapes == [(1, channels, side // stride, side // stride) for channels, stride in declared]


@torch.inference_mode()
def test_mgca_upsamples_for_the_global_feature_and_not_for_maps(mgca_resnet: AlignedEncoder, images: Tensor) -> None:
    deepest = mgca_resnet.encode_pyramid(images[:1])[-1]
    assert mgca_resnet.encode_local(images[:1]).shape == (1, 361, 1024)
    assert not torch.allclose(mgca_resnet.encode_images(images[:1]), deepest.mean(dim=(2, 3)), atol=1e-3)


@torch.inference_mode()
def test_projections_reach_the_joint_space(mgca_resnet: AlignedEncoder, images: Tensor) -> None:
    assert mgca_resnet.project_images(mgca_resnet.encode_images(images)).shape == (3, mgca_resnet.joint_dim)
    assert mgca_resnet.project_local(mgca_resnet.encode_local(images[:1])).shape == (1, 361, mgca_resnet.joint_dim)


def test_train_mode_reaches_the_trunks_batch_norm(images: Tensor) -> None:
    model = random_weights.load(LoadRequest(variant="resnet50", checkpoint=None, seed=0))
    before = model.trunk.net.bn1.running_mean.clone()
    with torch.no_grad():
        model.train().encode_pyramid(images[:2])
    assert not torch.equal(model.trunk.net.bn1.running_mean, before)
    after = model.trunk.net.bn1.running_mean.clone()
    with torch.no_grad():
        model.eval().encode_pyramid(images[:2])
    assert torch.equal(model.trunk.net.bn1.running_mean, after)


def test_gradients_reach_the_trunk(encoder: VisionEncoder, images: Tensor) -> None:
    encoder.encode_pyramid(images[:1])[-1].square().mean().backward()
    first = encoder.trunk.net.conv1 if hasattr(encoder.trunk.net, "conv1") else encoder.trunk.net.patch_embed.proj
    assert first.weight.grad is not None
    assert float(first.weight.grad.abs().sum()) > 0
    encoder.zero_grad(set_to_none=True)


@torch.inference_mode()
@pytest.mark.parametrize(
    ("architecture", "patch", "prefix"), [("vit_tiny_patch16_224", 16, 1), ("vit_small_patch14_reg4_dinov2", 14, 5)]
)
def test_a_trunk_of_any_plain_vit(architecture: str, patch: int, prefix: int) -> None:
    """Its width, its patches and its tokens in front are read off the net: registers are no patches."""
    from medbench_methods.nets.trunks import ViTTrunk

    trunk = ViTTrunk(architecture, pool="mean", img_size=4 * patch, depth=2).eval()
    images = torch.rand(2, 3, 4 * patch, 6 * patch, generator=torch.Generator().manual_seed(1))
    pooled, patches = trunk.features(images)
    tokens = trunk.net.forward_features(images)
    assert tokens.shape[1] == prefix + 24
    torch.testing.assert_close(patches, tokens[:, prefix:])
    torch.testing.assert_close(pooled, tokens[:, prefix:].mean(dim=1))
    assert pooled.shape == (2, trunk.embed_dim)
    (grid,) = trunk.pyramid(images)
    assert grid.shape == (2, *trunk.channels, 4, 6) and trunk.strides == (patch,)
