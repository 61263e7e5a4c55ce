"""The core's features over a model made in a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medbench.features import Features, ModelIdentity
from medbench.protocols import Compute, PhaseReporter

if TYPE_CHECKING:
    from pathlib import Path


def features_of(model: Any, folder: Path, compute: Compute, progress: PhaseReporter, *, name: str = "test") -> Features:
    """Features whose cache lies in ``folder``; another ``name`` is another method."""
    identity = ModelIdentity(method=name, variant="one", version=1, checkpoint=None, seed=0, code="")
    return Features(identity=identity, load=lambda: model, folder=folder, compute=compute, progress=progress)
