"""What MeDSLIP's loader takes, and what it refuses in one line that says what the file is and what mends it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import torch

from medbench.capabilities import LoadRequest
from medbench.errors import CheckpointError, MissingCheckpointError
from medbench_methods import medslip
from medbench_methods.nets.families import MEDST, MGCA
from medbench_methods.nets.family_phantom import official_layout as family_layout
from medbench_methods.nets.medslip_loading import ANATOMY
from medbench_methods.nets.medslip_phantom import official_layout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

    from medbench_methods.nets.medslip_encoder import MedslipEncoder

NORM = "decoder_anatomy.norm.weight"


def hollow(layout: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every tensor a view of one zero, so that a file of it is small."""
    return {key: torch.zeros((), dtype=like.dtype).expand(like.shape) for key, like in layout.items()}


@pytest.fixture
def state() -> dict[str, Tensor]:
    return hollow(official_layout())


@pytest.fixture
def load(tmp_path: Path) -> Callable[[dict[str, Tensor]], MedslipEncoder]:
    def load(state: dict[str, Tensor]) -> MedslipEncoder:
        path = tmp_path / "MeDSLIP_resnet50.pth"
        torch.save({"model": state, "optimizer": {}, "lr_scheduler": {}, "config": {"N": 4}, "epoch": 99}, path)
        return medslip.load(LoadRequest(variant="resnet50", checkpoint=path))

    return load


@pytest.fixture
def refused(load: Callable[..., MedslipEncoder]) -> Callable[[dict[str, Tensor]], str]:
    def refuse(state: dict[str, Tensor]) -> str:
        with pytest.raises(CheckpointError) as caught:
            load(state)
        line = str(caught.value)
        assert "\n" not in line
        assert "MeDSLIP_resnet50.pth" in line
        return line

    return refuse


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state,
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {key.replace("pathology_embedding", "disease_embedding"): value for key, value in state.items()},
        lambda state: {key: value for key, value in state.items() if not key.startswith("cl_fc_")},
        lambda state: {key: value for key, value in state.items() if not key.startswith("decoder_pathology.norm.")},
        lambda state: {key: value for key, value in state.items() if key != NORM},
    ],
    ids=["published", "data-parallel", "grounding-name", "no-training-heads", "one-norm", "the-other-norm"],
)
def test_forms_in_which_the_file_is_met_are_taken(change, state, load) -> None:
    model = load(change(state))
    assert model.net.has_places
    assert model.net.decoder_anatomy.norm is model.net.decoder_pathology.norm
    assert not model.training


def test_a_file_without_the_anatomy_stream_answers_all_but_product_maps(state, load) -> None:
    model = load({key: value for key, value in state.items() if not key.startswith(ANATOMY)})
    assert not model.net.has_places
    with pytest.raises(CheckpointError, match="no anatomy stream"):
        model.ground_product(torch.zeros(1, 3, 32, 32), ["pneumonia"])


def test_norms_that_are_not_tied_are_refused(state, refused) -> None:
    line = refused(state | {NORM: torch.ones(256)})
    assert "decoder_anatomy.norm.weight and decoder_pathology.norm.weight differ" in line


def test_what_is_missing_spare_or_misshapen_is_counted_and_named(state, refused) -> None:
    del state["res_features.6.5.bn3.weight"], state["classifier_pathology.bias"]
    assert "2 missing keys (res_features.6.5.bn3.weight, classifier_pathology.bias)" in refused(state)
    state = hollow(official_layout())
    assert "1 unexpected key (queue)" in refused(state | {"queue": torch.zeros(1)})
    narrow = state | {"mask_generator.weight": torch.zeros(256, 256)}  # as with a ResNet-18
    assert "1 tensor of another shape (mask_generator.weight (256, 256) for (1024, 1024))" in refused(narrow)


def test_half_an_anatomy_stream_is_refused(state, refused) -> None:
    line = refused({key: value for key, value in state.items() if not key.startswith("res_l1_anatomy.")})
    assert "2 missing keys (res_l1_anatomy.weight, res_l1_anatomy.bias)" in line


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (hollow(family_layout(MGCA, "resnet50")), r"an MGCA checkpoint .* - use --methods mgca$"),
        (hollow(family_layout(MEDST, "vit-b16")), r"a MedST checkpoint .* - use --methods medst$"),
        ({"module.res_l1.weight": torch.zeros(1)}, r"a MedKLIP checkpoint .* - use --methods medklip$"),
        ({"gloria.img_encoder.x": torch.zeros(1)}, r"a GLoRIA checkpoint .* - use --methods gloria$"),
        ({"vision_model.model.x": torch.zeros(1)}, r"a MedCLIP checkpoint .* - use --methods medclip$"),
        ({"res_l1.weight": torch.zeros(1), "bert_l1.bias": torch.zeros(1)}, r"a ConVIRT checkpoint .*methods convirt$"),
        ({"res_features.0.weight": torch.zeros(1), "res_out.weight": torch.zeros(1)}, "fine-tuned for classification"),
        ({"mask_generator.weight": torch.zeros(1), "up_blocks.0.x": torch.zeros(1)}, "fine-tuned for segmentation"),
        ({"layer4.2.conv3.weight": torch.zeros(1)}, r"a plain ResNet-50 .* - use --methods imagenet$"),
        ({"backbone.stem": torch.zeros(1)}, r"not a MeDSLIP checkpoint \(no mask_generator.\*; it holds backbone.stem"),
    ],
    ids=[
        "mgca",
        "medst",
        "medklip",
        "gloria",
        "medclip",
        "convirt",
        "fine-tuned",
        "fine-tuned-masks",
        "resnet",
        "unrelated",
    ],
)
def test_another_methods_file_is_named(state, said, refused) -> None:
    assert re.search(said, refused(state))


def test_no_file_a_cut_one_and_one_with_code(tmp_path, state, load) -> None:
    with pytest.raises(MissingCheckpointError, match="medslip@resnet50 needs its checkpoint file"):
        medslip.load(LoadRequest(variant="resnet50", checkpoint=None))
    path = tmp_path / "MeDSLIP_resnet50.pth"
    with pytest.raises(MissingCheckpointError, match="no checkpoint at"):
        medslip.load(LoadRequest(variant="resnet50", checkpoint=path))
    load(state)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(CheckpointError, match=r"truncated or not a checkpoint|not a readable checkpoint"):
        medslip.load(LoadRequest(variant="resnet50", checkpoint=path))
    torch.save({"model": state, "config": re.compile}, path)
    with pytest.raises(CheckpointError, match="only code could rebuild"):
        medslip.load(LoadRequest(variant="resnet50", checkpoint=path))
