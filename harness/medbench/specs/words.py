"""The words that specs are made of: ids, import strings, parts, capabilities, supervisions."""

from __future__ import annotations

import re
from typing import Literal

from medbench.errors import PluginError

_ID = re.compile(r"[a-z0-9][a-z0-9._-]*\Z")
_IMPORT_STRING = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z")

Part = Literal["train", "valid", "test"]
PARTS: tuple[Part, ...] = ("train", "valid", "test")
UNDISCLOSED = "undisclosed"
"""In ``pretrained_on``, beside what is named: images of which nobody says where they are from."""

CAPABILITIES = frozenset(
    {
        "ImageEncoder",
        "DenseImageEncoder",
        "TextEncoder",
        "ImageTextMatcher",
        "StudyEncoder",
        "QueryClassifier",
        "Grounder",
        "ReportGenerator",
        "QuestionAnswerer",
        "Explainer",
    }
)
READS_TEXTS = frozenset(
    {
        "TextEncoder",
        "ImageTextMatcher",
        "QueryClassifier",
        "Grounder",
        "ReportGenerator",
        "QuestionAnswerer",
        "Explainer",
    }
)
"""Capabilities whose answers depend on a method's text files."""
SUPERVISIONS = frozenset({"labels", "boxes", "masks", "reports", "captions", "questions", "pairs"})


def check_id(kind: str, value: object) -> None:
    """Raise `PluginError` unless ``value`` is a lower-case id of letters, digits, '.', '_' and '-'."""
    if not isinstance(value, str) or not _ID.match(value):
        raise PluginError(f"bad {kind} id {value!r}: use lower-case letters, digits, '.', '_' and '-'")


def check_import_string(owner: str, value: str) -> None:
    """Raise `PluginError` unless ``value`` is of the form ``package.module:attribute``."""
    if not _IMPORT_STRING.match(value):
        raise PluginError(f"{owner}: '{value}' is not an import string of the form 'package.module:attribute'")


def check_pretraining(owner: str, declared: tuple[str, ...] | None) -> None:
    """Raise `PluginError` unless each entry is a dataset's id, with the name of a part after a colon or without."""
    for entry in declared or ():
        dataset, colon, part = entry.partition(":")
        check_id(f"dataset in pretrained_on of {owner}", dataset)
        if colon and part not in PARTS:
            raise PluginError(f"{owner}: pretrained_on has '{entry}', parts are {', '.join(PARTS)}")
