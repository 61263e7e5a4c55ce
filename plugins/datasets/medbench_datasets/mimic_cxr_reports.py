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
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

HOMES = ("reports", "mimic-cxr-reports")
"""Folders of the root that hold reports alone."""
FOLDERS = (
    "files",
    *(f"{home}/{below}".rstrip("/") for home in HOMES for below in ("files", "", "mimic-cxr-reports/files")),
)
"""Where below the root the reports are looked for, in this order."""
FINDINGS, IMPRESSION, LAST_PARAGRAPH = "findings", "impression", "last_paragraph"
SECTIONS = (FINDINGS, IMPRESSION)
"""The sections that can be a text, the better one first."""

_WORKERS = 8
_CHUNK = 4096
"""Reports under way at once: their texts are not all held."""
_HEADING = re.compile(r"^[ \t]*([A-Z][A-Z /&,()'-]*[A-Z)])[ \t]*:", re.MULTILINE)
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_TITLE = re.compile(r"^[ \t]*(?:(?:WET READ|FINAL|INTERIM|PRELIMINARY) (?:REPORT|ADDENDUM))[ \t]*$", re.MULTILINE)
_BOTH = tuple(
    f"{one}{joined}{other}"
    for joined in (" AND ", " & ", "/", " / ")
    for findings in ("FINDINGS", "FINDING")
    for impression in ("IMPRESSION", "IMPRESSIONS", "CONCLUSION", "CONCLUSIONS")
    for one, other in ((findings, impression), (impression, findings))
)
_NAMES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("FINDINGS", "FINDING"), (FINDINGS,)),
    **dict.fromkeys(("IMPRESSION", "IMPRESSIONS", "CONCLUSION", "CONCLUSIONS"), (IMPRESSION,)),
    **dict.fromkeys(_BOTH, (FINDINGS, IMPRESSION)),
}
"""The sections that a whole heading names; one that only holds such a word (``CRITICAL FINDINGS``) names none."""


class Study(NamedTuple):
    """A study's key: subject and study, as the tables write them."""

    subject: str
    study: str


def sections_of(report: str) -> dict[str, str]:
    """``findings`` and ``impression`` of a report, or its ``last_paragraph`` where it has neither; one line each.

    A heading is a line's beginning in capitals up to a colon; its section reaches to the next heading. FINDING(S) and
    IMPRESSION(S) or CONCLUSION(S) name the two sections, and ``FINDINGS AND IMPRESSION`` both; of several with one name the
    last is taken, and dropped if it is empty. The last paragraph is what follows the last blank line that has text after it,
    without its heading and without the title (FINAL REPORT). A report without text gives nothing.
    """
    text = report.replace("\r\n", "\n").replace("\r", "\n")
    headings = list(_HEADING.finditer(text))
    bounds = [*(heading.start() for heading in headings), len(text)]
    found: dict[str, str] = {}
    for heading, end in zip(headings, bounds[1:], strict=True):
        body = one_line(text[heading.end() : end])
        found.update(dict.fromkeys(_NAMES.get(" ".join(heading[1].split()), ()), body))
    sections = {name: found[name] for name in SECTIONS if found.get(name)}
    if sections:
        return sections
    last = _last_paragraph(text)
    return {LAST_PARAGRAPH: last} if last else {}


def read_reports(root: Path, studies: Iterable[Study], problems: list[Problem]) -> dict[Study, dict[str, str]]:
    """The sections (`sections_of`) of each study that has a report file; empty where there are no reports at all.

    Files are read in threads, each once. Reports that cannot be read are reported, and so is, once, how many studies have
    none although others do, or although there is a folder for reports.
    """
    from concurrent.futures import ThreadPoolExecutor

    wanted = list(dict.fromkeys(studies))
    bases = [root / folder for folder in FOLDERS if (root / folder).is_dir()]
    read: dict[Study, dict[str, str]] = {}
    absent: list[Study] = []
    bad: list[Problem] = []
    with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            for study, found in zip(chunk, pool.map(lambda study: _read(bases, study), chunk), strict=True):
                if found is None:
                    absent.append(study)
                elif isinstance(found, Problem):
                    bad.append(found)
                else:
                    read[study] = found
    problems += [*_missing(root, wanted, absent), *bad]
    return read


def _missing(root: Path, wanted: Sequence[Study], absent: Sequence[Study]) -> list[Problem]:
    if not absent:
        return []
    if len(absent) < len(wanted):
        detail = f"{len(absent):,} studies have no report file, as s{absent[0].study}"
        return [Problem("missing-report", _path_of(absent[0]), detail)]
    detail = f"none of {len(wanted):,} studies has a report in it, as {_path_of(absent[0])}, in files/ or not"
    return [Problem("missing-report", home, detail) for home in HOMES if (root / home).is_dir()]


def _path_of(study: Study) -> str:
    return f"p{study.subject[:2]}/p{study.subject}/s{study.study}.txt"


def _read(bases: Iterable[Path], study: Study) -> dict[str, str] | Problem | None:
    """The sections of a study's report, why it cannot be read, or None where it has no file."""
    for base in bases:
        try:
            return sections_of((base / _path_of(study)).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, UnicodeDecodeError) as error:
            return Problem("bad-report", _path_of(study), f"{error}; passed over")
    return None


def _last_paragraph(text: str) -> str:
    paragraphs = [one_line(_HEADING.sub("", part, count=1)) for part in _BLANK_LINE.split(_TITLE.sub("", text))]
    return next((part for part in reversed(paragraphs) if part), "")
