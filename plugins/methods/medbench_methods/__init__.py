"""The first-party methods, one module each; importing this package loads neither torch nor numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.hookspecs import hookimpl
from medbench_methods import (
    biovil,
    biovil_t,
    blip,
    brain_blip,
    chexzero,
    convirt,
    cxr_clip,
    gloria,
    hf_family,
    imagenet,
    m_flag,
    medclip,
    medklip,
    medslip,
    medst,
    mgca,
    motor,
    mrm,
    open_clip_family,
    ptunifier,
    random_weights,
    ready_made,
    refers,
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
        convirt.SPEC,
        m_flag.SPEC,
        ptunifier.SPEC,
        mrm.SPEC,
        refers.SPEC,
        biovil.SPEC,
        biovil_t.SPEC,
        medklip.SPEC,
        medclip.SPEC,
        cxr_clip.SPEC,
        imagenet.SPEC,
        random_weights.SPEC,
        chexzero.SPEC,
        *ready_made.SPECS,
        timm_family.SPEC,
        open_clip_family.SPEC,
        hf_family.SPEC,
    )
