"""MOTOR fine-tuned for retrieval, by one view and by two, and for diagnosis, computes what the release computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from motor_goldens import (
    assert_motor,
    golden_root,
    load_motor,
    match_arrays,
    text_arrays,
    two_views,
)
from torch.nn.functional import normalize
from vision_language_goldens import is_left_out
from weights import golden_arrays, golden_images, golden_sentences

from medbench.capabilities import StudyEncoder
from medbench_methods.nets.blip_keys import published_key
from medbench_tasks.retrieval.ranking import Search, rank
from medbench_tasks.retrieval.relevance import Relevance
from medbench_tasks.retrieval.reranking import pairs_of, rescore

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor
    from vision_language_goldens import Drawn

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
    folder: Path, golden: dict[str, NDArray[Any]], shared: Path, drawn: Drawn, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Tensor]:
    root, variant = golden_root(tmp_path_factory.mktemp("motor"), shared), VIEWS[folder.name]
    state = drawn.state(folder, is_left_out)
    with torch.no_grad():
        (model,) = load_motor(state, "model", root, variant)
        assert isinstance(model, StudyEncoder) == (variant == "retrieval-iu")
        arrays = retrieval_arrays(model, golden)
        _into_momentum(model, drawn.state(folder, lambda key: not key.startswith(MOMENTUM)))
        single = model.net.view_tokens(golden_images())[:, 0]  # the golden's momentum branch reads one view in both
        return arrays | {"image_feat_m": normalize(model.net.vision_proj(single), dim=-1)}


def retrieval_arrays(model: Any, golden: dict[str, NDArray[Any]]) -> dict[str, Tensor]:
    tokens, projected = _read_images(model)
    feature = normalize(projected, dim=-1)
    arrays = text_arrays(model) | match_arrays(model, tokens)
    cosine, logits = feature @ arrays["text_feat"].T, arrays["itm_logits"][..., 1]
    matched = torch.stack([model.match(one[None], golden_sentences()) for one in tokens])
    torch.testing.assert_close(matched, logits)  # what a task re-ranks by
    scores = {
        name: one for k in (1, 2) for name, one in reranked_scores(feature, arrays["text_feat"], logits, k).items()
    }
    return arrays | scores | {"vit_tokens": tokens[:, golden["vit_token_index"]], "image_feat": feature, "itc": cosine}


def reranked_scores(images: Tensor, texts: Tensor, logits: Tensor, k: int) -> dict[str, Tensor]:
    """Both ways, (Q, C): what the task re-ranks the ``k`` nearest by, and the -100 that the release gives all others."""
    features = {"i2t": (images.numpy(), texts.numpy()), "t2i": (texts.numpy(), images.numpy())}
    lists = [rank(*both, _first_is_right(len(both[0])), Search(), k).shortlist for both in features.values()]
    pairs = pairs_of(*lists, len(texts))
    scores = {}
    for way, rescored in zip(features, rescore(*lists, len(texts), pairs, logits.numpy().ravel()[pairs]), strict=True):
        matrix = np.full([len(side) for side in features[way]], -100, np.float32)
        np.put_along_axis(matrix, rescored.shortlist.items.astype(np.int64), rescored.scores, axis=1)
        scores[f"score_{way}_k{k}"] = torch.from_numpy(matrix)
    return scores


def _first_is_right(queries: int) -> Relevance:
    """Any relevance: shortlists do not ask for it."""
    numbers = np.arange(queries)
    return Relevance.of_pairs(numbers, np.zeros_like(numbers), queries)


def _read_images(model: Any) -> tuple[Tensor, Tensor]:
    """Tokens and projected features by the capabilities that a task reads them by: `StudyEncoder` where there is one."""
    if isinstance(model, StudyEncoder):
        tokens = model.study_tokens(two_views())
        return tokens, model.project_studies(tokens[:, 0])
    tokens = model.image_tokens(golden_images())
    return tokens, model.project_images(tokens[:, 0])


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


def test_diagnosis_feature_equals_the_golden(shared: Path, drawn: Drawn, tmp_path: Path) -> None:
    folder = shared / "golden" / "motor-diagnosis"
    image_side = drawn.state(folder, lambda key: key.startswith("text_encoder.encoder."))
    (model,) = load_motor(image_side, "state_dict", tmp_path, "diagnosis")
    with torch.inference_mode():
        feature = model.encode_images(golden_images())
    arrays = golden_arrays(folder)
    assert set(arrays) == {"image_cls"}
    assert_motor(arrays, "image_cls", feature)
