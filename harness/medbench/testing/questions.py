"""What `medbench.testing.fresh` asks in an interpreter of its own: a dataset read, predictions scored, texts encoded."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from medbench.loading import resolve
from medbench.samples import RawDataset
from medbench.specs import Recipe, TaskSpec

if TYPE_CHECKING:
    import pyarrow as pa

    from medbench.selection import MethodChoice
    from medbench.settings import Settings

READING = f"{__name__}:reading_digest"
SCORES = f"{__name__}:scores"
TEXTS = f"{__name__}:encoded_texts"


def reading_digest(reader: str, root: Path) -> str:
    """`raw_digest` of what the reader makes of a folder."""
    return raw_digest(resolve(reader, "the check")(root))


def raw_digest(raw: RawDataset) -> str:
    """SHA-256 of samples and splits in their order; mappings, which have none, are sorted."""
    digest = hashlib.sha256()
    for sample in raw.samples:
        fields = [_plain(getattr(sample, field.name)) for field in dataclasses.fields(sample)]
        digest.update(repr(fields).encode("utf-8", "surrogatepass"))
    digest.update(repr((_plain(raw.splits), raw.label_names)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def scores(
    task: TaskSpec, recipe: Recipe, predictions: pa.Table, ceilings: Collection[str]
) -> dict[str, dict[str, Any]]:
    """The metrics of the method, from kept predictions, by a protocol that never saw the run."""
    from medbench.runner import score

    protocol = resolve(task.loader, f"task '{task.id}'")
    found = score(task, recipe, protocol, predictions, ceilings=ceilings)
    return {name: msgspec.to_builtins(value) for name, value in found.metrics.items()}


def encoded_texts(choice: MethodChoice, settings: Settings, texts: list[str]) -> list[list[float]]:
    """(B, joint_dim) of a model loaded anew."""
    import torch

    from medbench.models import load_model

    model = load_model(choice, settings, seed=0, needed=())
    with torch.inference_mode():
        found: list[list[float]] = model.encode_texts(texts).tolist()
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return sorted((str(name), _plain(one)) for name, one in value.items())
    return value
