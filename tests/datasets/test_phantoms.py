"""What all phantoms share: the same bytes every time, other patients for another seed, and the core can prepare them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import medbench_datasets
from medbench.images import read_grey
from medbench.loading import resolve
from medbench.samples import PhantomSize

if TYPE_CHECKING:
    from pathlib import Path

    from medbench.specs import DatasetSpec

SPECS = {spec.id: spec for spec in medbench_datasets.medbench_datasets()}


@pytest.fixture(params=SPECS)
def spec(request: pytest.FixtureRequest) -> DatasetSpec:
    return SPECS[request.param]


def _write(spec: DatasetSpec, root: Path, seed: int) -> dict[str, bytes]:
    write: Any = resolve(spec.phantom or "", spec.id)
    write(root, PhantomSize(images=5, side=40, seed=seed))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_a_seed_gives_the_same_bytes_and_another_gives_others(spec: DatasetSpec, tmp_path: Path) -> None:
    first, again, other = (_write(spec, tmp_path / name, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert first == again
    assert first != other


def test_files_that_the_specification_requires_are_written(spec: DatasetSpec, tmp_path: Path) -> None:
    _write(spec, tmp_path, 0)
    assert all(list(tmp_path.glob(file.path)) for file in spec.files if file.required)


def test_images_decode_at_the_side_asked_for(spec: DatasetSpec, tmp_path: Path) -> None:
    _write(spec, tmp_path, 0)
    read: Any = resolve(spec.reader, spec.id)
    samples = read(tmp_path).samples
    assert samples
    images = {sample.image for sample in samples if sample.image}
    assert all(sample.image or sample.texts for sample in samples)
    assert {read_grey(tmp_path / image).shape for image in images} <= {(40, 40)}
