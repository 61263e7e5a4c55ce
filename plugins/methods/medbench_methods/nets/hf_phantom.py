"""A transformers model with drawn weights, in a folder as its library saves it."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CONFIG_MAPPING, AutoModel

from medbench.checkpoints import is_phantom
from medbench.errors import UsageError
from medbench.files import write_bytes_atomically
from medbench_methods.nets.hf_encoder import quiet

if TYPE_CHECKING:
    from collections.abc import Mapping

_START, _END = "<|startoftext|>", "<|endoftext|>"
_WEIGHTS = (".safetensors", ".bin", ".pt", ".index.json")


def write_model(folder: Path, kind: str, sizes: Mapping[str, Any], processor: Mapping[str, Any], seed: int) -> Path:
    """Write a model of transformers' type ``kind``, CLIP's with a tokenizer; the weights' file is returned.

    Raises `UsageError` where the folder holds weights that are no phantom.
    """
    refuse_real_weights(folder)
    sizes = copy.deepcopy(dict(sizes))
    if kind == "clip":
        vocabulary = _spelling()
        marks = {"bos_token_id": vocabulary[_START], "eos_token_id": vocabulary[_END], "pad_token_id": vocabulary[_END]}
        sizes["text_config"] |= {"vocab_size": len(vocabulary), **marks}
        write_json(folder / "vocab.json", vocabulary)
        write_bytes_atomically(folder / "merges.txt", b"#version: 0.2\n")
        write_json(folder / "tokenizer_config.json", {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77})
    write_json(folder / "preprocessor_config.json", processor)
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(seed)
        model = AutoModel.from_config(CONFIG_MAPPING[kind](**sizes))
        with tempfile.TemporaryDirectory(dir=folder) as partial:  # a file under its final name is always whole
            model.save_pretrained(partial)
            for name in ("config.json", "model.safetensors"):
                (Path(partial) / name).replace(folder / name)
    return folder / "model.safetensors"


def refuse_real_weights(folder: Path) -> None:
    """Raise `UsageError` where a folder holds weights that were not drawn: they would read the files written beside them."""
    for path in sorted(folder.glob("*")):
        if path.name.endswith(_WEIGHTS) and not is_phantom(path):
            raise UsageError(f"{path} is not a phantom", fix="choose another folder")


def write_json(path: Path, content: Any) -> None:
    """An object of JSON, whole or not at all."""
    write_bytes_atomically(path, json.dumps(content, indent=2).encode())


def _spelling() -> dict[str, int]:
    """CLIP's bytes, within a word and at its end, without a merge."""
    letters = sorted(ByteLevel.alphabet())
    return {token: number for number, token in enumerate([*letters, *(f"{one}</w>" for one in letters), _START, _END])}
