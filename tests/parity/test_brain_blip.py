"""Brain BLIP and BLIP compute what their releases do: features, matches, losses, captions, answers and maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from blip_goldens import Checked, assets_with_vocabulary, kept_logits, load_blip_state
from torch.nn.functional import cross_entropy, normalize
from vision_language_goldens import (
    assert_likeliest_two,
    contrast_loss,
    is_left_out,
    likeliest_two,
    step_momentum,
    varied,
)
from weights import ATOL, RTOL, golden_images, golden_sentences

from medbench_methods.nets.blip_answers import ranked_answers
from medbench_methods.nets.blip_explain import attention_of
from medbench_methods.nets.blip_keys import published_key
from medbench_methods.nets.blip_net import MATCH
from medbench_methods.nets.blip_search import beam_search, search
from medbench_methods.nets.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor
    from vision_language_goldens import Drawn

    from medbench_methods.nets.blip_model import BlipAnswerer, BlipCaptioner, BlipMatcher, BlipModel, BlipPretrained

PAIRED = [0, 1, 0, 1]
SEARCHES = {"l20": (20, 5), "l30": (30, 10)}
VARIANTS = {"gen": "", "genv3": "v3", "genv4": "v4"}
PAIRS = ("vision_model.", "vision_proj.", "text_encoder.", "text_proj.")
"""What has a momentum copy."""


@pytest.fixture(scope="module")
def root(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return assets_with_vocabulary(shared, tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(scope="module")
def read(shared: Path, root: Path, drawn: Drawn) -> Callable[[str], tuple[BlipModel, Checked]]:
    """``read(folder)`` gives the model on that folder's weights and the folder's arrays."""

    def load(folder: str) -> tuple[BlipModel, Checked]:
        golden = shared / "golden" / folder
        return load_blip_state(folder, drawn.state(golden, is_left_out), root), Checked(golden)

    return load


@torch.inference_mode()
def test_pretrained_model(read: Callable[[str], tuple[BlipPretrained, Checked]], shared: Path, drawn: Drawn) -> None:
    model, golden = read("brain-blip-pretrain")
    sentences, net = golden_sentences(), model.net
    tokens = model.image_tokens(golden_images())
    golden.close("vit_tokens", tokens[:, golden.arrays["vit_token_index"]])
    images = normalize(model.project_images(tokens[:, 0]), dim=-1)
    texts = normalize(model.encode_texts(sentences), dim=-1)
    golden.close("image_feat", images)
    golden.close("text_feat", texts)
    golden.close("itc", images @ texts.T)

    embedded = model.texts.embedded(sentences)
    golden.exact("text_input_ids", torch.nn.functional.pad(embedded.ids, (0, 1)))
    states = net.text_states(embedded)
    golden.close("text_cls", states[:, 0])
    golden.close("text_tokens0", states[0])

    fused = model.texts.fused(sentences)
    logits = torch.stack([net.match_logits(tokens[i : i + 1], fused) for i in range(2)])
    golden.close("itm_logits", logits)
    told = embedded.ids.clone()
    told[:, 0] = model.flavour.ids.dec
    learnt = Tokens(told, embedded.mask)
    golden.close("lm_loss_sum", net.caption_losses(tokens[PAIRED], learnt))
    written = net.text_decoder(told, attention_mask=learnt.mask, encoder_hidden_states=tokens[PAIRED]).logits
    golden.close("lm_logits", kept_logits(written[:, :6]))

    # Of two pairs each has the other as its negative, image and text: two positives and four negatives.
    mismatched = torch.stack([logits[1, 0], logits[0, 1]] * 2)
    pairs = torch.cat((torch.stack([logits[0, 0], logits[1, 1]]), mismatched))
    matching = cross_entropy(pairs, torch.tensor([1, 1, 0, 0, 0, 0]))
    language = net.caption_loss(tokens, Tokens(told[:2], learnt.mask[:2]))
    queues = golden.arrays["fwd_image_queue"], golden.arrays["fwd_text_queue"]
    contrast = contrast_loss(images, texts[:2], *_momentum_features(model, shared, drawn), *queues)
    golden.close("fwd_losses", torch.stack([contrast, matching, language]))
    assert golden.missed() == {"vit_token_index", "fwd_image_queue", "fwd_text_queue"}


def _momentum_features(model: BlipPretrained, shared: Path, drawn: Drawn) -> tuple[Tensor, Tensor]:
    """Features of both images and of the first two texts by the momentum copy; the model is that copy from then on."""
    names = {
        name for name, _ in model.net.named_parameters() if name.startswith(PAIRS) and "crossattention" not in name
    }
    keys = {name: "_m.".join(published_key(name).split(".", 1)) for name in names}
    copies = drawn.state(shared / "golden" / "brain-blip-pretrain", lambda key: key not in set(keys.values()))
    step_momentum(model.net, {name: copies[key] for name, key in keys.items()})
    images = normalize(model.project_images(model.encode_images(golden_images())), dim=-1)
    return images, normalize(model.encode_texts(golden_sentences()[:2]), dim=-1)


def test_matches_and_maps(read: Callable[[str], tuple[BlipMatcher, Checked]]) -> None:
    model, golden = read("brain-blip-itm")
    sentences, net = golden_sentences(), model.net
    with torch.no_grad():
        tokens = model.image_tokens(golden_images())
        images = normalize(model.project_images(tokens[:, 0]), dim=-1)
        golden.close("itc", images @ normalize(model.encode_texts(sentences), dim=-1).T)
        pairs = {"enc": model.texts.fused(sentences), "cls": model.texts.embedded(sentences)}
        for name, texts in pairs.items():
            logits = torch.stack([net.match_logits(tokens[i : i + 1], texts) for i in range(2)])
            golden.close(f"itm_logits_{name}_first", logits)
        golden.close("itm_diag", logits[[0, 1], [0, 1]])
        golden.close("cam_score", -logits[0, :1].log_softmax(dim=-1)[:, MATCH])
        _assert_match_is_the_logit(model, tokens, golden)
    released = model.texts.looked_for(sentences[0], as_released=True)
    attention, _ = attention_of(net, golden_images()[:1], released, "nll")
    golden.close("cam_attn_mean", attention.mean(dim=1)[0, :, 1:])
    maps = torch.stack([one.relevance for one in model.explain(golden_images()[:1], sentences[0], target="nll")])
    golden.seen.add("cam_gradcam")
    published = torch.from_numpy(golden.arrays["cam_gradcam"])[1:-1]  # the first and the last token are special
    # The maps are far below the goldens' absolute tolerance, so that they are compared as shares of the largest value.
    torch.testing.assert_close(maps / published.max(), published / published.max(), rtol=RTOL, atol=ATOL)
    assert golden.missed() == set()


def _assert_match_is_the_logit(model: BlipMatcher, tokens: Tensor, golden: Checked) -> None:
    published = torch.from_numpy(golden.arrays["itm_logits_enc_first"])[..., MATCH]
    by_image = torch.stack([model.match(tokens[i : i + 1], golden_sentences()) for i in range(2)])
    by_text = torch.stack([model.match(tokens, [text]) for text in golden_sentences()], dim=1)
    for one in (by_image, by_text):
        torch.testing.assert_close(one, published, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_captions(read: Callable[[str], tuple[BlipCaptioner, Checked]]) -> None:
    model, golden = read("brain-blip-caption")
    net, texts = model.net, model.texts
    tokens = net.image_tokens(golden_images(384))
    golden.close("vit_tokens", tokens[:, golden.arrays["vit_token_index"]])
    golden.exact("gen_prompt_ids", torch.tensor([texts.prompt_ids] * 2))
    reports = texts.reports(golden_sentences())
    golden.exact("lm_input_ids", reports.ids)
    golden.exact("lm_attention_mask", reports.mask)
    golden.close("lm_loss_sum", net.caption_losses(tokens[PAIRED], reports, prompt=len(texts.prompt_ids)))
    logits = net.text_decoder(reports.ids, attention_mask=reports.mask, encoder_hidden_states=tokens[PAIRED]).logits
    golden.close("lm_logits", kept_logits(logits))
    golden.exact("lm_argmax", logits.argmax(dim=-1))
    for name, variant in VARIANTS.items():
        with varied(net.text_decoder, variant, texts.ids.sep):
            _compare_searches(model, tokens, golden, name, ("b1_l20", "b3_l20", "b3_l30")[: 2 if variant else 3])
    assert golden.missed() == {"vit_token_index"}


def _compare_searches(
    model: BlipCaptioner, tokens: Tensor, golden: Checked, prefix: str, names: tuple[str, ...]
) -> None:
    prompt = model.texts.prompt_ids
    for name in (f"{prefix}_{name}" for name in names):
        most, least = SEARCHES[name.rpartition("_")[2]]
        args = (model.net.text_decoder, prompt, tokens)
        if "_b1_" in name:
            ids = search(*args, beams=1, min_length=least, max_length=most, ids=model.texts.ids)
            _compare_likeliest_two(model, tokens, golden, name, least)
        else:
            found = beam_search(*args, beams=3, min_length=least, max_length=most, ids=model.texts.ids)
            golden.close(f"{name}_score", found.scores)
            ids = found.ids
        golden.exact(name, ids)
        written = model.texts.written(ids[:, len(prompt) :])
        # Cut at 13 characters, the release loses one where the first piece continues a word.
        for ours, theirs in zip(written, golden.texts["captions"][name], strict=True):
            assert theirs in (ours, ours[1:]), name


def _compare_likeliest_two(model: BlipCaptioner, tokens: Tensor, golden: Checked, name: str, min_length: int) -> None:
    prompt, end, ids = len(model.texts.prompt_ids), model.texts.ids.sep, golden.arrays[name]
    found = likeliest_two(model.net.text_decoder, ids, tokens, prompt=prompt, min_length=min_length, end=end)
    golden.seen.add(f"{name}_top2")
    assert_likeliest_two(found, golden.arrays[f"{name}_top2"], ids, prompt=prompt, end=end)


@torch.inference_mode()
def test_answers(read: Callable[[str], tuple[BlipAnswerer, Checked]], monkeypatch: pytest.MonkeyPatch) -> None:
    model, golden = read("brain-blip-vqa")
    net, texts, answers = model.net, model.texts, golden.texts["answers"]
    tokens = net.image_tokens(golden_images(480))
    golden.close("vit_tokens", tokens[:, golden.arrays["vit_token_index"]])
    candidates = texts.answers(answers)
    golden.exact("answer_ids", candidates.ids)
    golden.exact("answer_mask", candidates.mask)
    batches = {q: texts.questions(golden.texts["questions"][q : q + 2]) for q in (0, 2)}
    fused = {q: net.fused_states(tokens, asked) for q, asked in batches.items()}
    for q, asked in batches.items():
        golden.exact(f"q{q}_input_ids", asked.ids)
        golden.close(f"q{q}_cls", fused[q][:, 0])
        golden.close(f"q{q}_mean", fused[q].mean(dim=1))
        firsts = torch.cat([_first_logits(model, states) for states in _without_padding(fused[q], asked)])
        golden.close(f"q{q}_first_logits", kept_logits(firsts))
        golden.close(f"q{q}_first_prob_answers", firsts.softmax(dim=-1)[:, candidates.ids[:, 1]])
        for k in (3, 8):
            rankings = ranked_answers(net, tokens, asked, answers, texts, shortlist=k)
            golden.close(f"q{q}_rank_k{k}_loss", torch.stack([one.losses for one in rankings]))
            golden.exact(f"q{q}_rank_k{k}", torch.stack([one.order[one.losses.argmin()] for one in rankings]))
    golden.close("fwd_loss", _training_loss(model, _without_padding(fused[0], batches[0])))
    for name, variant in VARIANTS.items():
        with varied(net.text_decoder, variant, texts.ids.sep):
            _compare_written(model, fused, golden, name)
    # The encoder's tokens are the golden's, as compared above: they are not computed a second and a third time.
    monkeypatch.setattr(net, "image_tokens", lambda images: tokens[PAIRED])
    for how, offered in (("rank", answers), ("generate", None)):
        published = [one["answer"] for one in golden.texts[f"evaluation_{how}"]]
        assert model.answer(torch.zeros(4, 3, 480, 480), golden.texts["questions"], offered) == published
    assert golden.missed() == {"vit_token_index"}


def _without_padding(states: Tensor, asked: Tokens) -> list[Tensor]:
    """(B, T, C) states of questions -> B of (1, tokens, C)."""
    return [one[None, :length] for one, length in zip(states, asked.mask.sum(dim=1).tolist(), strict=True)]


def _first_logits(model: BlipAnswerer, states: Tensor) -> Tensor:
    start = torch.tensor([[model.flavour.ids.dec]])
    logits: Tensor = model.net.text_decoder(start, encoder_hidden_states=states).logits
    return logits[:, 0]


def _training_loss(model: BlipAnswerer, states: list[Tensor]) -> Tensor:
    """Weighted answers to the first two questions: yes 0.6 and no 0.4, and one alone; over the number of questions."""
    losses = [
        model.net.caption_losses(one, model.texts.answers(answers))
        for one, answers in zip(states, (["yes", "no"], ["left temporal lobe"]), strict=True)
    ]
    return (losses[0] @ torch.tensor([0.6, 0.4]) + losses[1].sum())[None] / 2


def _compare_written(model: BlipAnswerer, fused: dict[int, Tensor], golden: Checked, name: str) -> None:
    """What the decoder writes as released: from a batch's states, those at padding among them."""
    texts = golden.texts["generated" + name.removeprefix("gen").replace("v", "_v")]
    for q, states in fused.items():
        start = model.texts.prompt_ids[:1]
        found = beam_search(
            model.net.text_decoder, start, states, beams=3, min_length=1, max_length=10, ids=model.texts.ids
        )
        golden.exact(f"q{q}_{name}", found.ids)
        golden.close(f"q{q}_{name}_score", found.scores)
        assert model.texts.written(found.ids[:, 1:]) == texts[q : q + 2]
