"""ROCO's text files: captions by image id, and which file an image is.

``captions.txt`` has a line an image, ``ROCO_00001<TAB>caption``. The images are named after the article and the figure
(``PMC4083729_AMHSR-4-14-g002.jpg``), as ROCO's ``fetch.py`` saves them; ``licences.txt`` (``ROCO_ID,PMC_ID,CC``) or
``dlinks.txt`` (``ROCO_00002<TAB>wget -r ftp://.../PMC4083729.tar.gz ...<TAB>AMHSR-4-14-g002.jpg``) say which is which.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from medbench.errors import MissingDataError
from medbench.samples import Problem
from medbench_datasets.tables import SURPLUS, is_file_name, read_csv
from medbench_datasets.texts import one_line

if TYPE_CHECKING:
    from pathlib import Path

CAPTIONS, LICENCES, LINKS = "captions.txt", "licences.txt", "dlinks.txt"
LICENCES_V2 = "license_information.csv"
LICENCE_COLUMNS = ("ROCO_ID", "PMC_ID", "CC")

_ARTICLE = re.compile(r"PMC\d+", re.ASCII)
_LINK_FIELDS = 3


class Captions(NamedTuple):
    """Captions on one line by id, in the order of the file, and how many different ids it lists."""

    by_id: dict[str, str]
    listed: int


class Figure(NamedTuple):
    """The file of an image, ``''`` where unknown, the article it comes from, and its licence."""

    file: str = ""
    article: str = ""
    licence: str = ""


def read_captions(path: Path, where: str, problems: list[Problem]) -> Captions:
    """The captions of one ``captions.txt``; a line without a tab goes on with the caption before it.

    Lines before the first id, ids that cannot name a file, repeated ids and empty captions are reported and passed over.
    Raises `MissingDataError` where the file is no UTF-8 text.
    """
    found: dict[str, str] = {}
    last, listed = "", 0
    for number, line in enumerate(_lines(path), 1):
        place, (name, tab, caption) = f"{where}:{number}", line.partition("\t")
        name = name.strip()
        if not tab and last:
            found[last] = f"{found[last]} {line}"
        elif not tab or not is_file_name(name):
            problems.append(Problem("bad-row", place, f"{name[:30]!r} is no id and caption; passed over"))
            last, listed = "", listed + 1
        elif name in found:
            problems.append(Problem("duplicate-row", place, f"a line before this one is of {name} too; passed over"))
            last = ""
        else:
            found[name], last, listed = caption, name, listed + 1
    captions = {name: one_line(caption) for name, caption in found.items()}
    problems += [
        Problem("no-text", where, f"{name} has no caption; passed over") for name in captions if not captions[name]
    ]
    return Captions({name: caption for name, caption in captions.items() if caption}, listed)


def read_figures(folder: Path, where: str, problems: list[Problem]) -> dict[str, Figure]:
    """What ``licences.txt``, and for ids that are not in it ``dlinks.txt``, say of each image of a folder."""
    figures = _links(folder / LINKS) if (folder / LINKS).is_file() else {}
    licences = folder / LICENCES
    for row in read_csv(licences, LICENCE_COLUMNS) if licences.is_file() else []:
        name, file, licence = (row.cells[column] for column in LICENCE_COLUMNS)
        if row.surplus or not is_file_name(file):
            complaint = SURPLUS if row.surplus else f"PMC_ID {file[:60]!r} cannot name a file"
            problems.append(Problem("bad-row", f"{where}/{LICENCES}:{row.line}", f"{complaint}; passed over"))
        else:
            figures[name] = Figure(file, _article(file), licence)
    return figures


def read_articles(path: Path, problems: list[Problem]) -> dict[str, str]:
    """ROCOv2's articles by image id, of column ``PMCID`` or of the address in ``Link``; empty where there is no such table.

    A table that cannot be read is reported: the captions are whole without it.
    """
    if not path.is_file():
        return {}
    try:
        rows = read_csv(path, ("ID",))
    except MissingDataError as error:
        problems.append(Problem("bad-list", path.name, f"{error.message}; no article is known"))
        return {}
    told = {row.cells["ID"]: _ARTICLE.search(f"{row.cells.get('PMCID')} {row.cells.get('Link')}") for row in rows}
    return {name: article[0] for name, article in told.items() if article}


def _links(path: Path) -> dict[str, Figure]:
    """Figures by id; lines of another shape say nothing."""
    figures = {}
    for line in _lines(path):
        fields = line.split("\t")
        article = _article(fields[1].rpartition(".tar.gz")[0].rpartition("/")[2]) if len(fields) >= _LINK_FIELDS else ""
        if article and is_file_name(fields[-1].strip()):
            figures[fields[0].strip()] = Figure(f"{article}_{fields[-1].strip()}", article)
    return figures


def _article(name: str) -> str:
    match = _ARTICLE.match(name)
    return match[0] if match else ""


def _lines(path: Path) -> list[str]:
    """Lines that are not blank, split at line feeds alone: captions hold other marks that Python takes for line ends."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise MissingDataError(f"{path} is not readable text ({error})", fix="download the file again") from error
    return [line.rstrip("\r") for line in text.split("\n") if line.strip()]
