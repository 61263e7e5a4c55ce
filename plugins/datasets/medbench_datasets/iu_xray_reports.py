"""The reports of the Indiana University collection as Open-i publishes them: one XML file a study.

Of each file are read the abstract's sections (comparison, indication, findings, impression), the headings that readers
gave the study by hand (``MeSH/major``), and the ids of its images (``parentImage``), which are their file names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from medbench.errors import MissingDataError
from medbench.samples import Problem
from medbench_datasets.folders import is_clutter
from medbench_datasets.names import is_plain_text
from medbench_datasets.tables import is_file_name
from medbench_datasets.texts import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from xml.etree.ElementTree import Element

SECTIONS = ("comparison", "indication", "findings", "impression")


class Report(NamedTuple):
    """A study's report; a section that the file leaves empty is ''."""

    study: str
    comparison: str
    indication: str
    findings: str
    impression: str
    mesh: tuple[str, ...]
    images: tuple[str, ...]

    @property
    def details(self) -> dict[str, str]:
        """The sections that are not empty, and the headings joined by '; '."""
        sections = zip(SECTIONS, self[1:5], strict=True)
        return {name: text for name, text in (*sections, ("mesh", "; ".join(self.mesh))) if text}


class Reports(NamedTuple):
    """Usable reports by study, in the order of the study numbers, and how many different files there are."""

    by_study: dict[str, Report]
    listed: int


def parse_report(path: Path) -> Report:
    """The report of one file; its images need not be there.

    Entities and document types are refused, and nothing that the file points to is fetched. A section that occurs twice is
    joined. Raises `MissingDataError` where the file is no whole XML, declares entities, or names no study.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import parse

    try:
        root = parse(path, forbid_dtd=True).getroot()
    except DefusedXmlException as error:
        raise MissingDataError(f"{path.name} declares entities or a document type and was not read") from error
    except (ParseError, LookupError, ValueError) as error:
        raise MissingDataError(f"{path.name} is not whole XML ({error})", fix="extract the archive again") from error
    study = _attribute(root.find("uId"))
    if not (is_file_name(study) and is_plain_text(study)):
        raise MissingDataError(f"{path.name} names no study (uId {study[:30]!r})", fix="extract the archive again")
    sections = {name: _section(root, name.upper()) for name in SECTIONS}
    mesh = tuple(text for one in root.iterfind("MeSH/major") if (text := one_line(one.text or "")))
    images = tuple(_attribute(one) for one in root.iterfind("parentImage"))
    return Report(study=study, **sections, mesh=mesh, images=images)


def read_reports(folder: Path, problems: list[Problem]) -> Reports:
    """The reports of a folder: every ``.xml``, in whatever case, but for what operating systems add.

    What cannot be read, and a second file of a study, is reported and passed over.
    """
    found: dict[str, Report] = {}
    listed = 0
    for path in sorted(_files(folder), key=_number):
        where = f"{folder.name}/{path.name}"
        try:
            report = parse_report(path)
        except (MissingDataError, OSError) as error:
            problems.append(Problem("bad-report", where, f"{error}; passed over"))
            listed += 1
            continue
        if report.study in found:
            problems.append(Problem("duplicate-id", where, f"a file before this one is of {report.study} too"))
            continue
        listed += 1
        found[report.study] = _with_usable_images(report, where, problems)
    return Reports(found, listed)


def _files(folder: Path) -> Iterator[Path]:
    listed = folder.iterdir() if folder.is_dir() else ()
    return (path for path in listed if path.suffix.lower() == ".xml" and not is_clutter(path.name))


def _number(path: Path) -> tuple[int, str]:
    """``2.xml`` stands before ``10.xml``."""
    return len(path.stem), path.stem


def _attribute(element: Element | None) -> str:
    return "" if element is None else (element.get("id") or "").strip()


def _section(root: Element, label: str) -> str:
    """The text of all sections of that label, whatever elements stand within them."""
    texts = ("".join(one.itertext()) for one in root.iter("AbstractText") if (one.get("Label") or "").upper() == label)
    return one_line(" ".join(texts))


def _with_usable_images(report: Report, where: str, problems: list[Problem]) -> Report:
    usable = tuple(dict.fromkeys(name for name in report.images if is_file_name(name) and is_plain_text(name)))
    bad = [name for name in report.images if name not in usable]
    problems += [Problem("bad-row", where, f"the image id {name[:60]!r} cannot name a file; left out") for name in bad]
    return report._replace(images=usable)
