"""A repository in open_clip's form with drawn weights, its text tower a BERT of transformers."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

import torch
from open_clip import CustomTextCLIP
from transformers import BertConfig

from medbench.files import write_atomically, write_bytes_atomically
from medbench_methods.nets.hf_phantom import refuse_real_weights, write_json
from medbench_methods.open_clip_family import CONFIG

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_repository(
    folder: Path, place: str, model: Mapping[str, Any], images: Mapping[str, Any], bert: Mapping[str, Any], seed: int
) -> Path:
    """Write ``folder/place`` and the configuration of its ``bert``, which the family looks for under ``hf``.

    ``model`` and ``images`` are open_clip's ``model_cfg``, less the names of the BERT, and ``preprocess_cfg``. The weights'
    file is returned. Raises `UsageError` where one of the folders holds weights that are no phantom.
    """
    root, name = folder / place, f"{place.partition('/')[2]}-text"
    tower = folder / "hf" / name
    for one in (root, tower):
        refuse_real_weights(one)
    marks = string.ascii_lowercase + string.digits + string.punctuation
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *marks, *(f"##{mark}" for mark in marks)]
    write_bytes_atomically(root / "vocab.txt", "\n".join([*tokens, ""]).encode())
    write_json(root / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "do_lower_case": True})
    write_json(tower / "config.json", BertConfig(vocab_size=len(tokens), **bert).to_dict())
    text = dict(model["text_cfg"], hf_model_name=name, hf_tokenizer_name=name)
    write_json(root / CONFIG, {"model_cfg": {**model, "text_cfg": text}, "preprocess_cfg": images})
    local = text | {"hf_model_name": str(tower), "hf_model_pretrained": False}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = CustomTextCLIP(**{**model, "text_cfg": local}).state_dict()
    weights = root / "open_clip_pytorch_model.bin"
    write_atomically(weights, lambda partial: torch.save(state, partial))
    return weights
