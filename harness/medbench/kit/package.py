"""Writing a package for a method, dataset or task of one's own, from the templates beside this module.

A template is a file whose name ends in ``.template``, filled by `string.Template`; ``package`` in its path becomes the module's
name, and a leading ``dot-`` a dot. ``common`` is written for every kind.
"""

from __future__ import annotations

import importlib.resources
import importlib.util
import re
import shutil
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal, get_args

from medbench import __version__
from medbench.errors import StoreError, UsageError
from medbench.registry import Registry

Kind = Literal["method", "dataset", "task"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*\Z")
_LONGEST = 60
_SUFFIX = ".template"


@dataclass(frozen=True, slots=True)
class NewPackage:
    """What to write: the ``kind``, and the id of the method, dataset or task."""

    kind: Kind
    id: str

    @property
    def distribution(self) -> str:
        """``medbench-mine``."""
        return f"medbench-{self.id}"

    @property
    def module(self) -> str:
        """``medbench_mine``."""
        return f"medbench_{re.sub('[._-]', '_', self.id)}"

    @property
    def words(self) -> Mapping[str, str]:
        """What the templates are filled with."""
        title = re.sub("[._-]", " ", self.id)
        return {
            "kind": self.kind,
            "id": self.id,
            "module": self.module,
            "distribution": self.distribution,
            "name": re.sub("[._-]", "_", self.id),
            "title": title[0].upper() + title[1:],
            "medbench": __version__,
        }


def check_name(package: NewPackage, registry: Registry) -> None:
    """Raise `UsageError` where the id is malformed or taken, or the module's name is."""
    name = package.id
    if not _NAME.match(name) or len(name) > _LONGEST:
        near = re.sub("[^a-z0-9._-]+", "-", name.lower())
        near = re.sub("[._-]{2,}", "-", near).strip("._-")[:_LONGEST].rstrip("._-")
        hint = f"for example '{near}'" if near else "for example 'my-resnet'"
        rule = f"lower-case letters and digits, with single '.', '_' or '-' between them, at most {_LONGEST}"
        raise UsageError(f"'{name[:80]}' is no name for a {package.kind}: {rule}", fix=hint)
    taken = {"method": registry.methods, "dataset": registry.datasets, "task": registry.tasks}[package.kind]
    owner = next((one.label for one in registry.plugins if f"{package.kind} {name}" in one.offers), "")
    if name in taken:
        raise UsageError(f"the {package.kind} '{name}' is taken by {owner}", fix="choose another name")
    if importlib.util.find_spec(package.module) is not None:
        raise UsageError(f"a module {package.module} is installed already", fix="choose another name")


def write_package(package: NewPackage, folder: Path) -> tuple[Path, ...]:
    """Write ``folder/medbench-<id>`` and give the files written.

    Raises `UsageError`, and writes nothing, where that exists; `StoreError`, and leaves nothing, where it cannot be written.
    """
    target = folder / package.distribution
    files = {target / path: text for path, text in _filled(package)}
    try:
        target.mkdir(parents=True)
    except FileExistsError as error:
        raise UsageError(
            f"{error.filename} exists already", fix="name another folder with --out, or remove it"
        ) from None
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        for place, text in files.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    except BaseException as error:  # half a package would stand in the way of the next try
        shutil.rmtree(target, ignore_errors=True)
        if isinstance(error, OSError):
            raise _unwritable(target, error) from error
        raise
    return tuple(files)


def _unwritable(target: Path, error: OSError) -> StoreError:
    return StoreError(f"cannot write {target}: {error.strerror}", fix="name another folder with --out")


def _filled(package: NewPackage) -> Iterator[tuple[Path, str]]:
    """The path in the package and the text of every file."""
    templates = importlib.resources.files("medbench.kit") / "templates"
    for name in ("common", package.kind):
        for parts, source in _below(templates / name, ()):
            text = string.Template(source.read_text(encoding="utf-8")).substitute(package.words)
            yield Path(*(_named(part, package) for part in parts)), text


def _below(folder: Traversable, parts: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Traversable]]:
    for one in sorted(folder.iterdir(), key=lambda one: one.name):
        if one.is_dir():
            yield from _below(one, (*parts, one.name))
        elif one.name.endswith(_SUFFIX):
            yield (*parts, one.name), one


def _named(part: str, package: NewPackage) -> str:
    part = part.removesuffix(_SUFFIX)
    if part.startswith("dot-"):
        return f".{part.removeprefix('dot-')}"
    return package.module if part == "package" else part.replace("NAME", package.words["name"])
