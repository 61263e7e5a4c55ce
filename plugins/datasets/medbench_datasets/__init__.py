"""The datasets that come with medbench: each module reads one from its official raw layout."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from medbench.hookspecs import hookimpl

if TYPE_CHECKING:
    from medbench.specs import DatasetSpec

_MODULES = (
    "rsna",
    "siim",
    "covid_cxr",
    "chexpert",
    "chestx_ray14",
    "mimic_cxr",
    "covidx",
    "vindr_cxr",
    "object_cxr",
    "tbx11k",
    "kermany",
    "ms_cxr_t",
    "ms_cxr_t_sentences",
    "iu_xray",
    "roco",
    "brain_pubmed",
    "brain_pubmed_panels",
    "brain_pubmed_panels_first",
    "vqa_rad",
    "slake",
    "path_vqa",
    "vqa_med_2019",
    "image_folder",
    "label_table",
)


@hookimpl
def medbench_datasets() -> tuple[DatasetSpec, ...]:
    """One spec a module. They are imported here, so that who lists methods does not pay for them."""
    return tuple(import_module(f"{__name__}.{name}").SPEC for name in _MODULES)
