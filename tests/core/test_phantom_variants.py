"""Which variants of a method the phantom draws: those that are asked for, where its function can be asked."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from medbench.checkpoints import is_phantom
from medbench.phantom import PhantomRequest, write_phantom
from medbench.samples import PhantomSize
from medbench.specs import CheckpointSource, MethodSpec, MethodVariant


def _method(name: str) -> MethodSpec:
    variants = tuple(
        MethodVariant(
            id=one,
            title=one,
            checkpoint=CheckpointSource(filename=f"{name}/{one}.ckpt"),
            capabilities=frozenset({"ImageEncoder"}),
        )
        for one in ("small", "large")
    )
    return MethodSpec(
        id=name,
        title=name,
        summary="",
        variants=variants,
        loader="x:load",
        licence="MIT",
        phantom=f"x:{name}",
    )


def _one(folder: Path, seed: int, *, variants: tuple[str, ...] | None = None) -> list[Path]:
    return [_write(folder / "picks" / f"{name}.ckpt") for name in variants or ("small",)]


def _all(folder: Path, seed: int) -> list[Path]:
    return [_write(folder / "draws" / f"{name}.ckpt") for name in ("small", "large")]


def _write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": {"weight": torch.zeros(1)}}, path)
    return path


@pytest.fixture(autouse=True)
def _drawers(monkeypatch: pytest.MonkeyPatch) -> None:
    drawers = {"x:picks": _one, "x:draws": _all}
    monkeypatch.setattr("medbench.phantom.resolve", lambda target, owner: drawers[target])


@pytest.mark.parametrize(
    ("method", "asked", "drawn"),
    [
        ("picks", {}, {"small"}),
        ("picks", {"picks": ("large",)}, {"large"}),
        ("picks", {"picks": ("small", "large")}, {"small", "large"}),
        ("draws", {"draws": ("large",)}, {"small", "large"}),
    ],
)
def test_variants_are_drawn_as_asked(
    method: str, asked: dict[str, tuple[str, ...]], drawn: set[str], tmp_path: Path
) -> None:
    size = PhantomSize(images=0, side=0, seed=0)
    write_phantom(PhantomRequest(tmp_path, [], [_method(method)], size, asked), lambda _: None)
    files = list((tmp_path / "checkpoints" / method).iterdir())
    assert {path.stem for path in files} == drawn
    assert all(is_phantom(path) for path in files)
