"""Bio_ClinicalBERT as MedKLIP and MeDSLIP use it: all twelve layers, frozen, a text's vector is the last layer's [CLS].

Texts are read as MeDSLIP's release reads them: lower-cased, at most 64 tokens, [CLS] in front and no [SEP]. Of MedKLIP we know
the length, the padding and [CLS]; that it reads texts like its descendant in all else is our choice. Padding is masked, so that
it moves no vector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import BertModel

from medbench.errors import CheckpointError, MissingCheckpointError
from medbench_methods.nets.text import load_tokenizer
from medbench_methods.vocabulary import CLINICAL_BERT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

HUB_ID = CLINICAL_BERT.hub_id
MAX_TOKENS = 64
_BATCH = 16


class BookEncoder:
    """Texts -> vectors. ``bert`` is in eval mode; ``tokenizer`` is a WordPiece tokenizer that lower-cases."""

    def __init__(self, bert: BertModel, tokenizer: Any) -> None:
        self._bert = bert
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, folder: Path, assets: Path) -> BookEncoder:
        """From ``folder`` (``config.json``, weights, ``vocab.txt``), or from the hub where there is no such folder.

        A folder without ``vocab.txt`` takes the vocabulary of ``<assets>/tokenizers/bio_clinicalbert``. Raises
        `MissingCheckpointError` where the hub cannot be reached, and `CheckpointError` for another model's files.
        """
        has_vocabulary = (folder / "vocab.txt").is_file()
        tokenizer = _own_tokenizer(folder) if has_vocabulary else load_tokenizer(assets)
        return cls(_load_bert(folder), tokenizer)

    def tokens(self, text: str) -> list[int]:
        """[CLS] and at most 63 pieces of the lower-cased text; no [SEP], as the release's own tokenizer gives."""
        pieces: list[int] = self._tokenizer(text, add_special_tokens=False, truncation=True, max_length=MAX_TOKENS - 1)[
            "input_ids"
        ]
        return [self._tokenizer.cls_token_id, *pieces]

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """T texts -> (T, 768) float32."""
        return self.encode_ids([self.tokens(text) for text in texts])

    @torch.inference_mode()
    def encode_ids(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Token ids of T texts -> (T, 768); those of like length are run together."""
        order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
        vectors = torch.empty(len(rows), self._bert.config.hidden_size)
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            lengths = torch.tensor([len(rows[index]) for index in chosen])
            ids = torch.zeros(len(chosen), int(lengths.max()), dtype=torch.int64)
            for line, index in enumerate(chosen):
                ids[line, : len(rows[index])] = torch.tensor(rows[index])
            mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
            vectors[chosen] = self._bert(ids, attention_mask=mask).last_hidden_state[:, 0]
        return vectors


def _own_tokenizer(folder: Path) -> Any:
    from transformers import BertTokenizer

    tokenizer = BertTokenizer(vocab=str(folder / "vocab.txt"), do_lower_case=True)
    if tokenizer.vocab_size != CLINICAL_BERT.size:
        raise CheckpointError(
            f"{folder / 'vocab.txt'} holds {tokenizer.vocab_size:,} tokens, not the {CLINICAL_BERT.size:,} of {HUB_ID}",
            fix="put that model's own vocab.txt there",
        )
    return tokenizer


def _load_bert(folder: Path) -> BertModel:
    here = folder.is_dir()
    try:
        bert, report = BertModel.from_pretrained(
            str(folder) if here else HUB_ID, add_pooling_layer=False, output_loading_info=True, local_files_only=here
        )
    except Exception as error:  # the library raises whatever its file formats and transport do
        reason = " ".join(str(error).split())[:120]
        if here:
            raise CheckpointError(f"{folder} holds no readable {HUB_ID} ({reason})", fix="download it again") from error
        raise MissingCheckpointError(
            f"{HUB_ID} is neither on this machine nor to be had from the hub ({type(error).__name__})",
            fix=f"put its config.json, weights and vocab.txt in {folder}",
        ) from error
    deeper = [key for key in report["unexpected_keys"] if "encoder.layer." in key]
    wrong = [*report["missing_keys"], *report["mismatched_keys"], *deeper]
    if wrong or bert.config.vocab_size != CLINICAL_BERT.size:
        # Left to itself the library would draw what is missing at random.
        named = f"{len(wrong)} tensors do not fit ({wrong[0]}, ...)" if wrong else f"{bert.config.vocab_size:,} tokens"
        raise CheckpointError(f"{folder if here else HUB_ID} is not {HUB_ID}: {named}", fix="download it again")
    return bert.float().eval()
