"""What is asked of a model, compiled by torch: full batches alone, and never at the cost of the pass."""

from __future__ import annotations

import warnings
from types import FunctionType
from typing import TYPE_CHECKING, Any

from medbench.batch_size import is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from medbench.forward import Apply


def compiled(applies: Sequence[Apply], label: str, *, is_full: Callable[[Tensor], bool]) -> list[Apply]:
    """Each of ``applies`` with a compiled twin, for one pass of the model that is called ``label``; see `Compiled`.

    Of one function's code torch compiles 8 variants and then, without a word, no more; another model is another variant. So
    what it has compiled before is forgotten, and each of ``applies`` gets code of its own.
    """
    import torch

    torch.compiler.reset()
    return [Compiled(_with_own_code(apply), label, is_full) for apply in applies]


class Compiled:
    """``apply``, a function of a model and its images, with a compiled twin for full batches.

    A batch that is not full is not compiled: each size would be compiled anew. Where the twin fails, for want of a compiler or
    for what torch cannot compile, it is warned of once and ``apply`` itself is used from there on: an error that is the model's
    own then shows as it is.
    """

    def __init__(self, apply: Apply, label: str, is_full: Callable[[Tensor], bool]) -> None:
        import torch

        self._apply = apply
        self._label = label
        self._is_full = is_full
        self._twin: Apply | None = torch.compile(apply, dynamic=False)

    def __call__(self, model: Any, images: Tensor) -> Tensor:
        """The answer."""
        if self._twin is not None and self._is_full(images):
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


def _with_own_code(apply: Apply) -> Apply:
    def called(model: Any, images: Tensor) -> Tensor:
        return apply(model, images)

    code = called.__code__.replace()  # a copy; what is compiled hangs on this object
    return FunctionType(code, called.__globals__, called.__name__, None, called.__closure__)
