"""Where the images of NIH ChestX-ray14 lie: at any depth, in one folder or twelve, sometimes beside a smaller copy."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from medbench.errors import MissingDataError
from medbench.samples import Problem
from medbench_datasets.folders import files_below

if TYPE_CHECKING:
    from pathlib import Path

IMAGES = "images"

_MOST = 0.5


def find_images(root: Path, problems: list[Problem], *, fix: str) -> dict[str, str]:
    """Paths relative to the root by file name in lower case; links are followed.

    Images below a folder whose name starts with ``images`` are preferred to others, as to a resized copy in ``224``; of
    several equally good ones with one name the first in sorted order is taken. Either is reported. Raises
    `MissingDataError` where there is none, or where most names are found in several equally good folders.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for path in files_below(root):
        if path.lower().endswith(".png"):
            found[path.rpartition("/")[2].lower()].append(path)
    if not found:
        raise MissingDataError(f"{root} holds no .png file", fix=fix)
    best = {name: [path for path in paths if _is_preferred(path)] or paths for name, paths in found.items()}
    copied = [paths for paths in best.values() if len({_folder(path) for path in paths}) > 1]
    if len(copied) > _MOST * len(best):
        raise MissingDataError(
            f"{root} holds most images twice, as {copied[0][0]} and {copied[0][1]}", fix="move one copy elsewhere"
        )
    problems += [
        Problem("duplicate-image", path, f"the image is at {first} too, which was taken")
        for first, *others in best.values()
        for path in others
    ]
    spare = Counter(_folder(path) for name, paths in found.items() for path in paths if path not in best[name])
    problems += [
        Problem(
            "duplicate-image", folder, f"{count:,} of its images lie in a folder {IMAGES}* too, and were taken there"
        )
        for folder, count in spare.items()
    ]
    return {name: paths[0] for name, paths in best.items()}


def _folder(path: str) -> str:
    return path.rpartition("/")[0] or "."


def _is_preferred(path: str) -> bool:
    return any(folder.lower().startswith(IMAGES) for folder in path.split("/")[:-1])
