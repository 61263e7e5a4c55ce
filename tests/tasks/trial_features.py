"""The core's features over a model made in a test."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from medbench import capabilities
from medbench.features import Features
from medbench.identity import ModelIdentity
from medbench.protocols import Compute, PhaseReporter
from medbench.specs import CAPABILITIES

if TYPE_CHECKING:
    from pathlib import Path

    from medbench.manifest import Manifest


def features_of(model: Any, folder: Path, compute: Compute, progress: PhaseReporter, *, name: str = "test") -> Features:
    """Features whose cache lies in ``folder``; another ``name`` is another method."""
    identity = ModelIdentity(method=name, variant="one", version=1, checkpoint=None, seed=0, code="")
    offered = frozenset(one for one in CAPABILITIES if isinstance(model, getattr(capabilities, one)))
    return Features(
        identity=identity,
        load=lambda: model,
        folder=folder,
        compute=compute,
        progress=progress,
        capabilities=offered,
    )


def whole(*parts: Manifest) -> Manifest:
    """The dataset that the parts make up."""
    return replace(parts[0], table=pa.concat_tables([part.table for part in parts]))
