"""Where the WordPiece vocabulary of a published text model lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from huggingface_hub import hf_hub_download

from medbench.errors import MissingCheckpointError

if TYPE_CHECKING:
    from pathlib import Path


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
