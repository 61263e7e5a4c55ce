"""Prompt sets: what a text encoder is told of each label, as data, shipped or from a user's own file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medbench.errors import UnknownNameError, UsageError
from medbench_tasks.zeroshot.names import readable

TEMPLATE = "template"

Texts = tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]
"""Label, what says that it holds, what says that it does not (which may be nothing)."""


@dataclass(frozen=True, slots=True)
class PromptSet:
    """Prompts by readable label name; ``negative`` is None for sets that only tell classes apart.

    Raises `UsageError` where a label has no prompt, an empty one, or the same one twice.
    """

    positive: Mapping[str, tuple[str, ...]]
    negative: Mapping[str, tuple[str, ...]] | None = None

    def __post_init__(self) -> None:
        for label, prompts in self.positive.items():
            opposite = (self.negative or {}).get(label, ())
            if not prompts:
                raise UsageError(f"label '{label}' has no positive prompt")
            self._check(label, (*prompts, *opposite))

    @staticmethod
    def _check(label: str, prompts: Sequence[str]) -> None:
        seen: set[str] = set()
        for prompt in prompts:
            plain = " ".join(prompt.lower().split())
            if not plain:
                raise UsageError(f"label '{label}' has an empty prompt")
            if plain in seen:
                raise UsageError(f"label '{label}' has the prompt '{prompt}' twice")
            seen.add(plain)

    @property
    def texts(self) -> Texts:
        """The set as nested tuples, as a recipe holds it."""
        return tuple((label, prompts, (self.negative or {}).get(label, ())) for label, prompts in self.positive.items())


BIOVIL_RSNA = PromptSet(
    positive={
        "pneumonia": (
            "Findings consistent with pneumonia",
            "Findings suggesting pneumonia",
            "This opacity can represent pneumonia",
            "Findings are most compatible with pneumonia",
        )
    },
    negative={
        "pneumonia": (
            "There is no pneumonia",
            "No evidence of pneumonia",
            "No evidence of acute pneumonia",
            "No signs of pneumonia",
        )
    },
)
"""The eight of the Med-ST release (zero-shot RSNA script), which are BioViL's defaults."""

CHEXPERT_5X200 = PromptSet(
    positive={
        "atelectasis": (
            "Linear atelectasis at the left lung base.",
            "Platelike opacity at the right base, in keeping with atelectasis.",
            "Both bases are atelectatic, with low lung volumes.",
            "Partial collapse of the left lower lobe.",
            "Volume loss with atelectasis on the right.",
        ),
        "cardiomegaly": (
            "The heart is enlarged.",
            "Slight cardiomegaly.",
            "The cardiac silhouette is moderately enlarged.",
            "Marked enlargement of the heart.",
            "The cardiothoracic ratio is increased, indicating cardiomegaly.",
        ),
        "consolidation": (
            "Dense consolidation of the right lower lobe.",
            "Airspace consolidation with air bronchograms.",
            "Patchy consolidation in the left mid lung.",
            "Consolidation in both lungs.",
            "Focal consolidation of the right upper lobe.",
        ),
        "edema": (
            "Pulmonary edema.",
            "Slight interstitial edema with thickened septal lines.",
            "Moderate edema with perihilar haze.",
            "Severe alveolar edema of both lungs.",
            "Vascular congestion with pulmonary edema.",
        ),
        "pleural effusion": (
            "Pleural effusion.",
            "A small left pleural effusion blunts the costophrenic angle.",
            "A moderate pleural effusion layers on the right.",
            "Large pleural effusion.",
            "Pleural fluid on both sides.",
        ),
    }
)
"""Five classes in the project's own words, over severities and places; no published list is copied."""

PROMPT_SETS: Mapping[str, PromptSet] = {"biovil-rsna": BIOVIL_RSNA, "chexpert-5x200": CHEXPERT_5X200}

_NOTHING_WRONG = frozenset({"normal", "no finding", "no findings", "healthy"})


def chosen_prompts(name: str, texts: Texts, labels: Sequence[str]) -> PromptSet:
    """The prompts of ``labels``, in their order: ``texts`` where given, else the set called ``name``, `TEMPLATE` among them.

    ``negative`` is None unless every label has some. Raises `UsageError` for a label without prompts,
    and for two labels that read alike.
    """
    wanted = [readable(label) for label in labels]
    if len(set(wanted)) != len(wanted):
        raise UsageError(f"two labels read alike: {', '.join(labels)}", fix="name the labels of the target apart")
    if texts:
        given = {readable(label): (positive, negative) for label, positive, negative in texts}
    elif name == TEMPLATE:
        given = {label: _from_template(label) for label in wanted}
    else:
        check_set(name)
        given = {label: (positive, negative) for label, positive, negative in PROMPT_SETS[name].texts}
    missing = [label for label in wanted if label not in given]
    if missing:
        raise UsageError(f"the prompts '{name}' have none for '{missing[0]}'", fix=f"they have: {', '.join(given)}")
    negative = {label: given[label][1] for label in wanted}
    return PromptSet({label: given[label][0] for label in wanted}, negative if all(negative.values()) else None)


def read_prompts(path: Path) -> Texts:
    """The prompts of a JSON file ``{label: {"positive": [...], "negative": [...]}}``; ``negative`` may be left out.

    Raises `UsageError` naming the file where it is absent or has another form.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"the prompts file {path.name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"the prompts file {path.name} is not JSON: {error}") from error
    form = '{"label": {"positive": ["..."], "negative": ["..."]}}'
    if not isinstance(content, dict) or not content or not all(map(_is_entry, content.values())):
        raise UsageError(f"the prompts file {path.name} has another form", fix=f"use {form}")
    return tuple(
        (label, tuple(entry["positive"]), tuple(entry.get("negative", ()))) for label, entry in content.items()
    )


def check_set(name: str) -> None:
    """Raise `UsageError`, with the known names, unless prompts are shipped under ``name``."""
    if name != TEMPLATE and name not in PROMPT_SETS:
        raise UnknownNameError("prompt set", name, (TEMPLATE, *PROMPT_SETS))


def check_texts(texts: Iterable[Sequence[Any]]) -> Texts:
    """``texts`` as nested tuples (a record keeps lists). Raises `UsageError` as `PromptSet`, and for a label given twice."""
    given: Texts = tuple((label, tuple(positive), tuple(negative)) for label, positive, negative in texts)
    labels = [readable(label) for label, _, _ in given]
    if len(set(labels)) != len(labels):
        raise UsageError(f"the prompts give '{next(one for one in labels if labels.count(one) > 1)}' twice")
    PromptSet({label: one for label, one, _ in given}, {label: other for label, _, other in given})
    return given


def _from_template(label: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if label in _NOTHING_WRONG:
        return ("There is no acute abnormality",), ("Findings consistent with disease",)
    return (f"Findings consistent with {label}",), (f"There is no {label}",)


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, dict) or "positive" not in entry or not set(entry) <= {"positive", "negative"}:
        return False
    return all(isinstance(part, list) and all(isinstance(text, str) for text in part) for part in entry.values())
