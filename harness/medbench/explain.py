"""Where a method looks in an image for a text: relevance maps of one image, outside of any trial."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from medbench.digests import DigestCache
from medbench.errors import TrialError, UsageError
from medbench.images import read_colour
from medbench.models import load_model
from medbench.plan import find_weights
from medbench.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from medbench.capabilities import Preprocess
    from medbench.selection import MethodChoice

Target = Literal["logit", "nll"]
WAYS = ("Explainer", "Grounder")
"""Capabilities that can explain, the first that a method has is used."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the method was shown, (S, S, 3) uint8, the map of the whole text (h, w), and one of each token (T, h, w).

    Maps are not negative and unscaled. A grounding map is of the whole text: there ``tokens`` is empty. ``phantom`` says that
    the weights are generated.
    """

    method: str
    text: str
    pixels: NDArray[np.uint8]
    whole: NDArray[np.float32]
    tokens: tuple[str, ...]
    maps: NDArray[np.float32]
    phantom: bool = False


def explain(choice: MethodChoice, image: Path, text: str, settings: Settings, *, target: Target) -> Explanation:
    """Load the method and ask it. The map of the whole text is the mean over its tokens.

    Raises `UsageError` for a method that cannot explain or an empty text, `MissingCheckpointError` and `CheckpointError`
    for its weights, `medbench.images.ImageError` for the image, and `TrialError` for maps that are no maps.
    """
    way = next((name for name in WAYS if name in choice.variant.capabilities), None)
    if way is None:
        raise UsageError(f"{choice.id} cannot explain: it is no {' and no '.join(WAYS)}", fix="medbench list methods")
    if not text.strip():
        raise UsageError("the text is empty", fix='--text "left pleural effusion"')
    weights = find_weights(choice, settings, DigestCache(settings.cache / "digests.json"))
    if weights.error is not None:
        raise weights.error
    original = read_colour(image)
    model = load_model(choice, settings, seed=0, needed=[way])
    pixels, inputs = _prepared(original, model.preprocess)
    if way == "Grounder":
        if target != "logit":
            raise UsageError(f"{choice.id} explains by its grounding maps, which have no target", fix="--target logit")
        return replace(_grounded(choice, model, pixels, inputs, text), phantom=weights.phantom)
    found = model.explain(inputs, text, target=target)
    if not found:
        raise UsageError(f"{choice.id} reads no word in '{text}'", fix='--text "left pleural effusion"')
    tokens = tuple(one.token for one in found)
    maps = _checked(choice, [one.relevance for one in found])
    return Explanation(choice.id, text, pixels, maps.mean(axis=0), tokens, maps, weights.phantom)


def _prepared(original: NDArray[np.uint8], preprocess: Preprocess) -> tuple[NDArray[np.uint8], Tensor]:
    import torch

    from medbench.preprocessing import normalised, resized

    pixels = resized(original, preprocess)
    return pixels, normalised(torch.from_numpy(pixels[None]), preprocess)


def _grounded(choice: MethodChoice, model: Any, pixels: NDArray[np.uint8], inputs: Tensor, text: str) -> Explanation:
    import torch

    with torch.inference_mode():
        relevance = model.ground(inputs, [text])[0]
    maps = _checked(choice, list(relevance))
    return Explanation(choice.id, text, pixels, maps[0], (), maps[:0])


def _checked(choice: MethodChoice, maps: list[Tensor]) -> NDArray[np.float32]:
    """(T, h, w), of one shape, finite and not negative."""
    found = [one.detach().float().cpu().numpy() for one in maps]
    if not found or any(one.ndim != 2 or one.shape != found[0].shape for one in found):
        shapes = ", ".join(dict.fromkeys(str(one.shape) for one in found)) or "none"
        raise TrialError(f"{choice.id} gives no maps of one size for the text ({shapes})")
    stacked: NDArray[np.float32] = np.stack(found)
    if not np.isfinite(stacked).all():
        raise TrialError(f"{choice.id} gives maps that are not finite")
    positive: NDArray[np.float32] = np.maximum(stacked, 0)
    return positive
