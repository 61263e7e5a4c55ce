"""What tiny BLIPs compute: features, matches, maps, reports and answers keep their contracts."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from blip_models import TEXTS, load_variant, some_images

from medbench.errors import UsageError
from medbench_methods import blip
from medbench_methods.nets.blip_answers import ranked_answers
from medbench_methods.nets.blip_explain import token_maps
from medbench_methods.nets.blip_flavour import BLIP
from medbench_methods.nets.blip_net import MATCH, wanted
from medbench_methods.nets.blip_texts import BlipTexts
from medbench_methods.nets.tokens import Tokens

if TYPE_CHECKING:
    from pathlib import Path

    from medbench_methods.nets.blip_model import BlipAnswerer, BlipPretrained
    from medbench_methods.nets.blip_net import BlipNet


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    blip.write_phantom(folder, seed=3)
    return folder


@pytest.fixture(scope="module")
def model(root: Path) -> BlipPretrained:
    """The pre-trained phantom, its weights five times as large: drawn ones of 0.02 tell texts apart by little."""
    return _louder(load_variant(root, "pretrain"))


@pytest.fixture(scope="module")
def answerer(root: Path) -> BlipAnswerer:
    return _louder(load_variant(root, "vqa"))


def _louder(model: BlipPretrained) -> BlipPretrained:
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(5)
    return model


@torch.inference_mode()
def test_features_are_the_last_norms_class_token_and_grid(model: BlipPretrained) -> None:
    images = some_images(2, 224)
    tokens = model.image_tokens(images)
    assert tokens.shape == (2, 197, model.embed_dim)
    assert torch.equal(model.encode_images(images), tokens[:, 0])
    (grid,) = model.encode_pyramid(images)
    assert grid.shape == (2, model.channels[0], 14, 14)
    torch.testing.assert_close(grid[:, :, 3, 5], tokens[:, 1 + 3 * 14 + 5])
    assert model.encode_texts(TEXTS).shape == model.project_images(tokens[:, 0]).shape == (2, model.joint_dim)


@torch.inference_mode()
@pytest.mark.parametrize(("height", "width"), [(32, 32), (48, 80), (240, 240)])
def test_other_sizes_interpolate_positions(model: BlipPretrained, height: int, width: int) -> None:
    (grid,) = model.encode_pyramid(torch.zeros(1, 3, height, width))
    assert grid.shape[2:] == (height // 16, width // 16)


@torch.inference_mode()
def test_one_image_or_one_text_goes_with_all(model: BlipPretrained) -> None:
    tokens = model.image_tokens(some_images())
    pairs = torch.stack([torch.cat([model.match(tokens[i : i + 1], [text]) for text in TEXTS]) for i in range(2)])
    assert pairs.unique().numel() == 4
    for i in range(2):
        torch.testing.assert_close(model.match(tokens[i : i + 1], TEXTS), pairs[i])
        torch.testing.assert_close(model.match(tokens, [TEXTS[i]]), pairs[:, i])
    torch.testing.assert_close(model.match(tokens, TEXTS), pairs.diagonal())


@torch.inference_mode()
def test_keys_of_what_is_given_once_are_computed_once(model: BlipPretrained) -> None:
    layer = model.net.text_encoder.encoder.layer[0]
    keyed: list[int] = []
    handles = [
        part.self.key.register_forward_hook(lambda module, inputs, output: keyed.append(len(output)))
        for part in (layer.attention, layer.crossattention)
    ]
    tokens = model.image_tokens(some_images())
    model.match(tokens[:1], TEXTS)
    model.match(tokens, TEXTS[:1])
    for handle in handles:
        handle.remove()
    assert keyed == [2, 1, 1, 2]


@torch.inference_mode()
def test_padding_moves_nothing(model: BlipPretrained) -> None:
    alone, padded = model.encode_texts(TEXTS[1:]), model.encode_texts(TEXTS)[1:]
    torch.testing.assert_close(alone, padded)


def test_maps_follow_the_words_of_a_text_as_each_target_cleans_it(model: BlipPretrained) -> None:
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    images = some_images(1, 64)
    with torch.no_grad():
        found = model.explain(images, "Mass, left.")
    assert [one.token for one in found] == ["m", "##a", "##s", "##s", ",", "l", "##e", "##f", "##t"]
    maps = torch.stack([one.relevance for one in found])
    assert maps.shape == (9, 4, 4)
    assert bool((maps >= 0).all())
    assert float(maps.max()) > 0
    released = model.explain(images, "Mass, left.", target="nll")
    assert [one.token for one in released] == ["m", "##a", "##s", "##s", "l", "##e", "##f", "##t"]
    assert model.explain(images, "") == model.explain(images, "?!", target="nll") == []


def test_maps_follow_what_speaks_for_a_match_and_as_released_what_speaks_against_it(model: BlipPretrained) -> None:
    """Where the other logit is 0, either target moves by the logit of a match alone: up with it, or down."""
    net, images, tokens = deepcopy(model.net), some_images(1, 64), model.texts.fused(["a mass in the left lobe"])
    with torch.no_grad():
        net.itm_head.weight[1 - MATCH] = net.itm_head.bias[1 - MATCH] = 0
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    logit, attention, gradient = _attention_of(net, images, tokens)
    maps = {name: token_maps(net, images, tokens, model.texts, name) for name in ("logit", "nll")}
    for name, expected in (("logit", gradient), ("nll", -gradient * (1 - logit.sigmoid()))):
        relevance = (attention * expected.clamp(min=0)).mean(dim=1)[0, 1:-1, 1:].unflatten(1, (4, 4))
        assert float(relevance.max()) > 0
        torch.testing.assert_close(torch.stack([one.relevance for one in maps[name]]), relevance)
    assert not torch.allclose(*(torch.stack([one.relevance for one in part]) for part in maps.values()))


def test_a_map_is_of_what_speaks_for_a_match_unless_asked_otherwise(model: BlipPretrained) -> None:
    images, text = some_images(1, 64), "a mass in the left lobe"
    expected = token_maps(model.net, images, model.texts.fused([text]), model.texts, "logit")
    found = model.explain(images, text)
    assert [one.token for one in found] == [one.token for one in expected]
    torch.testing.assert_close([one.relevance for one in found], [one.relevance for one in expected])


def _attention_of(
    net: BlipNet, images: torch.Tensor, tokens: Tokens
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The logit of a match, the first layer's cross-attention (two layers have no ninth), and its gradient."""
    kept: list[torch.Tensor] = []
    layer = net.text_encoder.encoder.layer[0].crossattention.self
    handle = layer.register_forward_hook(lambda module, inputs, outputs: kept.append(outputs[1]))
    logit = net.match_logits(net.image_tokens(images).requires_grad_(), tokens)[0, MATCH]
    handle.remove()
    (gradient,) = torch.autograd.grad(logit, kept[0])
    return logit.detach(), kept[0].detach(), gradient


@torch.inference_mode()
@pytest.mark.parametrize("beams", [1, 3])
def test_reports_are_written_without_the_prompt_and_alike_each_time(model: BlipPretrained, beams: int) -> None:
    images = some_images()[:, None]
    first = model.generate(images, beams=beams, min_length=5, max_length=12)
    assert len(first) == 2
    assert first == model.generate(images, beams=beams, min_length=5, max_length=12)
    assert all("a picture of" not in text for text in first)
    assert model.generate(images[1:], beams=beams, min_length=5, max_length=12) == first[1:]


def test_a_copy_learns_reports_and_the_model_does_not(model: BlipPretrained) -> None:
    before = model.net.text_decoder.cls.predictions.bias.clone()
    net = model.report_net(1, seed=0)
    head, words = net.net.text_decoder.cls.predictions.decoder, net.net.text_decoder.bert.embeddings.word_embeddings
    assert head.weight is words.weight
    images = some_images()[:, None]
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-2)
    net.eval()
    losses = []
    for _ in range(6):
        loss = net.report_loss(images, TEXTS)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert torch.equal(model.net.text_decoder.cls.predictions.bias, before)
    assert len(net.generate(images, beams=1, min_length=5, max_length=8)) == 2
    assert net.net.text_encoder is None


def test_dropout_works_in_training_alone(model: BlipPretrained) -> None:
    net = model.report_net(1, seed=0)
    images = some_images()[:, None]
    with torch.no_grad():
        assert torch.equal(net.eval().report_loss(images, TEXTS), net.report_loss(images, TEXTS))
        assert not torch.equal(net.train().report_loss(images, TEXTS), net.report_loss(images, TEXTS))


def test_prompt_and_padding_are_not_asked_for() -> None:
    tokens = Tokens(torch.tensor([[9, 1, 2, 3, 102], [9, 1, 2, 102, 0]]), torch.tensor([[1] * 5, [1] * 4 + [0]]))
    assert wanted(tokens, 2).tolist() == [[-100, -100, 2, 3, 102], [-100, -100, 2, 102, -100]]


@torch.no_grad()
def test_loss_is_smoothed_cross_entropy_of_the_next_token(model: BlipPretrained) -> None:
    images, net = some_images(), model.net
    tokens = model.texts.reports(TEXTS)
    logits = net.text_decoder(tokens.ids, encoder_hidden_states=net.image_tokens(images)).logits[:, :-1]
    likely = logits.log_softmax(dim=-1)
    asked = wanted(tokens, 4)[:, 1:]
    known = asked != -100
    own = -likely.gather(2, asked.clamp(min=0)[..., None])[..., 0]
    expected = (0.9 * own - 0.1 * likely.mean(dim=-1))[known].mean()
    got = model.report_net(1, seed=0).eval().report_loss(images[:, None], TEXTS)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_two_views_are_refused(model: BlipPretrained) -> None:
    with pytest.raises(UsageError, match="reads one image a study, not 2"):
        model.report_net(2, seed=0)


@torch.inference_mode()
def test_ranking_takes_the_least_loss_of_the_shortlist(answerer: BlipAnswerer) -> None:
    answers = ["yes", "no", "left lobe", "ct"]
    images, questions = some_images(), ["is it so?", "where"]
    tokens, asked = answerer.net.image_tokens(images), answerer.texts.questions(questions)
    rankings = ranked_answers(answerer.net, tokens, asked, answers, answerer.texts)
    assert [sorted(one.order.tolist()) for one in rankings] == [[0, 1, 2, 3]] * 2
    best = [answers[int(one.order[one.losses.argmin()])] for one in rankings]
    assert answerer.answer(images, questions, answers) == best
    alone = [answerer.answer(images[i : i + 1], questions[i : i + 1], answers)[0] for i in range(2)]
    assert alone == best, "a question's answer does not depend on its batch"
    short = ranked_answers(answerer.net, tokens, asked, answers, answerer.texts, shortlist=2)
    for one, whole in zip(short, rankings, strict=True):
        assert one.order.tolist() == whole.order[:2].tolist()
        torch.testing.assert_close(one.losses, whole.losses[:2])


@torch.inference_mode()
def test_written_answers_do_not_depend_on_the_batch(answerer: BlipAnswerer) -> None:
    images, questions = some_images(), ["is it so?", "where is the mass that was seen in the left lobe?"]
    alone = [answerer.answer(images[i : i + 1], questions[i : i + 1])[0] for i in range(2)]
    assert answerer.answer(images, questions) == alone


@torch.inference_mode()
def test_texts_longer_than_the_positions_are_cut(answerer: BlipAnswerer, model: BlipPretrained) -> None:
    endless = "x " * 600
    assert answerer.texts.answers([endless]).ids.shape == (1, 512)
    assert answerer.answer(some_images(), [endless, "b"], [endless, "no"])[1] in (endless, "no")
    short = BlipTexts(model.texts._tokenizer, replace(BLIP, limits=BLIP.limits.within(9)))
    reads = (short.embedded, short.fused, short.reports, short.questions, short.answers)
    assert [tuple(read([endless]).ids.shape) for read in reads] == [(1, 9)] * len(reads)
    assert short.looked_for(endless, as_released=True).ids.shape == (1, 9)


def test_no_answers_to_rank_is_an_error(answerer: BlipAnswerer) -> None:
    with pytest.raises(UsageError, match="no answers to rank"):
        answerer.answer(some_images(), ["a", "b"], [])


def test_one_candidate_wins(answerer: BlipAnswerer) -> None:
    with torch.inference_mode():
        assert answerer.answer(some_images(), ["", "b"], ["x-ray"]) == ["x-ray", "x-ray"]
