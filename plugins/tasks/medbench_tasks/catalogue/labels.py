"""Label names and readings that several tasks of a dataset share."""

from __future__ import annotations

from types import MappingProxyType

CHEXPERT_FIVE = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
"""The findings of the CheXpert competition (Irvin et al. 2019)."""

COVIDX_CLASSES = ("Normal", "Pneumonia", "COVID-19")
"""Of the 9A lists; the last is everything that is neither of the others."""

CHEXPERT_READING = MappingProxyType(
    {
        "blank": "absent",
        "uncertain_present": ("Atelectasis", "Edema", "Pleural Effusion"),
        "uncertain_absent": ("Cardiomegaly", "Consolidation"),
    }
)
"""What is not mentioned is absent; uncertain ones are read label by label, as the MGCA release does."""
