"""A trunk run once for all that is asked of one batch: what encoders mark so that one pass serves several features."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeVar

Trunk = TypeVar("Trunk", bound=Callable[..., Any])

_ANSWERED: ContextVar[dict[tuple[int, ...], tuple[Any, ...]] | None] = ContextVar("answered", default=None)
"""Within `one_batch`: by function, encoder and images, these two (so that no other takes their place) and the answer."""


@contextmanager
def one_batch() -> Iterator[None]:
    """While it lasts, in this thread, what is marked `once_a_batch` remembers its answers; nothing is kept afterwards."""
    token = _ANSWERED.set({})
    try:
        yield
    finally:
        _ANSWERED.reset(token)


def once_a_batch(trunk: Trunk) -> Trunk:
    """Mark an encoder's function (self, images): within `one_batch` the same tensor gets the remembered answer.

    It must depend on the two alone, and callers must leave its answer as it is. Elsewhere, and when torch compiles it, the mark
    does nothing.
    """

    @wraps(trunk)
    def remembered(self: Any, images: Any) -> Any:
        import torch

        answered = None if torch.compiler.is_compiling() else _ANSWERED.get()
        if answered is None:
            return trunk(self, images)
        key = (id(trunk), id(self), id(images))
        if key not in answered:
            answered[key] = (self, images, trunk(self, images))
        return answered[key][2]

    return remembered  # type: ignore[return-value]
