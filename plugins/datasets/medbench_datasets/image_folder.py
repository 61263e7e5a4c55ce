"""A user's own images, sorted into a folder for each class: ``<class>/*.png``, or ``train/<class>/*.png`` and so on.

The root holds the class folders, or part folders (``train``, ``valid`` or ``val``, ``test``) that hold them. Images may lie
deeper within their class. Where one patient has several images, write a table instead (dataset ``csv``).
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from medbench.errors import MissingDataError
from medbench.samples import Problem, RawDataset, Sample
from medbench.specs import DatasetSpec, ExpectedFile
from medbench_datasets.folders import files_below, is_clutter, subfolders
from medbench_datasets.names import is_plain_text, look_alikes
from medbench_datasets.own_images import PART_NAMES, SPLIT, SPLIT_SPEC, SUFFIXES, drawn_split, given_split

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from medbench.specs import Part

_FIX = "add images, or sort them into folders train, valid and test"

SPEC = DatasetSpec(
    id="image-folder",
    title="Own images, a folder for each class",
    modality="any",
    access="open",
    licence="the user's own",
    url="your own disk",
    files=(
        ExpectedFile(
            path="*",
            purpose="a folder for each class with its images, or train, valid and test with the class folders in them",
            kind="folder",
        ),
    ),
    supervision=frozenset({"labels"}),
    label_names=(),
    splits=(SPLIT_SPEC,),
    reader="medbench_datasets.image_folder:read",
    images_from=None,
    phantom="medbench_datasets.own_images_phantom:write_folder",
    tags=("own", "classification"),
)


def read(root: Path) -> RawDataset:
    """One sample an image, whose id is its path and who is a patient of its own; labels are the class folders' names, sorted.

    Every image holds one class of all. Files that are no image are reported. Raises `MissingDataError` where fewer than two
    classes have images, or part folders are mixed with others, or there are part folders but none for test, or too few
    images to draw a test part. Links are followed; hidden files are passed over.
    """
    problems: list[Problem] = []
    parts = _part_folders(root)
    class_of: dict[str, str] = {}
    part_of: dict[str, Part] = {}
    for top in parts or [""]:
        for folder in subfolders(root / top):
            for image in _images(root, f"{top}/{folder}" if top else folder, problems):
                class_of[image] = unicodedata.normalize("NFC", folder)
                if top:
                    part_of[image] = parts[top]
    names = tuple(sorted(set(class_of.values())))
    _require_classes(root, names)
    samples = [
        Sample(sample_id=image, patient_id=image, image=image, labels={name: int(name == held) for name in names})
        for image, held in class_of.items()
    ]
    problems += [*_loose_images(root, parts), *look_alikes(names)]
    problems += _absent_classes(names, class_of, part_of)
    split = given_split(samples, part_of, root, problems) if parts else drawn_split(samples, root, fix=_FIX)
    return RawDataset(samples=tuple(samples), splits={SPLIT: split}, problems=tuple(problems), label_names=names)


def _part_folders(root: Path) -> dict[str, Part]:
    """The part that each folder of the root stands for; empty where they are classes."""
    folders = subfolders(root)
    parts = {name: PART_NAMES[name.casefold()] for name in folders if name.casefold() in PART_NAMES}
    others = [name for name in folders if name not in parts]
    if parts and others:
        raise MissingDataError(
            f"{root} mixes part folders ({', '.join(parts)}) with others ({', '.join(others[:3])})",
            fix="keep either class folders alone, or train, valid and test alone with class folders in each",
        )
    twice = [part for part, times in Counter(parts.values()).items() if times > 1]
    if twice:
        folders_of = " and ".join(name for name, part in parts.items() if part == twice[0])
        raise MissingDataError(f"{root} has {folders_of}: both mean {twice[0]}", fix="keep one of them")
    return parts


def _images(root: Path, folder: str, problems: list[Problem]) -> Iterator[str]:
    """Paths of the images within a class folder at any depth, relative to the root with '/', sorted."""
    found = 0
    for where in files_below(root, folder):
        if not is_plain_text(where):
            detail = "the name has control characters or is not valid Unicode; rename it. Passed over"
            problems.append(Problem("bad-name", repr(where), detail))
        elif PurePosixPath(where).suffix.lower() not in SUFFIXES:
            detail = f"not one of {', '.join(sorted(SUFFIXES))}; passed over"
            problems.append(Problem("not-an-image", where, detail))
        else:
            found += 1
            yield where
    if not found:
        where = folder if is_plain_text(folder) else repr(folder)
        problems.append(Problem("empty-class", where, "no image in this folder"))


def _require_classes(root: Path, names: Sequence[str]) -> None:
    if not names:
        raise MissingDataError(
            f"{root} has no class folder with images in it",
            fix=f"put the images into a folder for each class ({', '.join(sorted(SUFFIXES))}), or use dataset csv",
        )
    if len(names) == 1:
        raise MissingDataError(
            f"{root} has images of one class alone ('{names[0]}'), and nothing can be told apart",
            fix="add a folder for another class, or give the folder that holds the class folders",
        )


def _loose_images(root: Path, parts: Mapping[str, Part]) -> list[Problem]:
    """Images beside the class folders, which have no class."""
    return [
        Problem("loose-image", path.relative_to(root).as_posix(), "outside of a class folder; passed over")
        for folder in [root, *(root / name for name in parts)]
        for path in sorted(folder.iterdir())
        if path.is_file() and path.suffix.lower() in SUFFIXES and not is_clutter(path.name)
    ]


def _absent_classes(names: Sequence[str], class_of: Mapping[str, str], part_of: Mapping[str, Part]) -> list[Problem]:
    """Classes that a given part has no image of."""
    held = {(part, class_of[image]) for image, part in part_of.items()}
    return [
        Problem("absent-class", part, f"no image of class '{name}' in this part")
        for part in sorted(set(part_of.values()))
        for name in names
        if (part, name) not in held
    ]
