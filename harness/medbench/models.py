"""Loading a method's model and holding it to what its spec claims."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from medbench import capabilities
from medbench.capabilities import LoadRequest
from medbench.errors import CheckpointError, PluginError
from medbench.loading import resolve
from medbench.selection import MethodChoice
from medbench.settings import Settings


def load_model(choice: MethodChoice, settings: Settings, *, seed: int, needed: Collection[str]) -> Any:
    """The model, in eval mode on the CPU, with the ``needed`` capabilities.

    Raises `CheckpointError` where the weights do not load, `PluginError` where the model lacks what its spec claims.
    """
    source = choice.variant.checkpoint
    path: Path | None = None
    if source is not None:
        path = settings.checkpoint_path(choice.spec.id, choice.variant.id, source.filename)
        if not path.is_file():
            path = None
    load = resolve(choice.spec.loader, f"method '{choice.spec.id}'")
    request = LoadRequest(
        variant=choice.variant.id,
        checkpoint=path,
        assets=settings.checkpoints,
        seed=seed,
        name=choice.variant.name,
    )
    try:
        model = load(request)
    except (RuntimeError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{choice.id} could not be loaded: {type(error).__name__}: {reason}") from error
    for name in sorted(needed):
        if not isinstance(model, getattr(capabilities, name)):
            raise PluginError(f"method '{choice.spec.id}' claims {name}, but what it loads is not one")
    return model
