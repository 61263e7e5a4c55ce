"""A comparison as JUnit XML, which CI systems show as tests: a case for each gating metric and each unit not compared.

An undecided comparison has a case of its own with an error: a CI system must not show it as passed.
"""

from __future__ import annotations

from xml.etree import ElementTree

from medbench.compare.outcome import fails, leaves_open, outcome_of
from medbench.compare.summary import label_of, sentence_of
from medbench.compare.verdicts import Comparison, Line
from medbench.leaderboard.text import clean

_SHOWN_AS = {
    "regressed": "failure",
    "refused": "error",
    "not tested": "skipped",
    "missing": "skipped",
    "new": "skipped",
}


def junit_xml(comparison: Comparison) -> bytes:
    """Valid XML whatever the names hold: what XML cannot write is left out of them."""
    cases = [_case(line, comparison) for line in comparison.lines if line.gates or not line.metric]
    errors = [("every record can be read", problem) for problem in comparison.problems]
    outcome = outcome_of(comparison)
    if outcome.code == 2:
        errors.append(("the comparison could be decided", "; ".join(outcome.reasons)))
    for name, told in errors:
        case = ElementTree.Element("testcase", classname="medbench.compare", name=name)
        _add(case, "error", told)
        cases.append(case)
    counts = {tag: sum(case.find(tag) is not None for case in cases) for tag in ("failure", "error", "skipped")}
    suite = ElementTree.Element(
        "testsuite",
        name="medbench compare",
        tests=str(len(cases)),
        failures=str(counts["failure"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
    )
    suite.extend(cases)
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites, " ")
    xml: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return xml + b"\n"


def _case(line: Line, comparison: Comparison) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=clean(line.task), name=label_of(line))
    shown = _SHOWN_AS.get(line.verdict)
    if fails(line, comparison) or leaves_open(line, comparison):
        shown = "failure" if fails(line, comparison) else "error"
    if shown:
        _add(case, shown, sentence_of(line))
    else:
        ElementTree.SubElement(case, "system-out").text = sentence_of(line)
    return case


def _add(case: ElementTree.Element, tag: str, text: str) -> None:
    ElementTree.SubElement(case, tag, message=clean(text)).text = clean(text)
