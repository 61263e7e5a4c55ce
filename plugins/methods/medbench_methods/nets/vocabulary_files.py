"""Where the WordPiece vocabulary of a published text model lies, its tokenizer, and a stand-in for phantoms."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

from huggingface_hub import hf_hub_download
from transformers import BertTokenizer

from medbench.errors import CheckpointError, MissingCheckpointError

if TYPE_CHECKING:
    from pathlib import Path

    from medbench_methods.vocabulary import Vocabulary


def find_vocabulary(assets: Path | None, name: str, hub_id: str) -> Path | str:
    """``<assets>/tokenizers/<name>``, a folder with ``vocab.txt`` or the vocabulary itself, else the hub's file.

    Raises `MissingCheckpointError` where there is none to be had.
    """
    local = None if assets is None else assets / "tokenizers" / name
    if local is not None:
        for place in (local, local / "vocab.txt"):
            if place.is_file():
                return place
    try:
        # The file itself: asked for a tokenizer it cannot fetch, transformers gives one without words.
        return hf_hub_download(hub_id, "vocab.txt")
    except Exception as error:  # the hub's client raises whatever its transport does
        raise MissingCheckpointError(
            f"the vocabulary of {hub_id} is neither on this machine nor to be had from the hub",
            fix=f"put its vocab.txt at {local or f'<checkpoints>/tokenizers/{name}'}/vocab.txt",
        ) from error


def read_tokenizer(assets: Path | None, vocabulary: Vocabulary) -> Any:
    """The lower-casing WordPiece tokenizer of a vocabulary under ``assets`` or of the hub.

    Raises `MissingCheckpointError` where there is none to be had, and `CheckpointError` for a vocabulary of another model.
    """
    path = find_vocabulary(assets, vocabulary.name, vocabulary.hub_id)
    tokenizer = BertTokenizer(vocab=str(path), do_lower_case=True)
    if tokenizer.vocab_size != vocabulary.size:
        raise CheckpointError(
            f"{path} holds {tokenizer.vocab_size:,} tokens, not the {vocabulary.size:,} of {vocabulary.hub_id}",
            fix="put that model's own vocab.txt there",
        )
    return tokenizer


def write_vocabulary(folder: Path, vocabulary: Vocabulary) -> None:
    """Where ``folder`` has none, a stand-in of the right size: it spells every word letter by letter.

    Drawn weights take that as well as any.
    """
    path = folder / vocabulary.files[1]
    if path.exists():
        return
    marks = string.ascii_lowercase + string.digits + string.punctuation
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *marks, *(f"##{mark}" for mark in marks)]
    tokens += [f"[unused{number}]" for number in range(vocabulary.size - len(tokens))]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(tokens) + "\n", encoding="utf-8")
