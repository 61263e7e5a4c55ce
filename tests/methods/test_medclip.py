"""MedCLIP from both of its files gives what networks built apart from it give, and sees what the release sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
import torch
from in_memory import load_in_memory
from known_files import hollow
from PIL import Image
from swin_files import stored_swin, their_swin
from torch import nn
from torchvision.models import resnet50
from transformers import BertConfig, BertModel

from medbench.preprocessing import normalised, resized
from medbench_methods import medclip

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

TEXTS = ["no edema", "the heart is small and pneumonia is worse ."]
IDS = [[2, 5, 9, 10, 3], [2, 15, 16, 7, 13, 11, 6, 7, 8, 17, 3]]  # of the vocabulary in conftest
ONE = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(4))


class Sentences(NamedTuple):
    """The text tower that both files hold."""

    bert: nn.Module
    head: nn.Module

    def stored(self) -> dict[str, Tensor]:
        return {
            **prefixed("text_model.model.", self.bert),
            **prefixed("text_model.projection_head.", self.head),
            "text_model.model.embeddings.position_ids": torch.arange(512)[None],
            "logit_scale": torch.tensor(2.6593),
        }

    def read(self, ids: list[int]) -> Tensor:
        """(512,) of one text, by the release's rule: the mask goes to BERT, and the mean is over all places."""
        padded = torch.tensor([ids + [0] * (77 - len(ids))])
        mask = (torch.arange(77) < len(ids)).long()[None]
        states = self.bert(padded, attention_mask=mask, output_hidden_states=True).hidden_states
        found: Tensor = self.head(torch.stack([states[1], states[2], states[-1]]).mean(dim=(0, 2)))[0]
        return found


@pytest.fixture(scope="module")
def sentences() -> Sentences:
    torch.manual_seed(3)
    bert = BertModel(BertConfig(vocab_size=28996, layer_norm_eps=1e-12))
    return Sentences(bert.eval(), nn.Linear(768, 512, bias=False))


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    torch.manual_seed(3)
    net = resnet50(weights=None)
    net.fc = nn.Linear(2048, 512, bias=False)
    return net.eval()


@torch.inference_mode()
def test_the_resnets_features_stop_before_the_layer_that_leads_to_texts(resnet, assets: Path) -> None:
    state = prefixed("vision_model.model.", resnet)
    model = load_in_memory(medclip.load, "resnet50", state, assets, texts=False)
    features = model.encode_images(ONE)
    assert features.shape == (1, model.embed_dim) == (1, 2048)
    torch.testing.assert_close(model.project_images(features), resnet(ONE), rtol=1e-4, atol=1e-5)
    before = nn.Sequential(*list(resnet.children())[:-1])(ONE).flatten(1)
    torch.testing.assert_close(features, before, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_the_vit_is_transformers_swin_and_texts_are_means_of_three_layers(sentences, assets: Path) -> None:
    swin, head = their_swin(), nn.Linear(768, 512, bias=False)
    state = stored_swin(swin, "vision_model.model.") | prefixed("vision_model.projection_head.", head)
    model: Any = load_in_memory(medclip.load, "vit", state | sentences.stored(), assets)
    theirs = swin(ONE)
    features = model.encode_images(ONE)
    assert features.shape == (1, model.embed_dim) == (1, 768)
    torch.testing.assert_close(features, theirs.pooler_output, rtol=0, atol=1e-5)
    torch.testing.assert_close(model.project_images(features), head(theirs.pooler_output), rtol=1e-4, atol=1e-5)
    tokens = model.encode_pyramid(ONE)[-1].flatten(2).transpose(1, 2)
    torch.testing.assert_close(tokens, theirs.last_hidden_state, rtol=0, atol=1e-5)

    together = model.encode_texts(TEXTS)
    assert together.shape == (2, model.joint_dim)
    torch.testing.assert_close(together, torch.stack([sentences.read(ids) for ids in IDS]), rtol=1e-4, atol=1e-5)
    alone = model.encode_texts(TEXTS[:1])
    torch.testing.assert_close(alone[0], together[0], rtol=1e-4, atol=1e-5)  # whatever else is in the batch


@pytest.mark.parametrize("variant", ["resnet50", "vit"])
def test_a_file_has_one_place_for_each_tensor(variant: str) -> None:
    state = hollow(medclip.published(variant))
    for reading in medclip.keys(variant, {key: tuple(tensor.shape) for key, tensor in state.items()}):
        taken = [key for keys in reading.matching.matched.values() for key in keys]
        assert len(taken) == len(set(taken))
        assert reading.matching.complaint() is None
    (head,) = (key for key in state if key.endswith(("model.fc.weight", "vision_model.projection_head.weight")))
    images, texts = medclip.keys(variant, {key: tuple(one.shape) for key, one in state.items() if key != head})
    assert images.matching.missing == (head,)
    assert texts.matching.complaint() is None


@pytest.mark.parametrize(
    ("variant", "stranger"),
    [("resnet50", "vision_model.model.fc.bias"), ("vit", "vision_model.model.pooler.dense.weight")],
)
def test_what_the_file_cannot_hold_is_named(variant: str, stranger: str) -> None:
    shapes = {key: tuple(one.shape) for key, one in hollow(medclip.published(variant)).items()}
    images, _ = medclip.keys(variant, shapes | {stranger: (512,)})
    assert images.matching.unexpected == (stranger,)


def test_the_other_variants_file_does_not_fit() -> None:
    shapes = {key: tuple(one.shape) for key, one in hollow(medclip.published("vit")).items()}
    images, texts = medclip.keys("resnet50", shapes)
    assert images.matching.fitting == 0
    assert texts.matching.complaint() is None, "both files hold the same text tower"


@pytest.mark.parametrize("shape", [(300, 201), (100, 150)], ids=["large", "below 224"])
def test_images_are_laid_on_a_black_square_and_then_scaled(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    side = max(224, *shape)
    canvas = Image.new("L", (side, side), 0)
    canvas.paste(Image.fromarray(pixels), ((side - shape[1]) // 2, (side - shape[0]) // 2))
    theirs = np.asarray(canvas.resize((224, 224), Image.Resampling.BICUBIC))
    ours = resized(pixels, medclip.PREPROCESS)
    assert np.abs(ours.astype(int) - theirs).max() <= 1  # newer Pillow may scale the height first
    tensor = normalised(torch.from_numpy(ours)[None], medclip.PREPROCESS)
    expected = (torch.from_numpy(ours) / 255 - 0.5862785803043838) / 0.27950088968644304
    torch.testing.assert_close(tensor[0], expected.expand(3, 224, 224))


def prefixed(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in module.state_dict().items()}
