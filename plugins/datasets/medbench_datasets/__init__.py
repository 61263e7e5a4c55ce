"""The datasets that come with medbench: each module reads one from its official raw layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.hookspecs import hookimpl
from medbench_datasets import (
    brain_pubmed,
    brain_pubmed_panels,
    brain_pubmed_panels_first,
    chestx_ray14,
    chexpert,
    covid_cxr,
    covidx,
    image_folder,
    iu_xray,
    kermany,
    label_table,
    mimic_cxr,
    ms_cxr_t,
    ms_cxr_t_sentences,
    object_cxr,
    path_vqa,
    roco,
    rsna,
    siim,
    slake,
    tbx11k,
    vindr_cxr,
    vqa_med_2019,
    vqa_rad,
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
    iu_xray,
    roco,
    brain_pubmed,
    brain_pubmed_panels,
    brain_pubmed_panels_first,
    vqa_rad,
    slake,
    path_vqa,
    vqa_med_2019,
    image_folder,
    label_table,
)


@hookimpl
def medbench_datasets() -> tuple[DatasetSpec, ...]:
    """One spec a module."""
    return tuple(module.SPEC for module in _MODULES)
