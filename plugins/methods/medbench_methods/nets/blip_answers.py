"""Answers to questions, ranked or written by BLIP's decoder from the states of a question fused with its image.

Source: BLIP release, ``models/blip_vqa.py``: lines 91 to 111 (written: beam 3, at most 10 tokens) and 120 to 167 (ranked).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from torch.nn.utils.rnn import pad_sequence

from medbench.errors import UsageError
from medbench_methods.nets.blip_search import search
from medbench_methods.nets.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from medbench_methods.nets.blip_net import BlipNet
    from medbench_methods.nets.blip_texts import BlipTexts

SHORTLIST = 128
BEAMS = 3
MIN_LENGTH = 1
MAX_LENGTH = 10


class Ranking(NamedTuple):
    """Indices of the answers on the shortlist, likeliest first token first, and the losses of the same, both (k,)."""

    order: Tensor
    losses: Tensor


def ranked_answers(
    net: BlipNet,
    image_tokens: Tensor,
    questions: Tokens,
    answers: Sequence[str],
    texts: BlipTexts,
    *,
    shortlist: int = SHORTLIST,
) -> list[Ranking]:
    """(B, N, C) and B questions -> for each its `Ranking`; the least loss wins, the first of equals.

    As released: the ``shortlist`` likeliest by their first token go on, of which each has its label-smoothed (0.1)
    cross-entropy summed over its tokens and [SEP]; short answers have the advantage. Raises `UsageError` without answers.
    """
    if not answers:
        raise UsageError("no answers to rank", fix="give candidate answers, or let the method write its own")
    states = net.fused_states(image_tokens, questions)
    candidates = texts.answers(answers).to(net.device)
    lengths: list[int] = questions.mask.sum(dim=1).tolist()
    size = min(shortlist, len(answers))
    return [_rank(net, states[row : row + 1, :length], candidates, size) for row, length in enumerate(lengths)]


def written_answers(net: BlipNet, image_tokens: Tensor, questions: Tokens, texts: BlipTexts) -> Tensor:
    """(B, N, C) and B questions -> (B, T) ids, [DEC] first, padded: beam 3, at most 10 tokens.

    Questions of a length are answered together, each without padding. The release lets the decoder read the states at a
    question's padding, as its ranking does not: there an answer depends on the longest question of its batch.
    """
    states = net.fused_states(image_tokens, questions)
    written: dict[int, Tensor] = {}
    for length, rows in questions.rows_by_length().items():
        written |= dict(zip(rows.tolist(), _write(net, states[rows.to(states.device), :length], texts), strict=True))
    return pad_sequence([written[row] for row in range(len(written))], batch_first=True, padding_value=texts.ids.pad)


def _write(net: BlipNet, states: Tensor, texts: BlipTexts) -> Tensor:
    return search(
        net.text_decoder,
        texts.prompt_ids[:1],
        states,
        beams=BEAMS,
        min_length=MIN_LENGTH,
        max_length=MAX_LENGTH,
        ids=texts.ids,
    )


def _rank(net: BlipNet, state: Tensor, candidates: Tokens, size: int) -> Ranking:
    """One question's states (1, T, C), without padding."""
    first = net.text_decoder(candidates.ids[:1, :1], encoder_hidden_states=state).logits[0, 0]
    order = first.softmax(dim=-1)[candidates.ids[:, 1]].topk(size).indices
    return Ranking(order, net.caption_losses(state, Tokens(candidates.ids[order], candidates.mask[order])))
