"""The files of a transformers model as they lie on this machine; no heavy library is needed to look at them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medbench.errors import CheckpointError

_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model")
_OTHERS = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    *_TOKENIZERS,
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)


def is_path(name: str) -> bool:
    """Whether a name says where a folder lies, rather than what a repository is called."""
    return name.startswith(("/", "./", "../", "~"))


def find_folder(name: str, checkpoints: Path) -> Path | None:
    """The folder that holds the model's ``config.json``: as typed, under ``<checkpoints>/hf``, or in the hub's cache.

    ``owner/repo@revision`` names a snapshot of the cache. Raises `CheckpointError` for a path that holds no such file.
    """
    if is_path(name):
        folder = Path(name).expanduser()
        if not (folder / "config.json").is_file():
            raise CheckpointError(f"{folder} holds no transformers model (no config.json){_other_form(folder)}")
        return folder
    local = checkpoints / "hf" / name
    if (local / "config.json").is_file():
        return local
    if local.is_dir() and _other_form(local):
        raise CheckpointError(f"{local} holds no transformers model (no config.json){_other_form(local)}")
    if name.count("/") != 1:  # no repository of the hub is called so
        return None
    from medbench_methods.nets.open_hub import cached

    repo, _, revision = name.partition("@")
    config = cached(repo, "config.json", revision or None)
    return None if config is None else config.parent


def read_config(folder: Path) -> dict[str, Any]:
    """``config.json``. Raises `CheckpointError`."""
    return read_json(folder / "config.json")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises `CheckpointError` for anything else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read ({type(error).__name__})", fix="download it again") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is no JSON object", fix="download it again")
    return content


def weights_of(folder: Path) -> str:
    """The weights' file name, safetensors first; the one that should be there where there is none."""
    return next((name for name in _WEIGHTS if (folder / name).is_file()), _WEIGHTS[0])


def companions_of(folder: Path) -> tuple[str, ...]:
    """The other files that move the numbers: configurations, tokenizer, parts of divided weights, code."""
    weights = weights_of(folder)
    parts: set[str] = set()
    if weights.endswith(".index.json"):
        places = read_json(folder / weights).get("weight_map", {})
        if not isinstance(places, dict):
            raise CheckpointError(f"{folder / weights}: weight_map is no object", fix="download it again")
        parts = {str(part) for part in places.values()}
    code = (path.name for path in folder.glob("*.py"))
    return (*(name for name in _OTHERS if (folder / name).is_file()), *sorted({*parts, *code}))


def has_tokenizer(folder: Path) -> bool:
    """Whether a tokenizer's files are there."""
    return any((folder / name).is_file() for name in _TOKENIZERS)


def _other_form(folder: Path) -> str:
    return ": it is in open_clip's form, name it open_clip/..." if (folder / "open_clip_config.json").is_file() else ""
