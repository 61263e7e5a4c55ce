"""The datasets that come with medbench: each module reads one from its official raw layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.hookspecs import hookimpl
from medbench_datasets import (
    chestx_ray14,
    chexpert,
    covid_cxr,
    covidx,
    image_folder,
    kermany,
    label_table,
    mimic_cxr,
    ms_cxr_t,
    ms_cxr_t_sentences,
    object_cxr,
    rsna,
    siim,
    tbx11k,
    vindr_cxr,
)

if TYPE_CHECKING:
    from medbench.specs import DatasetSpec

_MODULES = (
    rsna,
    siim,
    covid_cxr,
    chexpert,
    chestx_ray14,
    mimic_cxr,
    covidx,
    vindr_cxr,
    object_cxr,
    tbx11k,
    kermany,
    ms_cxr_t,
    ms_cxr_t_sentences,
    image_folder,
    label_table,
)


@hookimpl
def medbench_datasets() -> tuple[DatasetSpec, ...]:
    """One spec a module."""
    return tuple(module.SPEC for module in _MODULES)
