"""The how-to's one file: under 80 lines, and all that a stranger needs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from known_files import hollow, save

from medbench.capabilities import DenseImageEncoder, ImageEncoder, LoadRequest, TextEncoder
from medbench.errors import CheckpointError

if TYPE_CHECKING:
    from types import ModuleType

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "known-shape.md"
SOURCE = PAGE.read_text(encoding="utf-8").partition('```python title="medbench_mine.py"\n')[2].partition("```\n")[0]


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    path = tmp_path_factory.mktemp("page") / "medbench_mine.py"
    path.write_text(SOURCE, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("medbench_mine", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_short() -> None:
    assert 40 < len(SOURCE.splitlines()) < 80


@torch.inference_mode()
def test_its_file_loads_with_images_and_texts(mine: ModuleType, tmp_path: Path, assets: Path) -> None:
    published = mine.published("resnet50")
    path = save(published, hollow(published), tmp_path / "last.ckpt")
    model = mine.load(LoadRequest(variant="resnet50", checkpoint=path, assets=assets))
    assert isinstance(model, ImageEncoder) and isinstance(model, DenseImageEncoder) and isinstance(model, TextEncoder)
    features = model.encode_images(torch.zeros(1, 3, 64, 64))
    assert features.shape == (1, 2048)
    assert model.project_images(features).shape == model.encode_texts(["no effusion"]).shape == (1, 256)
    assert torch.equal(model.projection.weight, torch.zeros(256, 2048))


def test_the_table_of_its_page_is_what_the_file_holds(mine: ModuleType) -> None:
    state = hollow(mine.published("resnet50"))
    for key, shape in (("model.visual_head.weight", (256, 2048)), ("model.text_head.weight", (256, 768))):
        assert f"`{key}` | {', '.join(map(str, shape))} |" in PAGE.read_text(encoding="utf-8")
        assert tuple(state[key].shape) == shape


def test_a_file_of_another_method_is_refused_by_name(mine: ModuleType, tmp_path: Path) -> None:
    from medbench_methods import gloria

    other = gloria.published("resnet50")
    path = save(other, hollow(other), tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match=r"does not fit mine@resnet50 .*nearest known layout is gloria@resnet50"):
        mine.load(LoadRequest(variant="resnet50", checkpoint=path))
