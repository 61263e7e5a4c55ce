"""The Swin trunk against transformers' own, by the names that it gave its tensors before version 5."""

from __future__ import annotations

import pytest
import torch
from swin_files import stored_swin, their_swin

from medbench.layouts import Layout
from medbench.one_pass import one_batch
from medbench_methods.nets.loading import fill, shapes_of, taken, tensor_shapes
from medbench_methods.nets.swin import SwinTrunk, positions_under, stored_under


@pytest.fixture(scope="module")
def state():
    return stored_swin(their_swin(), "visual.")


@pytest.fixture(scope="module")
def trunk(state):
    with torch.device("meta"):
        module = torch.nn.ModuleDict({"trunk": SwinTrunk()})
    layout = Layout(name="transformers 4", renames=stored_under("visual."), ignore=tuple(positions_under("visual.")))
    matching = layout.match(shapes_of(module), tensor_shapes(state))
    assert matching.complaint() is None
    assert set(matching.ignored) == set(positions_under("visual.")), "the numbers of a window's places alone are spare"
    fill(module, taken(state, matching, shapes_of(module)))
    return module["trunk"]


@pytest.mark.parametrize("size", [(224, 224), (256, 288)], ids=["own size", "padded windows"])
def test_tokens_are_those_of_transformers(trunk, size):
    images = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        theirs = their_swin()(images)  # a fresh one, because a small image changes it for good
        features, tokens = trunk.features(images)
    torch.testing.assert_close(tokens, theirs.last_hidden_state, rtol=0, atol=1e-5)
    torch.testing.assert_close(features, theirs.pooler_output, rtol=0, atol=1e-5)


def test_the_last_map_holds_the_tokens(trunk):
    images = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        maps, (features, tokens) = trunk.pyramid(images), trunk.features(images)
    assert [tuple(one.shape[1:]) for one in maps] == [(96, 16, 24), (192, 8, 12), (384, 4, 6), (768, 2, 3)]
    torch.testing.assert_close(maps[-1].flatten(2).transpose(1, 2), tokens)
    torch.testing.assert_close(maps[-1].mean(dim=(2, 3)), features)


def test_one_pass_serves_features_and_maps(trunk):
    calls = []
    handle = trunk.net.patch_embed.register_forward_hook(lambda *_: calls.append(1))
    images = torch.zeros(1, 3, 64, 64)
    with torch.inference_mode(), one_batch():
        trunk.pyramid(images)
        trunk.features(images)
    handle.remove()
    assert calls == [1]


def test_gradients_reach_the_images(trunk):
    images = torch.zeros(1, 3, 64, 64, requires_grad=True)
    (gradient,) = torch.autograd.grad(trunk.features(images)[0].sum(), images)
    assert gradient.abs().sum() > 0
