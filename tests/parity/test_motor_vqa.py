"""MOTOR's question net computes what the release computes, padding in its type attention included."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from motor_goldens import assert_motor, golden_root, load_motor
from weights import golden_arrays, golden_images

from medbench_methods.nets.motor_flavour import MOTOR

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor
    from vision_language_goldens import Drawn

IMAGES = [0, 1, 1, 0]
CLOSED = torch.tensor([True, False, True, False])
KEPT = ("BLIP.visual_encoder.", "BLIP.text_encoder.", "BLIP.text_encoder1.", "typeatt.", "question_linear.")
HEADS = ("close_classifier.main.", "open_classifier.main.")
NOT_NETS = {
    "vit_token_index",
    "labels_close",
    "labels_open_index",
    "score_close",
    "score_open",
    "eval_score",
    "eval_labels",
}
"""Which tokens were kept, and the released accuracy with its labels: the task's to compute, from logits."""


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "golden" / "motor-vqa-slake"


@pytest.fixture(scope="module")
def golden(folder: Path) -> dict[str, NDArray[Any]]:
    return golden_arrays(folder)


@pytest.fixture(scope="module")
def questions(folder: Path) -> list[str]:
    asked: list[str] = json.loads((folder / "golden.json").read_text())["questions"]
    return asked


@pytest.fixture(scope="module")
def model(folder: Path, shared: Path, drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = golden_root(tmp_path_factory.mktemp("motor"), shared)
    state = drawn.state(folder, lambda key: not key.startswith((*KEPT, *HEADS)))
    return load_motor(state, "model_state", root, "vqa-slake")[0]


@pytest.fixture(scope="module")
def found(model: Any, golden: dict[str, NDArray[Any]], questions: list[str]) -> dict[str, Tensor]:
    with torch.no_grad():
        return question_arrays(model, golden, questions)


def question_arrays(model: Any, golden: dict[str, NDArray[Any]], questions: list[str]) -> dict[str, Tensor]:
    net, images = model.questions, golden_images(128)
    tokens = net.vision_model(images).last_hidden_state
    ids, mask = model.texts.questions(questions)
    ids[:, 0] = MOTOR.ids.cls
    each = tokens[IMAGES]
    arrays = {"input_ids": ids, "attention_mask": mask, "vit_tokens": tokens[:, golden["vit_token_index"]]}
    for name, encoder, rows in (("close", net.text_encoder, CLOSED), ("open", net.text_encoder1, ~CLOSED)):
        words = encoder.embeddings(input_ids=ids[rows])
        states = encoder(ids[rows], attention_mask=mask[rows]).last_hidden_state
        fused = encoder(ids[rows], attention_mask=mask[rows], encoder_hidden_states=each[rows]).last_hidden_state
        arrays |= {
            f"w_emb_{name}": words[:, ::3, ::8],
            f"q_emb_{name}": states[:, ::3, ::8],
            f"blip_{name}": fused[:, 0],
            f"typeatt_{name}": net.typeatt(words, states, mask[rows]),
            f"feat_{name}": net.joint_feature(encoder, each[rows], ids[rows], mask[rows]),
        }
    ask: Callable[[list[int]], tuple[Tensor, Tensor]] = lambda rows: net.encode_questions(  # noqa: E731
        images[[IMAGES[row] for row in rows]], [questions[row] for row in rows], CLOSED[rows]
    )
    for name, rows in {"": [0, 1, 2, 3], "pair0_": [0, 1], "pair1_": [2, 3]}.items():
        arrays[f"{name}logits_close"], arrays[f"{name}logits_open"] = ask(rows)
    for pair, rows in ((0, [0, 1]), (1, [2, 3])):
        pair_ids = model.texts.questions([questions[row] for row in rows]).ids
        pair_ids[:, 0] = MOTOR.ids.cls
        arrays[f"pair{pair}_input_ids"] = pair_ids
    (arrays["single0_logits"], no_open), (no_closed, arrays["single1_logits"]) = ask([0]), ask([1])
    assert no_open.shape == (0, 225)
    assert no_closed.shape == (0, 35)
    return arrays


@pytest.mark.parametrize(
    "name",
    [
        *("input_ids", "attention_mask", "vit_tokens", "w_emb_close", "q_emb_close", "q_emb_open"),
        *(f"{what}_{head}" for what in ("blip", "typeatt", "feat", "logits") for head in ("close", "open")),
        *(f"pair{pair}_{what}" for pair in (0, 1) for what in ("input_ids", "logits_close", "logits_open")),
        *("single0_logits", "single1_logits"),
    ],
)
def test_array_equals_the_golden(name: str, found: dict[str, Tensor], golden: dict[str, NDArray[Any]]) -> None:
    assert_motor(golden, name, found[name])


def test_released_scores_follow_from_the_logits(found: dict[str, Tensor], golden: dict[str, NDArray[Any]]) -> None:
    labels = {"close": torch.from_numpy(golden["labels_close"]), "open": torch.zeros(2, 225)}
    labels["open"][[0, 1], golden["labels_open_index"]] = 1
    for head, label in labels.items():
        chosen = torch.zeros_like(label).scatter(1, found[f"logits_{head}"].argmax(dim=1, keepdim=True), 1)
        np.testing.assert_array_equal((chosen * label).numpy(), golden[f"score_{head}"])


def test_the_model_asks_without_padding_whatever_the_batch(
    found: dict[str, Any], golden: dict[str, NDArray[Any]], model: Any, questions: list[str]
) -> None:
    """Questions of a batch get the logits that the release gives to each of them alone."""
    with torch.no_grad():
        closed, open_ = model.encode_questions(golden_images(128)[IMAGES], questions, CLOSED)
    assert_motor(golden, "single0_logits", closed[:1])
    assert_motor(golden, "single1_logits", open_[:1])
    assert not torch.allclose(closed[:1], found["logits_close"][:1], rtol=1e-4, atol=1e-5), "there padding is read"


def test_every_array_is_compared_or_the_tasks(found: dict[str, Tensor], golden: dict[str, NDArray[Any]]) -> None:
    assert set(golden) - set(found) == NOT_NETS
