"""The first-party methods, one module each; importing this package loads neither torch nor numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.hookspecs import hookimpl
from medbench_methods import (
    blip,
    brain_blip,
    gloria,
    hf_family,
    imagenet,
    medslip,
    medst,
    mgca,
    motor,
    open_clip_family,
    random_weights,
    timm_family,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from medbench.specs import MethodSpec


@hookimpl
def medbench_methods() -> Iterable[MethodSpec]:
    """Every method of this package."""
    return (
        mgca.SPEC,
        medst.SPEC,
        medslip.SPEC,
        blip.SPEC,
        brain_blip.SPEC,
        motor.SPEC,
        gloria.SPEC,
        imagenet.SPEC,
        random_weights.SPEC,
        timm_family.SPEC,
        open_clip_family.SPEC,
        hf_family.SPEC,
    )
