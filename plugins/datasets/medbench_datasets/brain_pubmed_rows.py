"""Rows of the brain pipeline's caption files: which image, which captions, of which figure and article."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from medbench.errors import MissingDataError
from medbench.samples import Problem
from medbench_datasets.folders import is_there
from medbench_datasets.json_rows import JsonRow, json_rows, read_json, text_of
from medbench_datasets.names import complain_of_path
from medbench_datasets.questions import ids_by_part
from medbench_datasets.splits import divide, members_of
from medbench_datasets.texts import HALF_CHARACTER, encodable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from medbench.samples import Sample

IMAGES = "images"
FILES = {"train": "train.json", "valid": "val.json", "test": "test.json"}
AS_RELEASED, BY_FIGURE = "as-released", "figure"
VALID_SHARE, TEST_SHARE = 0.125, 0.125
PLAIN = "caption_plain"

_IMAGE_KEYS = ("Img_id", "image", "img_file")
_CAPTION_KEYS = ("text", "caption")
_ARTICLE_KEYS = ("pmcid", "img_url", "url", "image", "img_file", "Img_id")
_ARTICLE = re.compile(r"PMC\d+", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9]*(?:\s[^<>]*)?/?>")


class Caption(NamedTuple):
    """A row that can become a sample.

    ``part`` is '' in a list that is not divided. ``image`` is a path from the dataset's root, ``figure`` the file's name
    without its ending, ``article`` a PMC id or ''. ``panel`` is the letter of a panel, '' for the whole figure.
    """

    row_id: str
    part: str
    where: str
    image: str
    figure: str
    article: str
    texts: tuple[str, ...]
    panel: str
    image_id: str


def read_captions(root: Path, whole_list: str, problems: list[Problem]) -> list[Caption]:
    """The rows of train.json, val.json and test.json, or else of ``whole_list``, in order; bad ones are reported.

    An image's name is the last component of its path, whose start is the authors' own folder; where the row's relative path
    exists under ``images/``, it is that. Ids are ``<part>-<row>``, or ``<row>`` in the whole list, counted from 0. Raises
    `MissingDataError` where neither is there.
    """
    lists = {part: root / name for part, name in FILES.items() if (root / name).is_file()}
    if not lists and (root / whole_list).is_file():
        lists = {"": root / whole_list}
    elif missing := [name for part, name in FILES.items() if part not in lists]:
        raise MissingDataError(
            f"{root} has no {', '.join(missing)}", fix=f"put the pipeline's lists there, or its undivided {whole_list}"
        )
    captions = []
    for part, path in lists.items():
        for row in json_rows(path, read_json(path), problems):
            number = row.where.partition("[")[2].rstrip("]")
            caption = _caption(root, row, part, f"{part}-{number}" if part else number)
            if isinstance(caption, Problem):
                problems.append(caption)
            else:
                captions.append(_encodable(caption, problems))
    return captions


def plain(text: str) -> str:
    """A caption without markup (``<b>brain</b>``), with entities as the characters they stand for, and single blanks."""
    import html  # its table of entities would slow every command down

    return " ".join(html.unescape(_TAG.sub("", text)).split())


def groups_of(captions: Iterable[Caption]) -> dict[str, str]:
    """The article of each figure, or the figure itself where no row of it tells: what must not be divided between parts."""
    article_of: dict[str, str] = {}
    for caption in captions:
        if caption.article or caption.figure not in article_of:
            article_of[caption.figure] = article_of.get(caption.figure) or caption.article
    return {figure: article or figure for figure, article in article_of.items()}


def splits_of(captions: Sequence[Caption], samples: Sequence[Sample]) -> dict[str, dict[str, list[str]]]:
    """`BY_FIGURE`, drawn over the samples' patients, and `AS_RELEASED` where the rows were divided."""
    group_of = {one.sample_id: one.patient_id for one in samples}
    drawn = divide(sorted(set(group_of.values())), valid=VALID_SHARE, test=TEST_SHARE)
    given_part = {caption.row_id: caption.part for caption in captions}
    splits = {BY_FIGURE: members_of(drawn, group_of)}
    if any(given_part.values()):
        splits[AS_RELEASED] = ids_by_part(samples, given_part, FILES)
    return splits


def _caption(root: Path, row: JsonRow, part: str, row_id: str) -> Caption | Problem:
    name = next((row.cells[key] for key in _IMAGE_KEYS if row.cells.get(key)), "")
    if not isinstance(name, str):
        return Problem("bad-row", row.where, "the image is not named by a text; passed over")
    image = _image_path(root, name)
    wrong_path = complain_of_path(image)
    if wrong_path is not None:
        return Problem("bad-row", row.where, f"{wrong_path}; passed over")
    texts = _texts(next((row.cells[key] for key in _CAPTION_KEYS if key in row.cells), None))
    if texts is None:
        return Problem("bad-row", row.where, "the caption is neither a text nor a list of texts; passed over")
    if not texts:
        return Problem("bad-row", row.where, "the caption is empty; passed over")
    panel = text_of(row.cells.get("Sub_ID"))
    if panel is None:
        return Problem("bad-row", row.where, "Sub_ID is not a text; passed over")
    told = [row.cells[key] for key in _ARTICLE_KEYS if isinstance(row.cells.get(key), str)]
    article = (_ARTICLE.search(one) for one in told)
    return Caption(
        row_id=row_id,
        part=part,
        where=row.where,
        image=f"{IMAGES}/{image}",
        figure=PurePosixPath(image).with_suffix("").as_posix(),
        article=next((match[0].upper() for match in article if match), ""),
        texts=texts,
        panel=panel,
        image_id=text_of(row.cells.get("image_id")) or "",
    )


def _encodable(caption: Caption, problems: list[Problem]) -> Caption:
    """The row as a table can hold it; what had to be replaced is reported."""
    texts = tuple(encodable(text) for text in caption.texts)
    fit = caption._replace(texts=texts, panel=encodable(caption.panel), image_id=encodable(caption.image_id))
    if fit != caption:
        problems.append(Problem("encoding", caption.where, HALF_CHARACTER))
    return fit


def _image_path(root: Path, name: str) -> str:
    """The path under ``images/`` that a row means."""
    path = PurePosixPath(name.strip().replace("\\", "/"))
    inside = not path.is_absolute() and ".." not in path.parts
    return str(path) if inside and len(path.parts) > 1 and is_there(root / IMAGES / path) else path.name


def _texts(value: Any) -> tuple[str, ...] | None:
    """The captions, each stripped, without empty ones."""
    listed = value if isinstance(value, list) else [value]
    if not all(one is None or isinstance(one, str) for one in listed):
        return None
    return tuple(one.strip() for one in listed if one and one.strip())
