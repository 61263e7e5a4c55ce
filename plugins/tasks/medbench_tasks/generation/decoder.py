"""The standard decoder: a small transformer that writes from an encoder's frozen features, as mmengine trains it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from mmengine.model import BaseDataPreprocessor, BaseModel
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import GPT2Config, GPT2LMHeadModel

from medbench_tasks.generation.vocabulary import END, PAD, START

if TYPE_CHECKING:
    from medbench_tasks.generation.recipe import GenerationRecipe
    from medbench_tasks.generation.vocabulary import Vocabulary


class ReportDecoder(BaseModel):  # type: ignore[misc]
    """Features of a study's images in, a report out: transformers' GPT-2 with cross-attention.

    Features (B, views, tokens, channels) are normalised by a LayerNorm, so that one learning rate serves encoders of every
    scale, projected to the decoder's width, and marked by their place and view. ``beams`` is how many the next prediction
    searches with.
    """

    def __init__(self, recipe: GenerationRecipe, vocabulary: Vocabulary, shape: tuple[int, int]) -> None:
        super().__init__(data_preprocessor=MoveStudies())
        tokens, channels = shape
        self.norm = nn.LayerNorm(channels)
        self.project = nn.Linear(channels, recipe.width)
        self.places = nn.Parameter(0.02 * torch.randn(1, 1, tokens, recipe.width))
        self.view_marks = nn.Parameter(0.02 * torch.randn(1, recipe.views, 1, recipe.width))
        self.dropout = nn.Dropout(recipe.dropout)
        self.writer = GPT2LMHeadModel(_config(recipe, len(vocabulary)))
        self.beams = recipe.validate_beams
        self._vocabulary = vocabulary
        self._recipe = recipe

    def init_weights(self) -> None:
        """Nothing: all is drawn when it is made."""

    def forward(
        self, inputs: Tensor, data_samples: list[str], mode: str = "tensor"
    ) -> dict[str, Tensor] | list[str] | Tensor:
        """(B, views, tokens, channels) and B reports.

        ``loss`` gives the mean loss over pieces, ``predict`` a list of B reports written without seeing those given,
        ``tensor`` logits (B, T, vocabulary).
        """
        memory = self._memory(inputs)
        if mode == "predict":
            return self._write(memory)
        ids = self._vocabulary.encode(data_samples, self._recipe.max_length).to(inputs.device)
        seen, wanted = ids[:, :-1], ids[:, 1:]
        mask = (seen != PAD).long()
        logits: Tensor = self.writer(
            input_ids=seen, attention_mask=mask, encoder_hidden_states=memory, use_cache=False
        ).logits
        if mode != "loss":
            return logits
        loss = cross_entropy(
            logits.flatten(0, 1).float(),
            wanted.flatten(),
            ignore_index=PAD,
            label_smoothing=self._recipe.label_smoothing,
        )
        return {"loss": loss}

    def _memory(self, features: Tensor) -> Tensor:
        """(B, views * tokens, width)."""
        marked = self.project(self.norm(features)) + self.places + self.view_marks
        return self.dropout(marked.flatten(1, 2))  # type: ignore[no-any-return]

    def _write(self, memory: Tensor) -> list[str]:
        start = torch.full((len(memory), 1), START, device=memory.device)
        written: Tensor = self.writer.generate(
            start,
            attention_mask=torch.ones_like(start),
            encoder_hidden_states=memory,
            num_beams=self.beams,
            do_sample=False,
            length_penalty=1.0,
            min_length=self._recipe.min_length,
            max_length=self._recipe.max_length,
            suppress_tokens=[PAD, START],
            pad_token_id=PAD,  # told here alone: the net itself would warn of the padding behind finished reports
        )
        return self._vocabulary.decode(written)


class MoveStudies(BaseDataPreprocessor):  # type: ignore[misc]
    """A batch of `medbench_tasks.pyramid.collate` -> the same on the model's device; reports stay strings."""

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """``inputs`` (B, ...) move, ``data_samples`` are B strings."""
        return {"inputs": data["inputs"].to(self.device, non_blocking=True), "data_samples": data["data_samples"]}


def _config(recipe: GenerationRecipe, vocabulary: int) -> GPT2Config:
    return GPT2Config(
        vocab_size=vocabulary,
        n_positions=recipe.max_length,
        n_embd=recipe.width,
        n_layer=recipe.layers,
        n_head=recipe.heads,
        resid_pdrop=recipe.dropout,
        embd_pdrop=recipe.dropout,
        attn_pdrop=recipe.dropout,
        add_cross_attention=True,
        bos_token_id=START,
        eos_token_id=END,
    )
