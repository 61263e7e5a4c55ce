"""The checks of capabilities that answer: each names the fault of a model that has it, and finds none in one that has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from medbench.selection import MethodChoice
from medbench.settings import Settings
from medbench.testing.contract import Report
from medbench.testing.method_checks import CHECKS, check_variant
from tests.core.contract_answers import answering

ENCODERS = {"ImageEncoder", "DenseImageEncoder", "TextEncoder"}
FAULTS = [
    ("matcher", "ImageTextMatcher", "match of one image and several texts gives shape (1,), (2,) is expected"),
    ("classifier", "QueryClassifier", "classify gives numbers outside 0 to 1: give probabilities"),
    ("surprised", "QueryClassifier", "classify raised KeyError for 'pneumothorax': raise UsageError"),
    ("grounder", "Grounder", "ground gives shape (2, 2, 4) for 2 images, (2, 2, any, any) is expected"),
    ("generator", "ReportGenerator", "generate gives another text in a batch of 2 than alone"),
    ("short", "ReportGenerator", "generate raised IndexError: position out of range"),
    ("answerer", "QuestionAnswerer", "answer among given ones gives"),
    ("explainer", "Explainer", "something else than a map of finite numbers from 0 up"),
    ("studyencoder", "StudyEncoder", "study_tokens gives shape (1, 1, 8) for 2 studies"),
]


def lines(name: str, capability: str, folder: Path) -> list[str]:
    spec = answering(name, capability)
    choice = MethodChoice(spec, spec.variants[0])
    report = Report.of(name, check_variant(choice, Settings(checkpoints=folder, device="cpu")))
    return [one.line for one in report.findings]


@pytest.mark.parametrize(("name", "capability", "words"), FAULTS)
def test_a_fault_is_named(name: str, capability: str, words: str, tmp_path: Path) -> None:
    found = lines(name, capability, tmp_path)
    assert any(words in line for line in found), found


@pytest.mark.parametrize("capability", sorted(CHECKS.keys() - ENCODERS))
def test_a_good_one_has_no_findings_and_every_check_a_bad_one(capability: str, tmp_path: Path) -> None:
    assert lines("answers", capability, tmp_path) == []
    assert any(capability == bad for _, bad, _ in FAULTS)
