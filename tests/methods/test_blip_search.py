"""Beam search finds the best text by log-probability over whole length, as an exhaustive search does."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench_methods.nets.blip_flavour import SpecialIds
from medbench_methods.nets.blip_search import beam_search, search

IDS = SpecialIds(pad=0, cls=6, sep=1, dec=4, enc=5)
SIZE = 4
PROMPT = (4, 3)


class _NoCache:
    """What `_Decoder` keeps of a step."""

    self_attention_cache = SimpleNamespace(reorder_cache=lambda origin: None)

    def batch_repeat_interleave(self, repeats: int) -> None: ...


class _Decoder:
    """Next tokens by a table of logits that looks at the last token and the state alone; remembers no more."""

    def __init__(self, table: torch.Tensor) -> None:
        self.table = table
        self.config = SimpleNamespace(max_position_embeddings=7)

    def __call__(self, rows: torch.Tensor, *, encoder_hidden_states: torch.Tensor, **rest: Any) -> Any:
        state = encoder_hidden_states[:, 0, 0].long()
        logits = self.table[state, rows[:, -1].clamp(max=SIZE - 1)][:, None]
        return SimpleNamespace(logits=logits, past_key_values=_NoCache())


def _exhaustive(table: torch.Tensor, min_length: int, max_length: int) -> float:
    """The best score of all texts: those that end with [SEP], and those that are cut at ``max_length``."""
    steps = table.log_softmax(dim=-1)
    best = -1e9
    for count in range(max_length - len(PROMPT) + 1):
        for body in itertools.product([0, 2, 3], repeat=count):
            row = (*PROMPT, *body)
            total = sum(float(steps[min(one, SIZE - 1), two]) for one, two in itertools.pairwise(row[1:]))
            if len(row) == max_length:
                best = max(best, total / len(row))
            elif len(row) >= min_length:
                best = max(best, (total + float(steps[min(row[-1], SIZE - 1), IDS.sep])) / len(row))
    return best


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), min_length=st.integers(2, 4))
def test_many_beams_find_the_best_text(seed: int, min_length: int) -> None:
    tables = torch.randn(2, SIZE, SIZE, generator=torch.Generator().manual_seed(seed)) * 2
    states = torch.tensor([0.0, 1.0]).view(2, 1, 1)
    found = beam_search(_Decoder(tables), PROMPT, states, beams=90, min_length=min_length, max_length=5, ids=IDS)
    for image in range(2):
        assert float(found.scores[image]) == pytest.approx(_exhaustive(tables[image], min_length, 5), abs=1e-5)


@pytest.mark.parametrize("max_length", [3, 6])
def test_texts_end_once_and_are_padded(max_length: int) -> None:
    tables = torch.zeros(2, SIZE, SIZE)
    tables[0, :, 1] = 9  # ends at once
    tables[1, :, 2] = 9  # never ends
    states = torch.tensor([0.0, 1.0]).view(2, 1, 1)
    found = beam_search(_Decoder(tables), PROMPT, states, beams=2, min_length=2, max_length=max_length, ids=IDS)
    assert found.ids[0].tolist() == [4, 3, 1] + [0] * (max_length - 3)
    assert found.ids[1].tolist() == [4, 3] + [2] * (max_length - 2)


def test_an_end_before_the_least_length_is_not_allowed() -> None:
    tables = torch.zeros(1, SIZE, SIZE)
    tables[0, :, 1] = 9
    found = beam_search(_Decoder(tables), PROMPT, torch.zeros(1, 1, 1), beams=2, min_length=5, max_length=8, ids=IDS)
    assert found.ids.shape == (1, 6)
    assert found.ids[0, -1] == 1
    assert 1 not in found.ids[0, :-1].tolist()


def test_no_more_is_written_than_the_decoder_has_positions_for() -> None:
    tables = torch.zeros(1, SIZE, SIZE)
    tables[0, :, 2] = 9  # never ends
    ids = search(_Decoder(tables), PROMPT, torch.zeros(1, 1, 1), beams=2, min_length=2, max_length=600, ids=IDS)
    assert ids.tolist() == [[4, 3] + [2] * 5]
