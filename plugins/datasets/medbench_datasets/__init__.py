"""The datasets that come with medbench: each module reads one from its official raw layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.hookspecs import hookimpl
from medbench_datasets import covid_cxr, rsna, siim

if TYPE_CHECKING:
    from medbench.specs import DatasetSpec


@hookimpl
def medbench_datasets() -> tuple[DatasetSpec, ...]:
    """RSNA Pneumonia, SIIM-ACR Pneumothorax and the covid-chestxray collection."""
    return rsna.SPEC, siim.SPEC, covid_cxr.SPEC
