"""MeDSLIP as tasks see it: what it can do, on drawn weights in the published form."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING

import pytest
import torch

from medbench.capabilities import (
    DenseImageEncoder,
    FineTunable,
    Grounder,
    ImageEncoder,
    LoadRequest,
    QueryClassifier,
    TextEncoder,
)
from medbench.checkpoints import mark_phantom, read_checkpoint
from medbench.errors import MissingCheckpointError, UsageError
from medbench_methods import medslip
from medbench_methods.nets.medslip_books import VECTORS, read_books, write_books
from medbench_methods.nets.medslip_findings import FINDINGS, PLACES, query_indices
from medbench_methods.nets.medslip_phantom import drawn_books, official_layout

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from medbench_methods.nets.medslip_encoder import MedslipEncoder

ASKED = ["pneumonia", "Pleural_Effusion", "fibrosis"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (path,) = medslip.write_phantom(tmp_path_factory.mktemp("checkpoints"), seed=4)
    mark_phantom(path)
    return path


@pytest.fixture(scope="module")
def model(file: Path) -> MedslipEncoder:
    return medslip.load(LoadRequest(variant="resnet50", checkpoint=file, assets=file.parents[1]))


@pytest.fixture(scope="module")
def small(images: Tensor) -> Tensor:
    """(3, 3, 64, 96): four by six patches."""
    return images[..., :64, :96]


def test_it_has_the_capabilities_that_its_spec_names(model: MedslipEncoder) -> None:
    for kind in (ImageEncoder, DenseImageEncoder, QueryClassifier, Grounder, FineTunable):
        assert isinstance(model, kind)
    assert not isinstance(model, TextEncoder)
    offered = medslip.SPEC.variant(None).capabilities
    assert offered == {"ImageEncoder", "DenseImageEncoder", "QueryClassifier", "Grounder"}


@torch.inference_mode()
def test_features_and_maps_have_the_stated_shapes(model: MedslipEncoder, small: Tensor) -> None:
    maps = model.encode_pyramid(small)
    stated = [(3, c, 64 // s, 96 // s) for c, s in zip(model.channels, model.strides, strict=True)]
    assert [tuple(one.shape) for one in maps] == stated
    assert min(float(one.min()) for one in maps) == 0  # after the ReLU
    assert model.encode_images(small).shape == (3, model.embed_dim)
    assert float(model.encode_images(small).std(dim=0).mean()) > 1e-3


@torch.inference_mode()
def test_probabilities_belong_to_the_finding_whatever_else_is_asked(model: MedslipEncoder, small: Tensor) -> None:
    scores = model.classify(small, ASKED)
    assert scores.shape == (3, 3)
    assert 0 <= float(scores.min()) <= float(scores.max()) <= 1
    assert float(scores.std(dim=1).min()) > 1e-4
    assert torch.allclose(model.classify(small, ASKED[::-1]), scores.flip(1), atol=1e-6)
    assert torch.allclose(model.classify(small[:1], ["effusion"]), scores[:1, 1:2], atol=1e-5)
    assert torch.allclose(model.classify(small, ["tail_abnorm_obs"]), scores[:, 2:], atol=1e-6)


@torch.inference_mode()
def test_half_precision_does_not_tie_images(model: MedslipEncoder, small: Tensor) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = model.classify(small, ["pneumonia"])
    assert scores.dtype == torch.float32
    assert not torch.equal(scores, scores.bfloat16().float())


@torch.inference_mode()
def test_maps_are_attention_over_the_grid(model: MedslipEncoder, small: Tensor) -> None:
    plain, product = model.ground(small, ASKED), model.ground_product(small, ASKED)
    assert plain.shape == product.shape == (3, 3, 4, 6)
    assert torch.allclose(plain.sum(dim=(2, 3)), torch.ones(3, 3), atol=1e-5)
    assert bool((product <= plain).all())
    assert not torch.allclose(model.ground(small, ASKED, as_released=True), plain, rtol=1e-3, atol=0)
    assert not torch.allclose(model.ground_product(small, ASKED, as_released=True), product, rtol=1e-3, atol=0)


@torch.inference_mode()
def test_row_major_cells_follow_the_image(model: MedslipEncoder, small: Tensor) -> None:
    """Patch ``row * width + column`` is the cell at that row and column."""
    patches = model.net.patches(small)
    deepest = model.encode_pyramid(small)[-1]
    assert torch.equal(patches[:, 1 * 6 + 2], deepest[:, :, 1, 2])


def test_an_unknown_finding_is_refused_with_the_nearest(model: MedslipEncoder, small: Tensor) -> None:
    for ask in (model.classify, model.ground, model.ground_product):
        with pytest.raises(UsageError, match=r"unknown finding of medslip 'pneumonias' - did you mean 'pneumonia'\?"):
            ask(small, ["effusion", "pneumonias"])


def test_names_are_unique_and_aliases_lead_to_queries() -> None:
    assert (len(set(FINDINGS)), len(set(PLACES))) == (75, 51)
    assert query_indices(["Infiltration", "Pleural Thickening", "lung mass", "PICC"]) == [56, 43, 54, 34]


def test_texts_are_read_when_first_asked_for(file: Path, tmp_path: Path, small: Tensor) -> None:
    model = medslip.load(LoadRequest(variant="resnet50", checkpoint=file, assets=tmp_path))
    with torch.inference_mode():
        assert model.encode_images(small).shape == (3, 1024)
        with pytest.raises(MissingCheckpointError, match="no texts at"):
            model.classify(small, ["pneumonia"])
    write_books(tmp_path / "medslip" / VECTORS, drawn_books(1))
    with torch.inference_mode():
        assert model.classify(small, ["pneumonia"]).shape == (3, 1)


@pytest.mark.parametrize("masked", [False, True])
def test_the_fine_tuning_form_is_drawn_from_its_seed_and_trains_apart(
    model: MedslipEncoder, small: Tensor, masked: bool
) -> None:
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    encoders = [model.fine_tuning_encoder(seed, masked=masked) for seed in (1, 1, 2)]
    assert torch.equal(torch.random.get_rng_state(), before)
    with torch.inference_mode():
        one, again, other = (encoder.encode_images(small) for encoder in encoders)
    assert one.shape == (3, encoders[0].embed_dim) == (3, 2048)
    assert torch.equal(one, again)
    assert not torch.allclose(one, other)
    assert encoders[0].preprocess is model.preprocess

    kept = deepcopy(model.net.res_features.state_dict())
    optimiser = torch.optim.SGD(encoders[0].parameters(), lr=1.0)
    encoders[0].train().encode_images(small).square().mean().backward()
    assert all(parameter.grad is not None for parameter in encoders[0].parameters())
    optimiser.step()
    assert all(torch.equal(value, kept[name]) for name, value in model.net.res_features.state_dict().items())


def test_the_phantom_has_the_published_form(file: Path, shared: Path) -> None:
    checkpoint = read_checkpoint(file)
    assert set(checkpoint.values) == {"optimizer", "lr_scheduler", "config", "epoch"}
    published = json.loads((shared / "golden" / "medslip-pretrain" / "manifest.json").read_text())
    layout = {key: [list(like.shape), str(like.dtype)[6:]] for key, like in official_layout().items()}
    assert list(layout.items()) == list(published["state_dict"].items())
    assert list(checkpoint.tensors) == list(layout)
    for key, first in published["tied"].items():
        assert checkpoint.tensors[key].data_ptr() == checkpoint.tensors[first].data_ptr()


def test_the_phantom_keeps_a_persons_vectors(tmp_path: Path) -> None:
    write_books(tmp_path / "medslip" / VECTORS, drawn_books(1))
    with pytest.raises(UsageError, match="is not a phantom"):
        medslip.write_phantom(tmp_path, seed=0)
    assert read_books(tmp_path).pathology.shape == (75, 768)
