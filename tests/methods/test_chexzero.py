"""CheXzero against OpenAI's CLIP as open_clip rebuilds it, and files that are none of its own."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from open_models import check_stable
from torch.nn.functional import interpolate

open_clip = pytest.importorskip("open_clip")

from open_clip.model import build_model_from_openai_state_dict  # noqa: E402

from medbench.capabilities import DenseImageEncoder, ImageEncoder, LoadRequest, TextEncoder  # noqa: E402
from medbench.checkpoints import read_checkpoint  # noqa: E402
from medbench.errors import CheckpointError, MissingCheckpointError, PluginError  # noqa: E402
from medbench.preprocessing import normalised  # noqa: E402
from medbench_methods import chexzero  # noqa: E402
from medbench_methods.nets.chexzero_layout import Sizes, needed, sizes_of  # noqa: E402

TEXTS = ["Pneumonia", "no Pneumonia", "a very long impression " * 40]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (path,) = chexzero.write_phantom(tmp_path_factory.mktemp("checkpoints"), seed=3)
    return path


@pytest.fixture(scope="module")
def state(path: Path) -> dict[str, torch.Tensor]:
    return dict(read_checkpoint(path).tensors)


@pytest.fixture(scope="module")
def model(path: Path) -> Any:
    return load(path)


@pytest.fixture(scope="module")
def reference(state: dict[str, torch.Tensor]) -> Any:
    clip = build_model_from_openai_state_dict(dict(state), cast_dtype=torch.float32).float()
    clip.load_state_dict(state)
    return clip.eval()


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    return torch.rand(3, 3, 320, 320, generator=torch.Generator().manual_seed(7)) * 2 - 1


def load(path: Path | None) -> Any:
    return chexzero.load(LoadRequest(variant="vit-b32", checkpoint=path))


def test_images_and_texts_agree_with_openais_clip(model: Any, reference: Any, pictures: torch.Tensor) -> None:
    assert isinstance(model, ImageEncoder) and isinstance(model, TextEncoder)
    assert not isinstance(model, DenseImageEncoder)
    assert (model.embed_dim, model.joint_dim) == (128, 64)
    with torch.inference_mode():
        small = interpolate(pictures, size=(224, 224), mode="bicubic", align_corners=False, antialias=False)
        joint = model.project_images(model.encode_images(pictures))
        torch.testing.assert_close(joint, reference.encode_image(small), atol=1e-5, rtol=1e-4)
        tokens = open_clip.SimpleTokenizer(context_length=77)(TEXTS)
        torch.testing.assert_close(model.encode_texts(TEXTS), reference.encode_text(tokens), atol=1e-5, rtol=1e-4)


def test_features_depend_on_the_image_alone(model: Any, pictures: torch.Tensor) -> None:
    check_stable(model, pictures)


def test_pixels_are_normalised_as_whole_numbers(model: Any) -> None:
    assert (model.preprocess.resize, model.preprocess.crop, model.preprocess.mode) == (320, 320, "pad")
    levels = torch.tensor([[[0, 101, 255]]], dtype=torch.uint8)
    found = normalised(levels, model.preprocess)[0, 1, 0]
    torch.testing.assert_close(found, (torch.tensor([0.0, 101.0, 255.0]) - 101.48761) / 83.43944)


def test_the_published_sizes_are_those_of_openais_vit_b_32() -> None:
    config = open_clip.get_model_config("ViT-B-32-quickgelu")
    with torch.device("meta"):
        clip = open_clip.CLIP(**config)
    shapes = {name: tuple(tensor.shape) for name, tensor in clip.state_dict().items()}
    assert dict(needed(Sizes())) == shapes
    assert sizes_of(shapes) == Sizes()
    (reading,) = chexzero.keys("vit-b32", shapes)
    assert (reading.matching.complaint(), reading.matching.fitting) == (None, len(shapes))


@pytest.mark.parametrize(
    "larger", [{"width": 832}, {"layers": 13}, {"text_width": 576}, {"text_layers": 13}, {"joint": 576}]
)
def test_a_net_larger_than_the_published_one_is_not_built(larger: dict[str, int]) -> None:
    shapes = dict(needed(Sizes(**larger)))
    assert sizes_of(shapes) == Sizes()
    assert chexzero.keys("vit-b32", shapes)[0].matching.complaint() is not None


def changed(state: dict[str, torch.Tensor], **tensors: torch.Tensor | None) -> dict[str, torch.Tensor]:
    merged = {**state, **{name.replace("__", "."): tensor for name, tensor in tensors.items()}}
    return {name: tensor for name, tensor in merged.items() if tensor is not None}


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"visual__proj": None}, r"1 missing key \(visual.proj\)"),
        ({"logit_bias": torch.zeros(())}, r"1 unexpected key \(logit_bias\)"),
        ({"visual__positional_embedding": torch.zeros(197, 128)}, r"\(197, 128\) for \(50, 128\)"),
        ({"visual__conv1__weight": torch.zeros(128, 3, 16, 16)}, r"\(128, 3, 16, 16\) for \(128, 3, 32, 32\)"),
        ({"positional_embedding": torch.zeros(97, 64)}, r"\(97, 64\) for \(77, 64\)"),
        ({"visual__ln_post__weight": torch.zeros(100)}, "tensor of another shape"),
        ({"visual__transformer__resblocks__1__ln_1__weight": None}, "unexpected key"),
        ({"text_projection": torch.zeros(64)}, "another shape"),
        ({"text_projection": torch.zeros(())}, "another shape"),
    ],
)
def test_another_clip_is_refused(
    state: dict[str, torch.Tensor], tensors: dict[str, Any], said: str, tmp_path: Path
) -> None:
    torch.save(changed(state, **tensors), tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=said) as caught:
        load(tmp_path / "other.pt")
    assert "the nearest known layout is chexzero@vit-b32's" in str(caught.value)


def test_a_file_of_another_method_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {"conv1.weight": torch.zeros(64, 3, 7, 7)}}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="missing keys"):
        load(tmp_path / "other.pt")
    with pytest.raises(MissingCheckpointError):
        load(None)


def test_parallel_training_puts_a_prefix_in_front_of_all(
    state: dict[str, torch.Tensor], model: Any, pictures: torch.Tensor, tmp_path: Path
) -> None:
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, tmp_path / "parallel.pt")
    with torch.inference_mode():
        torch.testing.assert_close(
            load(tmp_path / "parallel.pt").encode_images(pictures), model.encode_images(pictures)
        )


def test_without_open_clip_it_says_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "open_clip" else find(name, *more)
    )
    with pytest.raises(PluginError, match="open_clip is not installed") as caught:
        load(path)
    assert "medbench[open-clip]" in str(caught.value.fix)
