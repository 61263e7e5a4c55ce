"""MeDSLIP gives what the published classes give: pre-training, zero-shot, grounding, on the goldens' weights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
import torch
from medslip_goldens import PNEUMONIA, forward_arrays, load_medslip, pretraining_loss, with_golden_books
from weights import ATOL, RTOL, assert_golden, golden_arrays, golden_images

from medbench_methods.nets.medslip_findings import FINDINGS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from medbench_methods.nets.medslip_encoder import MedslipEncoder

# Golden folder -> the folder whose weights it was computed with. The grounding class has a projection of another name.
WEIGHTS = {
    "medslip-pretrain": "medslip-pretrain",
    "medslip-zs-cxr14": "medslip-pretrain",
    "medslip-zs-rsna": "medslip-pretrain",
    "medslip-ground-rsna": "medslip-ground-rsna",
    "medslip-ground-rsna-remapped": "medslip-pretrain",
}
SHARED = ("pathology_query", "res_features", "mask", "patch_pathology", "dec_pathology", "attn_last_pathology")
PLACES = ("anatomy_query", "patch_anatomy", "dec_anatomy", "attn_last_anatomy", "attn_first_anatomy", "logits_anatomy")
MAPS = ("attn_mean4_pneumonia", "attn_mean4_pathology", "attn_mean4_anatomy", "map_plain", "map_ws_p")
CHESTX_RAY14 = (
    *("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax"),
    *("Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia"),
)
ELSEWHERE = {
    **dict.fromkeys(("pathology_book", "anatomy_book"), "inputs here; compared in test_medslip_texts"),
    **dict.fromkeys(("pathology_input_ids", "pathology_attention_mask", "anatomy_input_ids"), "test_medslip_texts"),
    **dict.fromkeys(("ap_matrix", "labels_pathology", "labels_anatomy"), "inputs of the loss"),
}


class Case(NamedTuple):
    """A golden folder's arrays, the encoder on its weights, and what it computes; ``released`` feeds the mask itself."""

    name: str
    arrays: dict[str, NDArray]
    model: MedslipEncoder
    computed: dict[str, Tensor]

    @property
    def released(self) -> bool:
        return "ground" in self.name


@pytest.fixture(scope="module")
def models(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, MedslipEncoder]:
    golden = shared / "golden"
    return {name: load_medslip(golden, name, tmp_path_factory.mktemp("weights")) for name in set(WEIGHTS.values())}


@pytest.fixture(scope="module", params=WEIGHTS)
def case(
    request: pytest.FixtureRequest,
    shared: Path,
    models: dict[str, MedslipEncoder],
    tmp_path_factory: pytest.TempPathFactory,
) -> Case:
    golden, name = shared / "golden", request.param
    model = with_golden_books(models[WEIGHTS[name]], golden / name, tmp_path_factory.mktemp("books"))
    arrays = golden_arrays(golden / name)
    computed = forward_arrays(model, "mask" if "ground" in name else "gated")
    computed |= _by_capabilities(model, "ground" in name)
    if name == "medslip-pretrain":
        computed |= {
            "ap_logits": computed["all_ap_logits"][:, ::3, ::5],
            "loss_no_cl": pretraining_loss(computed, arrays),
        }
    return Case(name, arrays, model, computed)


@pytest.mark.parametrize("folder", ["medslip-zs-cxr14", "medslip-zs-rsna"])
def test_the_evaluated_classes_have_the_tensors_of_the_pretrained_one(folder: str, shared: Path) -> None:
    """So that by the rule, which goes by key, their weights are the same, and one file serves them all."""
    ours, theirs = (
        json.loads((shared / "golden" / name / "manifest.json").read_text()) for name in (folder, "medslip-pretrain")
    )
    assert ours["state_dict"] == theirs["state_dict"]
    assert ours["tied"] == theirs["tied"]


def test_every_array_of_the_model_equals_the_published_one(case: Case) -> None:
    names = set(case.arrays) & set(case.computed)
    assert names >= {*SHARED, *(MAPS if case.released else ())}
    assert case.name not in {"medslip-pretrain", "medslip-ground-rsna"} or names >= set(PLACES)
    for name in sorted(names):
        assert_golden(case.arrays, name, case.computed[name])


def test_every_golden_array_is_compared_or_named(case: Case) -> None:
    scores = {f"score_{branch}_{at}_f64" for branch in ("plain", "ws_p") for at in ("script", "mid")}
    expected = scores if case.released else set()  # compared in the next test
    assert set(case.arrays) - set(case.computed) - set(ELSEWHERE) == expected


def test_our_maps_score_as_the_published_ones(case: Case, shared: Path) -> None:
    from medbench_tasks.grounding.metrics import areas_of, count, per_image

    if not case.released:
        return  # the other folders hold no maps
    setups = json.loads((shared / "golden" / case.name / "golden.json").read_text())["score_setup"]
    for branch, script in (("plain", 0.0), ("ws_p", 0.01)):
        maps = case.computed[f"map_{branch}"].double().numpy().repeat(16, axis=1).repeat(16, axis=2)
        truth = np.zeros(maps.shape, np.bool_)
        for image, (top, bottom, left, right) in enumerate(setups[branch]["boxes_rows_cols"]):
            truth[image, top:bottom, left:right] = True
        for at, threshold in (("script", script), ("mid", setups[branch]["mid_threshold"])):
            areas = areas_of([count(one, mask, threshold) for one, mask in zip(maps, truth, strict=True)])
            values = per_image(areas)
            found = [len(maps), values["pointing-game-as-released"].sum(), *values["iou"], *values["dice"]]
            np.testing.assert_allclose(found, case.arrays[f"score_{branch}_{at}_f64"], rtol=1e-9)


@torch.inference_mode()
def test_global_feature_is_the_mean_of_the_deepest_published_map(case: Case) -> None:
    deepest = case.model.encode_pyramid(golden_images())[-1]
    np.testing.assert_allclose(
        case.model.encode_images(golden_images()), deepest.mean(dim=(2, 3)), rtol=RTOL, atol=ATOL
    )


def _by_capabilities(model: MedslipEncoder, released: bool) -> dict[str, Tensor]:
    """What a task gets by asking: probabilities, maps, and the maps over the batch's maximum as released."""
    images = golden_images()
    with torch.inference_mode():
        patches, books = model.net.patches(images), model.books
        gate = "mask" if released else "gated"
        logits = model.net.classifier_pathology(model.net.ask_findings(patches, books.pathology, gate).features)
        pneumonia = model.ground(images, ["pneumonia"], as_released=released)
        product = model.ground_product(images, ["Pneumonia"], as_released=released)
        places = model.net.ask_places(patches, books.anatomy, gate).attention.mean(dim=1)
        plain_map, product_map = pneumonia[:, 0] / pneumonia.max(), product[:, 0] / product.max()
        probability = model.classify(images, ["pneumonia"])
        return {
            "logits": logits,
            "prob75": model.classify(images, list(FINDINGS)),
            "prob14": model.classify(images, list(CHESTX_RAY14)),
            "pneumonia_logits": logits[:, PNEUMONIA],
            "prob": torch.cat([probability, 1 - probability], dim=1),
            "attn_mean4_pneumonia": pneumonia[:, 0].flatten(1),
            "attn_mean4_pathology": model.ground(images, list(FINDINGS[::5]), as_released=released).flatten(2),
            "attn_mean4_anatomy": places,
            "map_plain": plain_map,
            "map_ws_p": product_map,
            "map224_plain_sum": plain_map.sum(dim=(1, 2)) * 256,
            "map224_ws_p_sum": product_map.sum(dim=(1, 2)) * 256,
        }
