"""Search for what BLIP's decoder writes: greedy by transformers, beams with the scores that the release was tuned to.

The releases pin transformers 4.15, whose beam search divides a hypothesis' log-probability by its length with the prompt and
without the end token, and compares open beams the same way. Today's (5.23) leaves the prompt out and counts the end token,
which picks other texts, so the search of 4.15 stands here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import torch

from medbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from transformers import EncoderDecoderCache
    from transformers.models.blip.modeling_blip_text import BlipTextLMHeadModel

    from medbench_methods.nets.blip_flavour import SpecialIds

_UNLIKELY = -1e9


class Found(NamedTuple):
    """The best token ids (B, T), prompt first, [SEP] at the end of what ended, padded; and their scores (B,)."""

    ids: Tensor
    scores: Tensor


@dataclass(slots=True)
class _Ended:
    """The best hypotheses of one image that have ended: score and ids."""

    most: int
    kept: list[tuple[float, list[int]]] = field(default_factory=list)
    done: bool = False

    def add(self, ids: list[int], log_probability: float) -> None:
        score = log_probability / len(ids)
        if len(self.kept) < self.most or score > self.worst:
            self.kept.append((score, ids))
        if len(self.kept) > self.most:
            self.kept.remove(min(self.kept, key=lambda one: one[0]))

    @property
    def worst(self) -> float:
        return min(score for score, _ in self.kept)

    def no_better(self, log_probability: float, length: int) -> bool:
        """Whether there are enough, and the best that goes on is no better than the worst of them."""
        return len(self.kept) == self.most and self.worst >= log_probability / length


@torch.no_grad()
def search(
    decoder: BlipTextLMHeadModel,
    prompt: Sequence[int],
    states: Tensor,
    *,
    beams: int,
    min_length: int,
    max_length: int,
    ids: SpecialIds,
) -> Tensor:
    """(B, N, C) states, all of which the decoder reads, -> (B, T) ids, the prompt's first.

    A mask of states is not offered: transformers' Blip drops it (5.23, ``BlipTextLayer``). Lengths count the prompt and the
    end token; ``max_length`` is at most the decoder's positions. One beam is greedy search. Raises `UsageError` where
    ``max_length`` leaves nothing to write.
    """
    max_length = min(max_length, decoder.config.max_position_embeddings)
    if max_length <= len(prompt):
        raise UsageError(f"at most {max_length} tokens, of which the prompt has {len(prompt)}", fix="raise max_length")
    if beams > 1:
        return beam_search(
            decoder, prompt, states, beams=beams, min_length=min_length, max_length=max_length, ids=ids
        ).ids
    start = torch.tensor(prompt, device=states.device).repeat(len(states), 1)
    written: Tensor = decoder.generate(
        input_ids=start,
        attention_mask=torch.ones_like(start),
        encoder_hidden_states=states,
        num_beams=1,
        do_sample=False,
        min_length=min_length,
        max_length=max_length,
        eos_token_id=ids.sep,
        pad_token_id=ids.pad,
    )
    return written


@torch.no_grad()
def beam_search(
    decoder: BlipTextLMHeadModel,
    prompt: Sequence[int],
    states: Tensor,
    *,
    beams: int,
    min_length: int,
    max_length: int,
    ids: SpecialIds,
) -> Found:
    """As `search`, with the scores: log-probability over length, the prompt counted and the end token not."""
    count, device = len(states), states.device
    read = states
    rows = torch.tensor(prompt, device=device).repeat(count * beams, 1)
    scores = torch.full((count, beams), _UNLIKELY, device=device)
    scores[:, 0] = 0  # the beams of an image start alike, so one of them counts
    ended = [_Ended(beams) for _ in range(count)]
    cache: EncoderDecoderCache | None = None
    while rows.shape[1] < max_length and not all(one.done for one in ended):
        known = rows[::beams] if cache is None else rows  # at first the beams of an image are one
        out = decoder(
            known if cache is None else known[:, -1:],
            attention_mask=torch.ones_like(known),
            encoder_hidden_states=read,
            past_key_values=cache,
            use_cache=True,
        )
        steps = out.logits[:, -1].float().log_softmax(dim=-1)
        if cache is None:
            cache = out.past_key_values
            cache.batch_repeat_interleave(beams)
            steps, read = steps.repeat_interleave(beams, dim=0), states.repeat_interleave(beams, dim=0)
        if rows.shape[1] < min_length:
            steps[:, ids.sep] = -torch.inf
        scores, origin, token = _advance(ended, rows, (scores.view(-1, 1) + steps).view(count, -1), ids, beams)
        rows = torch.cat((rows[origin], token[:, None]), dim=1)
        cache.self_attention_cache.reorder_cache(origin)  # beams of an image read the same states
    for one, own, likely in zip(ended, rows.view(count, beams, -1).tolist(), scores.tolist(), strict=True):
        if not one.done:
            for row, score in zip(own, likely, strict=True):
                one.add(row, score)
    return _best(ended, max_length, ids, device)


def _advance(
    ended: list[_Ended], rows: Tensor, scores: Tensor, ids: SpecialIds, beams: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Scores (B, beams * V) of all continuations -> those that go on: scores (B, beams), row and token, both (B * beams,).

    Twice as many as there are beams are looked at, since any of them may end; one that ends is kept if it is among the first.
    """
    size = scores.shape[1] // beams
    likely, places = scores.topk(2 * beams, dim=1)
    going: list[list[tuple[float, int, int]]] = []
    for image, (one, values, where) in enumerate(zip(ended, likely.tolist(), places.tolist(), strict=True)):
        if one.done:
            going.append([(0.0, image * beams, ids.pad)] * beams)
            continue
        own: list[tuple[float, int, int]] = []
        for rank, (value, place) in enumerate(zip(values, where, strict=True)):
            row, token = image * beams + place // size, place % size
            if token != ids.sep:
                own.append((value, row, token))
            elif rank < beams:
                one.add(rows[row].tolist(), value)
            if len(own) == beams:
                break
        going.append(own)
        one.done = one.no_better(values[0], rows.shape[1])
    values, origin, tokens = zip(*(step for own in going for step in own), strict=True)
    device = scores.device
    return (
        torch.tensor(values, device=device).view(-1, beams),
        torch.tensor(origin, device=device),
        torch.tensor(tokens, device=device),
    )


def _best(ended: list[_Ended], max_length: int, ids: SpecialIds, device: torch.device) -> Found:
    best = [sorted(one.kept, key=lambda kept: kept[0])[-1] for one in ended]
    whole = [row if len(row) >= max_length else [*row, ids.sep] for _, row in best]
    length = max(len(row) for row in whole)
    padded = [[*row, *[ids.pad] * (length - len(row))] for row in whole]
    return Found(torch.tensor(padded, device=device), torch.tensor([score for score, _ in best], device=device))
