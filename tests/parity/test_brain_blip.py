"""Brain BLIP and BLIP compute what their releases do: features, matches, losses, captions, answers and maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from blip_goldens import (
    Checked,
    assets_with_vocabulary,
    golden_blip_state,
    kept_logits,
    load_blip_state,
    vary,
)
from torch.nn.functional import cross_entropy, normalize
from weights import golden_images, golden_sentences

from medbench_methods.nets.blip_answers import ranked_answers, written_answers
from medbench_methods.nets.blip_net import MATCH
from medbench_methods.nets.blip_search import beam_search, search
from medbench_methods.nets.blip_texts import BlipTokens

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from medbench_methods.nets.blip_model import BlipAnswerer, BlipCaptioner, BlipMatcher, BlipModel, BlipPretrained

PAIRED = [0, 1, 0, 1]
SEARCHES = {"l20": (20, 5), "l30": (30, 10)}


@pytest.fixture(scope="module")
def root(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return assets_with_vocabulary(shared, tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(scope="module")
def read(shared: Path, root: Path) -> Callable[[str], tuple[BlipModel, Checked]]:
    """``read(folder)`` gives the model on that folder's weights and the folder's arrays."""

    def load(folder: str) -> tuple[BlipModel, Checked]:
        golden = shared / "golden" / folder
        return load_blip_state(folder, golden_blip_state(golden, root), root), Checked(golden)

    return load


@torch.inference_mode()
def test_pretrained_model(read: Callable[[str], tuple[BlipPretrained, Checked]]) -> None:
    model, golden = read("brain-blip-pretrain")
    sentences, net = golden_sentences(), model.net
    tokens = model.image_tokens(golden_images())
    golden.close("vit_tokens", tokens[:, golden.arrays["vit_token_index"]])
    images = normalize(model.project_images(model.encode_images(golden_images())), dim=-1)
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
    learnt = BlipTokens(told, embedded.mask)
    golden.close("lm_loss_sum", net.caption_losses(tokens[PAIRED], learnt))
    written = net.text_decoder(told, attention_mask=learnt.mask, encoder_hidden_states=tokens[PAIRED]).logits
    golden.close("lm_logits", kept_logits(written[:, :6]))

    # Of two pairs each has the other as its negative, image and text: two positives and four negatives.
    mismatched = torch.stack([logits[1, 0], logits[0, 1]] * 2)
    pairs = torch.cat((torch.stack([logits[0, 0], logits[1, 1]]), mismatched))
    matching = cross_entropy(pairs, torch.tensor([1, 1, 0, 0, 0, 0]))
    language = net.caption_loss(tokens, BlipTokens(told[:2], learnt.mask[:2]))
    torch.testing.assert_close(
        torch.stack([matching, language]), torch.from_numpy(golden.arrays["fwd_losses"][1:]), rtol=1e-4, atol=1e-5
    )
    # The contrast term compares with momentum copies, which training alone keeps; the queues are its input.
    assert golden.missed() == {"vit_token_index", "fwd_image_queue", "fwd_text_queue", "fwd_losses"}


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
    maps = torch.stack([one.relevance for one in model.explain(golden_images()[:1], sentences[0], target="nll")])
    published = torch.from_numpy(golden.arrays["cam_gradcam"])[1:-1]
    # Far below the common absolute tolerance, so that it is scaled by the largest value.
    torch.testing.assert_close(maps, published, rtol=1e-3, atol=1e-4 * float(published.max()))
    # The mean attention is an intermediate of the map; the map's first and last token are special.
    assert golden.missed() == {"cam_attn_mean", "cam_gradcam"}


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
    _compare_searches(model, tokens, golden, "gen_", ("b1_l20", "b3_l20", "b3_l30"))
    _compare_searches_of_variants(model, tokens, golden)
    # The two best logits of each greedy step are recorded to show how far apart they are.
    assert golden.missed() == {"vit_token_index", "gen_b1_l20_top2", "genv3_b1_l20_top2", "genv4_b1_l20_top2"}


def _compare_searches_of_variants(model: BlipCaptioner, tokens: Tensor, golden: Checked) -> None:
    start = {name: value.clone() for name, value in model.net.text_decoder.state_dict().items()}
    for variant in (3, 4):
        model.net.text_decoder.load_state_dict(start)
        vary(model.net, variant)
        _compare_searches(model, tokens, golden, f"genv{variant}_", ("b1_l20", "b3_l20"))


def _compare_searches(
    model: BlipCaptioner, tokens: Tensor, golden: Checked, prefix: str, names: tuple[str, ...]
) -> None:
    prompt = model.texts.prompt_ids
    for name in (prefix + name for name in names):
        most, least = SEARCHES[name.rpartition("_")[2]]
        args = (model.net.text_decoder, prompt, tokens)
        if "_b1_" in name:
            ids = search(*args, beams=1, min_length=least, max_length=most, ids=model.texts.ids)
        else:
            found = beam_search(*args, beams=3, min_length=least, max_length=most, ids=model.texts.ids)
            golden.close(f"{name}_score", found.scores)
            ids = found.ids
        golden.exact(name, ids)
        written = model.texts.written(ids[:, len(prompt) :])
        # Cut at 13 characters, the release loses one where the first piece continues a word.
        for ours, theirs in zip(written, golden.texts["captions"][name], strict=True):
            assert theirs in (ours, ours[1:]), name


@torch.inference_mode()
def test_answers(read: Callable[[str], tuple[BlipAnswerer, Checked]]) -> None:
    model, golden = read("brain-blip-vqa")
    net, texts, answers = model.net, model.texts, golden.texts["answers"]
    tokens = net.image_tokens(golden_images(480))
    golden.close("vit_tokens", tokens[:, golden.arrays["vit_token_index"]])
    candidates = texts.answers(answers)
    golden.exact("answer_ids", candidates.ids)
    golden.exact("answer_mask", candidates.mask)
    batches = {q: texts.questions(golden.texts["questions"][q : q + 2]) for q in (0, 2)}
    for q, asked in batches.items():
        golden.exact(f"q{q}_input_ids", asked.ids)
        states = net.fused_states(tokens, asked)
        golden.close(f"q{q}_cls", states[:, 0])
        golden.close(f"q{q}_mean", states.mean(dim=1))
        firsts = torch.cat(
            [_first_logits(model, one[:length]) for one, length in zip(states, asked.mask.sum(dim=1), strict=True)]
        )
        golden.close(f"q{q}_first_logits", kept_logits(firsts))
        golden.close(f"q{q}_first_prob_answers", firsts.softmax(dim=-1)[:, candidates.ids[:, 1]])
        for k in (3, 8):
            rankings = ranked_answers(net, tokens, asked, answers, texts, shortlist=k)
            golden.close(f"q{q}_rank_k{k}_loss", torch.stack([one.losses for one in rankings]))
            golden.exact(f"q{q}_rank_k{k}", torch.stack([one.order[one.losses.argmin()] for one in rankings]))
    _compare_written(model, tokens, batches, golden, "gen")
    start = {name: value.clone() for name, value in net.text_decoder.state_dict().items()}
    for variant in (3, 4):
        net.text_decoder.load_state_dict(start)
        vary(net, variant)
        _compare_written(model, tokens, batches, golden, f"genv{variant}")
    # Training on weighted answers is not offered.
    assert golden.missed() == {"vit_token_index", "fwd_loss"}


def _first_logits(model: BlipAnswerer, states: Tensor) -> Tensor:
    start = torch.tensor([[model.flavour.ids.dec]])
    logits: Tensor = model.net.text_decoder(start, encoder_hidden_states=states[None]).logits
    return logits[:, 0]


def _compare_written(
    model: BlipAnswerer, tokens: Tensor, batches: dict[int, BlipTokens], golden: Checked, name: str
) -> None:
    texts = golden.texts["generated" + name.removeprefix("gen").replace("v", "_v")]
    for q, asked in batches.items():
        golden.exact(f"q{q}_{name}", written_answers(model.net, tokens, asked, model.texts, as_released=True))
        states = model.net.fused_states(tokens, asked)
        start = model.texts.prompt_ids[:1]
        found = beam_search(
            model.net.text_decoder, start, states, beams=3, min_length=1, max_length=10, ids=model.texts.ids
        )
        golden.close(f"q{q}_{name}_score", found.scores)
        assert model.texts.written(found.ids[:, 1:]) == texts[q : q + 2]
