"""The answers of the head without images, kept beside the feature cache: they are the same for every method.

A file is named by the digest of all that moves the answers and begins with the digest of what follows; one that is damaged, or
of other questions, is made anew.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from medbench.errors import StoreError
from medbench.files import write_bytes_atomically
from medbench.identity import loader_code
from medbench_tasks.vqa.answered import Answered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from medbench.protocols import TrialContext
    from medbench_tasks.vqa.head import Material
    from medbench_tasks.vqa.recipe import VqaRecipe

_HEX = 64


def kept_or_made(
    context: TrialContext, recipe: VqaRecipe, material: Material, make: Callable[[], Answered]
) -> Answered:
    """What ``make`` gave before for the same questions, recipe, seed, code and device, else what it gives now, kept.

    The notes gain ``kept``, 1 where it was not made now. A disk that does not take the file costs time only.
    """
    path = context.features.folder.parent / "floors" / f"{_digest(context, recipe, material)}.json"
    known = _read(path, len(material.test))
    if known is not None:
        return dataclasses.replace(known, notes={**known.notes, "kept": 1.0})
    made = make()
    data = msgspec.json.encode(made)
    with suppress(StoreError):
        write_bytes_atomically(path, _sha256(data).encode() + data)
    return dataclasses.replace(made, notes={**made.notes, "kept": 0.0})


def _read(path: Path, questions: int) -> Answered | None:
    with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
        data = path.read_bytes()
        if data[:_HEX].decode() == _sha256(data[_HEX:]):
            known = msgspec.json.decode(data[_HEX:], type=Answered)
            if len(known.answers) == len(known.confidence or ()) == questions:
                return known
    return None


def _digest(context: TrialContext, recipe: VqaRecipe, material: Material) -> str:
    import mmengine
    import torch

    parts = [
        [part.manifest.sample_ids, part.texts, part.truths] for part in (material.train, material.valid, material.test)
    ]
    key: dict[str, Any] = {
        "manifest": [context.test.dataset, context.test.sha256],
        "questions": parts,
        "answers": material.space.answers,
        "recipe": dataclasses.asdict(recipe),
        "seed": context.seed,
        "compute": [context.compute.device, context.compute.precision],
        "code": [loader_code("medbench_tasks"), loader_code("medbench"), torch.__version__, mmengine.__version__],
    }
    return _sha256(json.dumps(key, sort_keys=True).encode())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
