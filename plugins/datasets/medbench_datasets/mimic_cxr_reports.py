"""The free-text reports of MIMIC-CXR: where they lie, and their findings and impression.

MIMIC-CXR's ``mimic-cxr-reports.zip`` extracts to ``files/p10/p10000032/s50414267.txt``, beside MIMIC-CXR-JPG's images or in
a folder of its own. The sections follow the rules that MGCA and Med-ST build their captions by (MGCA release,
``preprocess/mimic_cxr.py``, after MIT-LCP's ``create_section_files``), in the form given at `sections_of`; the studies for
which MIT-LCP keeps rules written by hand are read like the others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from medbench.samples import Problem
from medbench_datasets.texts import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FOLDERS = ("files", "reports/files", "reports", "mimic-cxr-reports/files")
"""Where below the root the reports are looked for, in this order."""
FINDINGS, IMPRESSION, LAST_PARAGRAPH = "findings", "impression", "last_paragraph"
SECTIONS = (FINDINGS, IMPRESSION, LAST_PARAGRAPH)

_WORKERS = 8
_HEADING = re.compile(r"^[ \t]*([A-Z][A-Z /&,()'-]*[A-Z)])[ \t]*:", re.MULTILINE)
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_TITLE = re.compile(r"^[ \t]*(?:(?:WET READ|FINAL|INTERIM|PRELIMINARY) (?:REPORT|ADDENDUM))[ \t]*$", re.MULTILINE)
_NAMES = (("FINDING", FINDINGS), ("IMPRESSION", IMPRESSION), ("CONCLUSION", IMPRESSION))


class Study(NamedTuple):
    """A study's key: subject and study, as the tables write them."""

    subject: str
    study: str


def sections_of(report: str) -> dict[str, str]:
    """``findings`` and ``impression`` of a report, or its ``last_paragraph`` where it has neither; one line each.

    A heading is a line's beginning in capitals up to a colon; its section reaches to the next heading. FINDING(S) and
    IMPRESSION(S) or CONCLUSION(S), alone or with other words (``FINDINGS AND IMPRESSION`` is both), name the two sections;
    of several with one name the last that is not empty is kept. The last paragraph is what follows the last blank line that
    has text after it, without its heading and without the title (FINAL REPORT). A report without text gives nothing.
    """
    text = report.replace("\r\n", "\n").replace("\r", "\n")
    headings = list(_HEADING.finditer(text))
    bounds = [*(heading.start() for heading in headings), len(text)]
    found: dict[str, str] = {}
    for heading, end in zip(headings, bounds[1:], strict=True):
        body = one_line(text[heading.end() : end])
        names = {name for word, name in _NAMES if word in heading[1]}
        found.update(dict.fromkeys(names, body) if body else {})
    if found:
        return {name: found[name] for name in SECTIONS if name in found}
    last = _last_paragraph(text)
    return {LAST_PARAGRAPH: last} if last else {}


def read_reports(root: Path, studies: Iterable[Study], problems: list[Problem]) -> dict[Study, dict[str, str]]:
    """The sections (`sections_of`) of each study that has a report file; empty where there are no reports at all.

    Files are read in threads, each once. Reports that cannot be read are reported, and so is, once, how many studies have
    none although others do.
    """
    from concurrent.futures import ThreadPoolExecutor

    wanted = list(dict.fromkeys(studies))
    bases = [root / folder for folder in FOLDERS if (root / folder).is_dir()]
    with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        texts = dict(zip(wanted, pool.map(lambda study: _read(bases, study), wanted), strict=True))
    absent = [study for study, text in texts.items() if text is None]
    if absent and len(absent) < len(wanted):
        detail = f"{len(absent):,} studies have no report file, as s{absent[0].study}"
        problems.append(Problem("missing-report", _path_of(absent[0]), detail))
    problems += [
        Problem("bad-report", _path_of(study), f"{text}; passed over")
        for study, text in texts.items()
        if isinstance(text, Exception)
    ]
    return {study: sections_of(text) for study, text in texts.items() if isinstance(text, str)}


def _path_of(study: Study) -> str:
    return f"p{study.subject[:2]}/p{study.subject}/s{study.study}.txt"


def _read(bases: Iterable[Path], study: Study) -> str | Exception | None:
    """The text of a study's report, why it cannot be read, or None where it has no file."""
    for base in bases:
        try:
            return (base / _path_of(study)).read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, UnicodeDecodeError) as error:
            return error
    return None


def _last_paragraph(text: str) -> str:
    paragraphs = [one_line(_HEADING.sub("", part, count=1)) for part in _BLANK_LINE.split(_TITLE.sub("", text))]
    return next((part for part in reversed(paragraphs) if part), "")
