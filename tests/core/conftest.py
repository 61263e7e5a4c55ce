"""The toy plugin as an entry point, and a folder with its phantom data."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medbench.registry import Registry
from medbench.samples import PhantomSize
from medbench.settings import Settings

TOY = importlib.metadata.EntryPoint("toy", "medbench_toy", "medbench")


@pytest.fixture
def toy_path() -> Iterator[Path]:
    """The toy plugin can be imported inside the test, and no longer after it."""
    folder = Path(__file__).parents[1] / "toy"
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.startswith("medbench_toy")]:
        del sys.modules[name]


@pytest.fixture
def registry(toy_path: Path) -> Registry:
    """A registry that knows the toy alone."""
    return Registry([TOY])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings that keep everything below the test's folder, with the toy's data drawn."""
    return Settings(
        data=tmp_path / "data",
        checkpoints=tmp_path / "checkpoints",
        results=tmp_path / "results",
        cache=tmp_path / "cache",
        device="cpu",
    )


@pytest.fixture
def toy_data(toy_path: Path, settings: Settings) -> Path:
    """The toy's raw files: 24 images."""
    import medbench_toy

    root = settings.dataset_root("toy")
    medbench_toy.write_phantom(root, PhantomSize(images=24, side=16, seed=0))
    return root


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that preparing decodes."""
    from medbench.images import read_grey

    names: list[str] = []
    monkeypatch.setattr("medbench.pixels.decoding.read_grey", lambda path: names.append(path.name) or read_grey(path))
    return names


@pytest.fixture
def toy(tmp_path: Path) -> Any:
    """`tests.core.pixel_toys.study` in a folder of its own."""
    from tests.core.pixel_toys import study

    return study(tmp_path)
