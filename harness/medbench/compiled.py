"""What is asked of a model, compiled by torch: full batches alone, and never at the cost of the pass."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from medbench.batch_size import is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class Compiled:
    """``apply``, a function of a model and its images, with a compiled twin for batches of one size.

    Where the twin fails, for want of a compiler or for what torch cannot compile, it is warned of once and ``apply`` itself is
    used from there on: an error that is the model's own then shows as it is.
    """

    def __init__(self, apply: Callable[[Any, Tensor], Tensor], label: str) -> None:
        import torch

        self._apply = apply
        self._label = label
        self._twin: Callable[[Any, Tensor], Tensor] | None = torch.compile(apply, dynamic=False)

    def __call__(self, model: Any, images: Tensor, *, full: bool) -> Tensor:
        """The answer. A batch that is not ``full`` is not compiled: another size would be compiled anew."""
        if self._twin is not None and full:
            try:
                return self._twin(model, images)
            except Exception as error:  # compilers raise whatever they like
                if isinstance(error, RuntimeError) and is_out_of_memory(error):
                    raise
                self._twin = None
                reason = " ".join(str(error).split())[:200]
                warnings.warn(
                    f"{self._label} is not compiled: {type(error).__name__}: {reason}", RuntimeWarning, stacklevel=2
                )
        return self._apply(model, images)
