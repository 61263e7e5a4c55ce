"""MOTOR fine-tuned for reports, of one view and of two, writes what the release writes, token for token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from motor_goldens import assert_motor, golden_motor_state, golden_root, is_left_out, load_motor, two_views
from weights import golden_arrays, golden_sentences

from medbench_methods.nets.blip_search import beam_search, search
from medbench_methods.nets.motor_flavour import MOTOR

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

VIEWS = {"motor-generation": "generation-mimic", "motor-generation-iu": "generation-iu"}
MIN_LENGTH = 5
RUNS = {"gen": ((1, 20), (3, 20), (3, 90)), "genv3": ((1, 20), (3, 20)), "genv4": ((1, 20), (3, 20))}
GENERATED = "genv4_b3_l20"
"""The run that goes through the model's own `generate` as well."""
END_BONUS = {"genv3": 3.0, "genv4": 4.0}


@pytest.fixture(scope="module", params=sorted(VIEWS))
def folder(request: pytest.FixtureRequest, shared: Path) -> Path:
    return shared / "golden" / request.param


@pytest.fixture(scope="module")
def golden(folder: Path) -> dict[str, NDArray[Any]]:
    return golden_arrays(folder)


@pytest.fixture(scope="module")
def found(
    folder: Path, golden: dict[str, NDArray[Any]], shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    root = golden_root(tmp_path_factory.mktemp("motor"), shared)
    state = golden_motor_state(folder, lambda key: is_left_out(key) or key.startswith("text_encoder.encoder."))
    model = load_motor(state, VIEWS[folder.name], "state_dict", root)
    with torch.no_grad():
        tokens = model.net.study_tokens(two_views())
        arrays = {"vit_tokens": tokens[:, golden["vit_token_index"]]} | learning_arrays(model, tokens)
        for name, runs in RUNS.items():
            vary(model, END_BONUS.get(name))
            for beams, length in runs:
                arrays |= writing_arrays(model, tokens, golden, f"{name}_b{beams}_l{length}", beams, length)
            vary(model, END_BONUS.get(name), back=True)
    return arrays


def vary(model: Any, bonus: float | None, *, back: bool = False) -> None:
    """The golden's further weights, which write varied tokens: smaller outputs of attention, a likelier end."""
    if bonus is None:
        return
    decoder = model.net.text_decoder
    for name, parameter in decoder.named_parameters():
        if name.endswith("attention.output.dense.weight"):
            parameter.mul_(1 / 0.3 if back else 0.3)
    decoder.cls.predictions.bias[MOTOR.ids.sep] += -bonus if back else bonus


def learning_arrays(model: Any, tokens: Tensor) -> dict[str, Tensor]:
    reports = model.texts.reports(golden_sentences())
    each = tokens[[0, 1, 0, 1]]
    logits = model.net.text_decoder(reports.ids, attention_mask=reports.mask, encoder_hidden_states=each).logits
    return {
        "lm_input_ids": reports.ids,
        "lm_attention_mask": reports.mask,
        "lm_loss_sum": model.net.caption_losses(each, reports, prompt=len(model.texts.prompt_ids)),
        "lm_logits": logits[..., ::97],
        "lm_argmax": logits.argmax(dim=-1),
        "gen_prompt_ids": torch.tensor([model.texts.prompt_ids] * 2),
    }


def writing_arrays(
    model: Any, tokens: Tensor, golden: dict[str, NDArray[Any]], name: str, beams: int, length: int
) -> dict[str, Any]:
    decoder, prompt = model.net.text_decoder, model.texts.prompt_ids
    asked = {"beams": beams, "min_length": MIN_LENGTH, "max_length": length}
    if beams > 1:
        best = beam_search(decoder, prompt, tokens, ids=MOTOR.ids, **asked)
        arrays = {name: best.ids, f"{name}_score": best.scores, f"{name}_caption": captions_of(model, best.ids)}
        return arrays | ({"generated": model.generate(two_views(), **asked)} if name == GENERATED else {})
    ids = search(decoder, prompt, tokens, ids=MOTOR.ids, **asked)
    # The two likeliest at each step, by forcing the golden's own ids; the end cannot come first.
    forced = torch.from_numpy(golden[name])
    logits = decoder(forced, attention_mask=torch.ones_like(forced), encoder_hidden_states=tokens).logits
    steps = logits[:, len(prompt) - 1 : -1].clone()
    steps[:, : MIN_LENGTH - len(prompt), MOTOR.ids.sep] = -torch.inf
    top2 = steps.topk(2, dim=-1).values
    return {name: ids, f"{name}_caption": captions_of(model, ids), f"{name}_top2": top2}


def captions_of(model: Any, ids: Tensor) -> list[str]:
    texts: list[str] = model.texts.written(ids[:, len(model.texts.prompt_ids) :])
    return texts


@pytest.mark.parametrize("name", ["vit_tokens", "lm_input_ids", "lm_attention_mask", "lm_loss_sum", "lm_logits"])
def test_array_equals_the_golden(name: str, found: dict[str, Any], golden: dict[str, NDArray[Any]]) -> None:
    assert_motor(golden, name, found[name])


def test_likeliest_tokens_and_prompt_equal_the_golden(found: dict[str, Any], golden: dict[str, NDArray[Any]]) -> None:
    for name in ("lm_argmax", "gen_prompt_ids"):
        assert_motor(golden, name, found[name])


@pytest.mark.parametrize(
    "name", [f"{name}_b{beams}_l{length}" for name, runs in RUNS.items() for beams, length in runs]
)
def test_text_equals_the_golden_token_for_token(
    name: str, found: dict[str, Any], golden: dict[str, NDArray[Any]], folder: Path
) -> None:
    assert_motor(golden, name, found[name])
    captions = json.loads((folder / "golden.json").read_text())["captions"][name]
    for ours, theirs in zip(found[f"{name}_caption"], captions, strict=True):
        # The release cuts 13 characters, which takes one of a first piece that continues a word.
        assert theirs.strip() in (ours, ours[1:])


def test_the_models_own_generate_gives_the_same(found: dict[str, Any]) -> None:
    assert found["generated"] == found[f"{GENERATED}_caption"]


@pytest.mark.parametrize(
    "name", [f"{name}_b{beams}_l{length}_score" for name, runs in RUNS.items() for beams, length in runs if beams > 1]
)
def test_score_of_a_beam_equals_the_golden(name: str, found: dict[str, Any], golden: dict[str, NDArray[Any]]) -> None:
    assert_motor(golden, name, found[name])


@pytest.mark.parametrize("name", list(RUNS))
def test_likeliest_two_tokens_of_each_step_equal_the_golden(
    name: str, found: dict[str, Any], golden: dict[str, NDArray[Any]]
) -> None:
    run = f"{name}_b1_l20"
    prompt = golden["gen_prompt_ids"].shape[1]
    for ours, theirs, ids in zip(found[f"{run}_top2"], golden[f"{run}_top2"], golden[run][:, prompt:], strict=True):
        ended = np.flatnonzero(ids == MOTOR.ids.sep)
        steps = int(ended[0]) + 1 if len(ended) else len(ids)  # what follows the end is padding
        np.testing.assert_allclose(ours[:steps], theirs[:steps], rtol=1e-4, atol=1e-5)


def test_every_array_is_compared_or_given(found: dict[str, Any], golden: dict[str, NDArray[Any]]) -> None:
    assert set(golden) - set(found) == {"vit_token_index"}
