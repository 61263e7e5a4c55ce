"""Which model of an open family a file or folder on this machine is, as the families themselves tell."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medbench.errors import CheckpointError, MedbenchError
from medbench.loading import resolve
from medbench.specs import MethodSpec, MethodVariant
from medbench.untrusted import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPlace:
    """``names`` are what to call it (``family/./folder``), ``reasons`` why a family does not read a folder of its form."""

    names: tuple[str, ...]
    reasons: tuple[str, ...]


def open_place(path: Path, specs: Iterable[MethodSpec], checkpoints: Path) -> OpenPlace:
    """Ask each open family for a variant whose weights are this file, or lie in this folder."""
    names: list[str] = []
    reasons: list[str] = []
    for spec in specs:
        if spec.open_variants is None:
            continue
        for name in _names(path, checkpoints / spec.id):
            try:
                variant = _opened(spec, name, checkpoints)
            except MedbenchError as error:
                if isinstance(error, CheckpointError) or (path.is_dir() and _takes(spec, f"{name}-", checkpoints)):
                    reasons.append(f"{spec.id}: {error}")
                continue
            except Exception as error:  # a plugin may raise anything over a stranger's file; the others are asked
                reasons.append(f"{spec.id}: it could not be asked ({type(error).__name__}: {shown(error)})")
                continue
            source = variant.checkpoint
            if source is not None and _is_within(checkpoints / source.filename, path):
                names.append(f"{spec.id}/{name}")
    return OpenPlace(names=tuple(dict.fromkeys(names)), reasons=tuple(dict.fromkeys(reasons)))


def _opened(spec: MethodSpec, name: str, checkpoints: Path) -> MethodVariant:
    variant: MethodVariant = resolve(spec.open_variants or "", f"method '{spec.id}'")(name, checkpoints)
    return variant


def _takes(spec: MethodSpec, name: str, checkpoints: Path) -> bool:
    """Whether a family takes names like that of a model that is not there: what it refuses of one that is, is the model."""
    try:
        _opened(spec, name, checkpoints)
    except CheckpointError:
        return True
    except Exception:  # it was asked by a name of that form before, and that error is the one to be told
        return False
    return True


def _names(path: Path, home: Path) -> Iterator[str]:
    """What a family may call it: its place below the family's folder of checkpoints, else the path to it."""
    inside = _below(path, home)
    if inside is not None:
        yield inside
        if path.is_file():
            bare = inside.removesuffix(path.suffix)
            yield bare
            yield bare.replace("--", ":", 1)
            yield inside.rpartition("/")[0] or bare
        return
    folder = path if path.is_dir() else path.parent
    if (folder / "config.json").is_file() or path.is_dir():
        relative = os.path.relpath(folder)
        yield str(folder.resolve()) if relative.startswith("..") else f"./{relative}".rstrip("/.") or "./"


def _below(path: Path, home: Path) -> str | None:
    whole, top = path.resolve(), home.resolve()
    return whole.relative_to(top).as_posix() if whole.is_relative_to(top) and whole != top else None


def _is_within(weights: Path, path: Path) -> bool:
    """Whether a family's file is there and is the one that is asked about, or in that folder."""
    if not weights.is_file():
        return False
    found, asked = weights.resolve(), path.resolve()
    return found == asked or (asked.is_dir() and asked in found.parents)
