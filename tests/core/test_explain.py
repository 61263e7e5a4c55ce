"""Relevance maps as pictures: which method may be asked, what comes out, and what is refused."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from medbench.capabilities import LoadRequest, Preprocess, TokenMap
from medbench.errors import TrialError, UsageError
from medbench.explain import Explanation, explain
from medbench.images import ImageError
from medbench.overlays import overlay, write_grid, write_overlay
from medbench.selection import MethodChoice
from medbench.settings import Settings
from medbench.specs import MethodSpec, MethodVariant

HOW = Preprocess(resize=16, mode="squash", crop=16, mean=(0.5,) * 3, std=(0.5,) * 3)


class Pointer(torch.nn.Module):
    """Each word looks at another row; a negative relevance is to be cut."""

    preprocess = HOW
    shape: tuple[int, ...] = (4, 4)
    level = 1.0

    def explain(self, images: torch.Tensor, text: str, *, target: str = "logit") -> list[TokenMap]:
        assert images.shape == (1, 3, 16, 16)
        found = []
        for row, word in enumerate(text.split()):
            relevance = torch.full(self.shape, -1.0)
            relevance[row % 4] = self.level * (1 if target == "logit" else 2)
            found.append(TokenMap(word, relevance))
        return found

    def ground(self, images: torch.Tensor, findings: list[str]) -> torch.Tensor:
        return torch.ones(1, len(findings), 2, 2)


def load(request: LoadRequest) -> torch.nn.Module:
    model = Pointer()
    model.shape = (4,) if request.variant == "flat" else (4, 4)
    model.level = float("nan") if request.variant == "broken" else 1.0
    return model.eval()


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module = types.ModuleType("pointer_plugin")
    module.load = load  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pointer_plugin", module)
    yield


@pytest.fixture
def image(tmp_path: Path) -> Path:
    Image.fromarray(np.arange(1200, dtype=np.uint16).astype(np.uint8).reshape(30, 40)).save(tmp_path / "film.png")
    return tmp_path / "film.png"


def choice(variant: str = "plain", *capabilities: str) -> MethodChoice:
    offered = frozenset(capabilities or ("Explainer",))
    found = MethodVariant(id=variant, title="", checkpoint=None, capabilities=offered)
    return MethodChoice(
        MethodSpec(id="pointer", title="", summary="", variants=(found,), loader="pointer_plugin:load", licence=""),
        found,
    )


def test_the_whole_text_is_the_mean_of_its_tokens(image: Path, settings: Settings) -> None:
    found = explain(choice(), image, "left effusion", settings, target="logit")
    assert (found.method, found.tokens, found.maps.shape) == ("pointer@plain", ("left", "effusion"), (2, 4, 4))
    assert found.pixels.shape == (16, 16, 3)
    np.testing.assert_array_equal(found.whole[:, 0], [0.5, 0.5, 0, 0])
    assert explain(choice(), image, "left", settings, target="nll").whole.max() == 2


def test_a_grounder_gives_one_map_without_tokens(image: Path, settings: Settings) -> None:
    found = explain(choice("plain", "Grounder"), image, "effusion", settings, target="logit")
    assert (found.tokens, found.maps.shape, found.whole.shape) == ((), (0, 2, 2), (2, 2))
    with pytest.raises(UsageError, match="no target"):
        explain(choice("plain", "Grounder"), image, "effusion", settings, target="nll")


@pytest.mark.parametrize(
    ("chosen", "text", "error", "reason"),
    [
        (("plain", "ImageEncoder"), "a", UsageError, "cannot explain: it is no Explainer and no Grounder"),
        (("plain",), "  ", UsageError, "the text is empty"),
        (("flat",), "a", TrialError, r"no maps of one size for the text \(\(4,\)\)"),
        (("broken",), "a", TrialError, "not finite"),
    ],
)
def test_what_cannot_be_explained_is_said(
    image: Path, settings: Settings, chosen: tuple[str, ...], text: str, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        explain(choice(*chosen), image, text, settings, target="logit")


def test_a_text_without_a_word_is_refused(image: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pointer, "explain", lambda *_, **__: [])
    with pytest.raises(UsageError, match=r"pointer@plain reads no word in '\.\.\.'"):
        explain(choice(), image, "...", settings, target="logit")


def test_a_missing_image_is_named(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(ImageError, match=r"no such image: gone\.png"):
        explain(choice(), tmp_path / "gone.png", "a", settings, target="logit")


def test_an_overlay_reddens_what_is_relevant_and_leaves_the_rest() -> None:
    pixels = np.full((40, 60, 3), 128, np.uint8)
    relevance = np.zeros((4, 6), np.float32)
    relevance[0, 0] = 1
    drawn = overlay(pixels, relevance)
    red, green, blue = (drawn[2, 2, channel].astype(int) for channel in range(3))
    assert red > 100 + blue
    assert green < 60
    np.testing.assert_allclose(drawn[-5:, -5:], 128, atol=30)  # splines overshoot a little


@given(arrays(np.float32, (3, 5), elements=st.floats(0, 1e6, width=32)))
def test_any_map_can_be_drawn(relevance: np.ndarray) -> None:
    drawn = overlay(np.zeros((17, 31, 3), np.uint8), relevance)
    assert (drawn.shape, drawn.dtype) == ((17, 31, 3), np.uint8)


def test_a_flat_map_leaves_the_image_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    np.testing.assert_array_equal(overlay(pixels, np.full((4, 4), 3.0, np.float32)), pixels)


def test_pictures_are_written_with_a_panel_a_token(tmp_path: Path) -> None:
    maps = np.random.default_rng(0).random((8, 4, 4)).astype(np.float32)
    tokens = ("the", "$heart", "_is_", "<b>", "##ly", "不", "\\frac", "normal")
    explanation = Explanation("m", "t", np.zeros((32, 32, 3), np.uint8), maps.mean(0), tokens, maps)
    write_overlay(explanation, tmp_path / "whole.png")
    write_grid(explanation, tmp_path / "grid.png")
    with Image.open(tmp_path / "whole.png") as whole, Image.open(tmp_path / "grid.png") as grid:
        assert whole.size == (32, 32)
        assert grid.width > grid.height, "nine panels in two rows of six"
