"""M-FLAG from both of its files gives what networks built apart from it give; without projections it serves images alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from in_memory import load_in_memory
from known_files import hollow
from torch import nn
from torchvision.models import resnet50
from transformers import BertConfig, BertModel

from medbench.capabilities import LoadRequest
from medbench.errors import CheckpointError
from medbench.inspection import choices_named, inspect
from medbench_methods import m_flag

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "no", "edema", "the", "heart", "is", "small")


class Whole(nn.Module):
    """The networks of a whole file, under its names."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = resnet50(weights=None)
        self.encoder.fc = nn.Identity()
        self.proj_v = projection(2048)
        self.proj_t = projection(768)
        self.lm_model = BertModel(BertConfig(vocab_size=30522, layer_norm_eps=1e-12))


def projection(width: int) -> nn.Sequential:
    layers = nn.Sequential(
        nn.Linear(width, 2048),
        nn.BatchNorm1d(2048),
        nn.ReLU(),
        nn.Linear(2048, 1024),
        nn.BatchNorm1d(1024, affine=False),
    )
    for norm in (layers[1], layers[4]):  # what has been trained on
        nn.init.normal_(norm.running_mean, std=0.1)
        nn.init.uniform_(norm.running_var, 0.5, 2.0)
    nn.init.uniform_(layers[1].weight, 0.5, 2.0)
    return layers


@pytest.fixture(scope="module")
def whole() -> Whole:
    torch.manual_seed(4)
    return Whole().eval()


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("assets")
    folder = root / "tokenizers" / "cxr-bert-general"
    folder.mkdir(parents=True)
    filler = (f"[unused{index}]" for index in range(30522 - len(WORDS)))
    (folder / "vocab.txt").write_text("\n".join((*WORDS, *filler)) + "\n")
    return root


@pytest.fixture(scope="module")
def model(whole: Whole, vocabulary: Path) -> Any:
    return load_in_memory(m_flag.load, "resnet50", whole.state_dict(), vocabulary)


@pytest.fixture(scope="module")
def images_alone(whole: Whole, vocabulary: Path) -> Any:
    return load_in_memory(m_flag.load, "resnet50", whole.encoder.state_dict(), vocabulary, texts=False)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_images_as_torchvision_makes_them(model: Any, images_alone: Any, whole: Whole, images: Tensor) -> None:
    small = images[:, :, :96, :96]
    expected = whole.encoder(small)
    close(model.encode_images(small), expected)
    close(images_alone.encode_images(small), expected)
    close(model.encode_images(small[2:]), expected[2:])


@torch.inference_mode()
def test_projection_of_images(model: Any, whole: Whole, images: Tensor) -> None:
    features = model.encode_images(images[:, :, :64, :64])
    assert model.project_images(features).shape == (3, 1024)
    close(model.project_images(features), whole.proj_v(features))


@torch.inference_mode()
def test_texts_are_as_when_padded_to_512_tokens(model: Any, whole: Whole) -> None:
    """As the method pads them; padded to the longest of a batch they are the same and cost less."""
    ids = torch.tensor([[2, 5, 6, 3, *[0] * 508]])
    states = whole.lm_model(ids, attention_mask=(ids != 0).long()).last_hidden_state
    expected = whole.proj_t(states[:, 0])
    close(model.encode_texts(["no edema"]), expected)
    close(model.encode_texts(["the heart is small", "No Edema"])[1:], expected)


@torch.inference_mode()
def test_the_encoder_alone_says_that_texts_are_not_there(images_alone: Any, vocabulary: Path, tmp_path: Path) -> None:
    path = tmp_path / "M-FLAG_encoder.pth"
    torch.save(
        {key: torch.zeros(()).expand(tensor.shape) for key, tensor in images_alone.trunk.net.state_dict().items()}, path
    )
    model = m_flag.load(LoadRequest(variant="resnet50", checkpoint=path, assets=vocabulary))
    with pytest.raises(
        CheckpointError, match=r"M-FLAG_encoder\.pth does not fit m-flag@resnet50 \(texts, .*missing keys"
    ):
        model.encode_texts(["no edema"])
    with pytest.raises(CheckpointError, match="holds the encoder alone, no proj_v"):
        model.project_images(torch.zeros(1, 2048))


@pytest.mark.parametrize("key", ["proj_v.3.weight", "proj_v.1.running_mean"])
def test_a_projection_in_part_is_refused(key: str) -> None:
    shapes = {key: tuple(tensor.shape) for key, tensor in hollow(m_flag.published("resnet50")).items()}
    without = {name: shape for name, shape in shapes.items() if name != key}
    assert m_flag.keys("resnet50", without)[0].matching.missing == (key,)
    misshapen = m_flag.keys("resnet50", shapes | {key: (7, 7)})[0].matching.misshapen
    assert [one[0] for one in misshapen] == [key]


def test_each_file_is_told_by_its_keys() -> None:
    shapes = {key: tuple(tensor.shape) for key, tensor in hollow(m_flag.published("resnet50")).items()}
    images, texts = m_flag.keys("resnet50", shapes)
    assert (images.layout, images.matching.complaint(), texts.matching.complaint()) == (m_flag.WHOLE, None, None)
    trunk = {key.removeprefix("encoder."): shape for key, shape in shapes.items() if key.startswith("encoder.")}
    images, texts = m_flag.keys("resnet50", trunk)
    assert (images.layout, images.matching.complaint()) == (m_flag.TRUNK.name, None)
    assert len(images.matching.matched) == 318 and len(texts.matching.missing) > 190


def test_the_encoder_alone_is_said_to_be_known_for_images(tmp_path: Path) -> None:
    state = {
        key.removeprefix("encoder."): tensor
        for key, tensor in hollow(m_flag.published("resnet50")).items()
        if key.startswith("encoder.")
    }
    torch.save(state, tmp_path / "a.pth")
    found = inspect(tmp_path / "a.pth", choices_named(m_flag.SPEC, None))
    assert (found.state, found.as_dict()["fits"][0]["images_only"]) == ("known", True)


@pytest.mark.parametrize("key", ["fc.weight", "encoder.fc.weight", "momentum.encoder.conv1.weight"])
def test_other_keys_are_not_overlooked(key: str) -> None:
    shapes = {key: tuple(tensor.shape) for key, tensor in hollow(m_flag.published("resnet50")).items()}
    assert m_flag.keys("resnet50", shapes | {key: (1000, 2048)})[0].matching.unexpected == (key,)
