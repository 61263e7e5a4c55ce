"""MOTOR fine-tuned for retrieval, by one view and by two, and for diagnosis, computes what the release computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from motor_goldens import (
    assert_motor,
    golden_motor_state,
    golden_root,
    load_motor,
    match_arrays,
    published_scores,
    text_arrays,
    two_views,
)
from torch.nn.functional import normalize
from weights import golden_arrays, golden_images, golden_sentences

from medbench.capabilities import StudyEncoder
from medbench_methods.nets.blip_keys import published_key

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

VIEWS = {"motor-retrieval": "retrieval", "motor-retrieval-iu": "retrieval-iu"}
MOMENTUM = ("visual_encoder_m.", "vision_proj_m.")


@pytest.fixture(scope="module", params=sorted(VIEWS))
def folder(request: pytest.FixtureRequest, shared: Path) -> Path:
    return shared / "golden" / request.param


@pytest.fixture(scope="module")
def golden(folder: Path) -> dict[str, NDArray[Any]]:
    return golden_arrays(folder)


@pytest.fixture(scope="module")
def found(
    folder: Path, golden: dict[str, NDArray[Any]], shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Tensor]:
    root, variant = golden_root(tmp_path_factory.mktemp("motor"), shared), VIEWS[folder.name]
    state = golden_motor_state(folder)
    with torch.no_grad():
        model = load_motor(state, variant, "model", root)
        assert isinstance(model, StudyEncoder) == (variant == "retrieval-iu")
        arrays = retrieval_arrays(model, golden)
        _into_momentum(model, golden_motor_state(folder, lambda key: not key.startswith(MOMENTUM)))
        single = model.net.view_tokens(golden_images())[:, 0]  # the golden's momentum branch reads one view in both
        return arrays | {"image_feat_m": normalize(model.net.vision_proj(single), dim=-1)}


def retrieval_arrays(model: Any, golden: dict[str, NDArray[Any]]) -> dict[str, Tensor]:
    tokens, projected = _read_images(model)
    feature = normalize(projected, dim=-1)
    arrays = text_arrays(model) | match_arrays(model, tokens)
    cosine, logits = feature @ arrays["text_feat"].T, arrays["itm_logits"][..., 1]
    matched = torch.stack([model.match(one[None], golden_sentences()) for one in tokens])
    torch.testing.assert_close(matched, logits)  # what a task re-ranks by
    scores = {f"score_i2t_k{k}": published_scores(logits, cosine, k) for k in (1, 2)}
    scores |= {f"score_t2i_k{k}": published_scores(logits.T, cosine.T, k) for k in (1, 2)}
    return arrays | scores | {"vit_tokens": tokens[:, golden["vit_token_index"]], "image_feat": feature, "itc": cosine}


def _read_images(model: Any) -> tuple[Tensor, Tensor]:
    """Tokens and projected features by the capabilities that a task reads them by: `StudyEncoder` where there is one."""
    if isinstance(model, StudyEncoder):
        tokens = model.study_tokens(two_views())
        return tokens, model.project_studies(tokens[:, 0])
    return model.image_tokens(golden_images()), model.project_images(model.encode_images(golden_images()))


def _into_momentum(model: Any, momentum: dict[str, Tensor]) -> None:
    """Give the image's side the weights of its momentum copy, which the loader itself never reads."""
    for name, parameter in model.net.named_parameters():
        key = "_m.".join(published_key(name).split(".", 1))
        if key.startswith(MOMENTUM):
            parameter.copy_(momentum[key])


@pytest.mark.parametrize(
    "name",
    [
        *(f"{kind}text_{what}" for kind in ("", "raw") for what in ("input_ids", "cls", "tokens0", "feat")),
        *("vit_tokens", "image_feat", "itc", "itm_logits", "itm_cls", "image_feat_m"),
        *(f"score_{way}_k{k}" for way in ("i2t", "t2i") for k in (1, 2)),
    ],
)
def test_array_equals_the_golden(name: str, found: dict[str, Tensor], golden: dict[str, NDArray[Any]]) -> None:
    assert_motor(golden, name, found[name])


def test_every_array_is_compared_or_given(found: dict[str, Tensor], golden: dict[str, NDArray[Any]]) -> None:
    assert set(golden) - set(found) == {"vit_token_index"}


def test_diagnosis_feature_equals_the_golden(shared: Path, tmp_path: Path) -> None:
    folder = shared / "golden" / "motor-diagnosis"
    image_side = golden_motor_state(folder, lambda key: key.startswith("text_encoder.encoder."))
    model = load_motor(image_side, "diagnosis", "state_dict", tmp_path)
    with torch.inference_mode():
        feature = model.encode_images(golden_images())
    arrays = golden_arrays(folder)
    assert set(arrays) == {"image_cls"}
    assert_motor(arrays, "image_cls", feature)
