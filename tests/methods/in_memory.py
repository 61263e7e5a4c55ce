"""Loading a known method from tensors in memory, which spares the disk the half gigabyte of a BERT."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from medbench.capabilities import LoadRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor


def load_in_memory(
    load: Callable[[LoadRequest], Any], variant: str, tensors: Mapping[str, Tensor], assets: Path, *, texts: bool = True
) -> Any:
    """The model that ``load`` makes of a file with these tensors, its text tower read unless there is none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medbench_methods.nets.published.read_tensors", lambda path: dict(tensors))
        model = load(LoadRequest(variant=variant, checkpoint=Path("memory.pth"), assets=assets))
        if texts:
            assert model.texts.tokenizer is not None
    return model
