"""A generated stand-in for IU X-Ray in both public layouts: XML reports with named views, and R2Gen's annotation file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

import numpy as np
from PIL import Image

from medbench_datasets import drawing, iu_xray, lateral_drawing, phantom_reports, r2gen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from medbench.samples import PhantomSize
    from medbench_datasets.phantom_reports import Drawn

_PARTS = ("train", "test", "val", "train", "train", "test", "train", "train", "train", "train")
_SINGLE_EVERY, _NO_FINDINGS_EVERY, _NO_TEXT_EVERY = 9, 8, 16


class Case(NamedTuple):
    """A study: its views, each (side, side) uint8, what they show, and its report; ``part`` is R2Gen's, '' where left out."""

    number: int
    part: str
    drawn: tuple[Drawn, ...]
    findings: str
    impression: str
    views: tuple[NDArray[np.uint8], ...]

    @property
    def study(self) -> str:
        return f"CXR{self.number}"

    @property
    def r2gen_id(self) -> str:
        return f"{self.study}_IM-{self.number:04d}"

    @property
    def image_ids(self) -> tuple[str, ...]:
        return tuple(f"{self.r2gen_id}-{view}001" for view in range(1, len(self.views) + 1))


def draw_cases(size: PhantomSize) -> Iterator[Case]:
    """About ``size.images`` views, a frontal and mostly a lateral a study; same size, same cases.

    Some studies have an impression alone, some no text at all, some a single view; as in the public file, R2Gen's are those
    with findings and two views.
    """
    rng = np.random.default_rng(size.seed)
    drawn_views, number, listed = 0, 0, 0
    while drawn_views < size.images:
        number += 1
        thorax, drawn = phantom_reports.draw_findings(drawing.draw_thorax(size.side, rng), rng)
        views = [drawing.finish(thorax, rng), _lateral(size.side, drawn, rng)]
        findings, impression = phantom_reports.findings_text(drawn, rng), phantom_reports.impression_text(drawn, rng)
        single = number % _SINGLE_EVERY == 0 or drawn_views + 1 == size.images
        if number % _NO_FINDINGS_EVERY == 0:
            findings = ""
        if number % _NO_TEXT_EVERY == 0:
            impression = ""
        in_list = bool(findings) and not single
        part = _PARTS[listed % len(_PARTS)] if in_list else ""
        listed += in_list
        drawn_views += 1 if single else 2
        yield Case(number, part, drawn, findings, impression, tuple(views[: 1 if single else 2]))


def write_phantom(root: Path, size: PhantomSize) -> None:
    """Write the XML reports, the annotation file and the PNG images of both; same size, same bytes."""
    images, reports = root / iu_xray.IMAGES, root / iu_xray.REPORTS
    for folder in (images, reports):
        folder.mkdir(parents=True, exist_ok=True)
    records: dict[str, list[Mapping[str, object]]] = {part: [] for part in r2gen.PARTS}
    for case in draw_cases(size):
        _report(case).write(reports / f"{case.number}.xml", encoding="utf-8", xml_declaration=True)
        for name, pixels in zip(case.image_ids, case.views, strict=True):
            Image.fromarray(pixels).save(images / f"{name}.png")
        if case.part:
            (images / case.r2gen_id).mkdir(exist_ok=True)
            for view, pixels in enumerate(case.views):
                Image.fromarray(pixels).save(images / case.r2gen_id / f"{view}.png")
            paths = [f"{case.r2gen_id}/{view}.png" for view in range(len(case.views))]
            record = {"id": case.r2gen_id, "report": case.findings, "image_path": paths, "split": case.part}
            records[case.part].append(record)
    (root / r2gen.ANNOTATION).write_text(json.dumps(records), encoding="utf-8")


def _lateral(side: int, drawn: tuple[Drawn, ...], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The view from the side: opacities in their zones of the lungs; air is not seen in it."""
    thorax = lateral_drawing.draw_lateral(side, rng)
    for one in drawn:
        if one.what == phantom_reports.OPACITY:
            thorax, _ = drawing.add_opacity(thorax, phantom_reports.zone_of(thorax.right_lung, one.zone), rng)
    return drawing.finish(thorax, rng)


def _report(case: Case) -> ElementTree[Element]:
    root = Element("eCitation")
    SubElement(root, "uId", id=case.study)
    SubElement(root, "IUXRId", id=str(case.number))
    article = SubElement(SubElement(root, "MedlineCitation"), "Article")
    abstract = SubElement(article, "Abstract")
    sections = {
        "COMPARISON": "None.",
        "INDICATION": "Phantom",
        "FINDINGS": case.findings,
        "IMPRESSION": case.impression,
    }
    for label, text in sections.items():
        SubElement(abstract, "AbstractText", Label=label).text = text or None
    mesh = SubElement(root, "MeSH")
    for heading in phantom_reports.headings(case.drawn):
        SubElement(mesh, "major").text = heading
    for number, name in enumerate(case.image_ids, 1):
        image = SubElement(root, "parentImage", id=name)
        SubElement(image, "figureId").text = f"F{number}"
        SubElement(image, "caption").text = "Phantom chest, PA and lateral"
    indent(root)
    return ElementTree(root)
