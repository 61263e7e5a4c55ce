"""MedST's views: any batch size, a lateral expert, and an absent lateral that changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from medbench.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from medbench_methods.nets.multiview import MultiViewEncoder

pytestmark = pytest.mark.usefixtures("_no_gradients")


@pytest.fixture
def _no_gradients():
    with torch.inference_mode():
        yield


def test_three_images_are_a_batch_and_not_a_pair_of_views(medst_vit: MultiViewEncoder, images: Tensor) -> None:
    assert medst_vit.encode_images(images).shape == (3, 768)
    assert medst_vit.encode_local(images).shape == (3, 196, 768)


def test_absent_lateral_leaves_the_frontal_feature(medst_vit: MultiViewEncoder, images: Tensor) -> None:
    frontal, lateral = images[:2], images[1:]
    views = medst_vit.encode_views(frontal, lateral, torch.tensor([False, True]))
    alone = medst_vit.encode_images(frontal)
    torch.testing.assert_close(views.features[0], alone[0], rtol=0, atol=1e-5)
    assert float((views.features[1] - alone[1]).abs().max()) > 1e-2


def test_views_give_the_tokens_of_both(medst_vit: MultiViewEncoder, images: Tensor) -> None:
    views = medst_vit.encode_views(images[:1], images[1:2], torch.tensor([False]))
    assert views.tokens.shape == (1, 392, 768)
    torch.testing.assert_close(views.tokens[:, :196], medst_vit.encode_local(images[:1]), rtol=0, atol=1e-5)


def test_lateral_expert_is_another_one(medst_vit: MultiViewEncoder, images: Tensor) -> None:
    frontal, lateral = medst_vit.encode_images(images[:1]), medst_vit.encode_images(images[:1], view="lateral")
    assert float((frontal - lateral).abs().max()) > 1e-2
    for block in medst_vit.trunk.net.blocks:
        assert block.mlp_l is not block.mlp
    together = medst_vit.encode_images(images, view="lateral")
    torch.testing.assert_close(together[:1], lateral, rtol=1e-4, atol=1e-5)


def test_equal_experts_make_the_views_equal(medst_vit: MultiViewEncoder, images: Tensor) -> None:
    saved = {name: tensor.clone() for name, tensor in medst_vit.trunk.state_dict().items() if "_l." in name}
    for block in medst_vit.trunk.net.blocks:
        block.mlp_l.load_state_dict(block.mlp.state_dict())
        block.norm2_l.load_state_dict(block.norm2.state_dict())
    frontal, lateral = medst_vit.encode_images(images[:1]), medst_vit.encode_images(images[:1], view="lateral")
    medst_vit.trunk.load_state_dict(saved, strict=False)
    torch.testing.assert_close(frontal, lateral, rtol=1e-4, atol=1e-5)


def test_resnet_has_no_joint_view(images: Tensor) -> None:
    from medbench_methods.nets.drawing import draw_weights
    from medbench_methods.nets.families import MEDST
    from medbench_methods.nets.family import make_on_meta
    from medbench_methods.nets.loading import fill
    from medbench_methods.nets.multiview import MultiViewEncoder

    model = make_on_meta(MEDST, "resnet50", MultiViewEncoder, None)
    fill(model, draw_weights(model.state_dict(), seed=0))
    assert isinstance(model, MultiViewEncoder)
    torch.testing.assert_close(model.encode_images(images[:1], view="lateral"), model.encode_images(images[:1]))
    with pytest.raises(UsageError, match="one view at a time"):
        model.encode_views(images, images, torch.ones(3, dtype=torch.bool))
