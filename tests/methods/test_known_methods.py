"""Every method that is told by a layout: strict about what it needs, silent about what is spare, loud about all else."""

from __future__ import annotations

import pickle
from functools import cache
from typing import TYPE_CHECKING

import pytest
import torch
from known_files import ALIKE, Known, hollow, hollow_part, known_methods, save

from medbench.capabilities import LoadRequest
from medbench.errors import CheckpointError, MissingCheckpointError
from medbench.layouts import KeyReading
from medbench.loading import resolve
from medbench.testing.renaming import rename_half
from medbench_methods import medbench_methods

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

KNOWN = known_methods()
EACH = pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.id)


@cache
def state_of(known: Known) -> dict[str, Tensor]:
    return hollow(known.published)


def readings(known: Known, state: dict[str, Tensor]) -> tuple[KeyReading, ...]:
    keys = resolve(str(known.spec.keys), known.id)
    return tuple(keys(known.variant, {key: tuple(tensor.shape) for key, tensor in state.items()}))


def refusal(known: Known, path: Path) -> str:
    load = resolve(known.spec.loader, known.id)
    with pytest.raises(CheckpointError) as caught:
        load(LoadRequest(variant=known.variant, checkpoint=path))
    line = str(caught.value)
    assert "\n" not in line and str(path) in line
    return line


@EACH
def test_its_own_file_is_explained_to_the_last_key(known: Known, tmp_path: Path) -> None:
    state = state_of(known)
    found = {reading.part: reading.matching for reading in readings(known, state)}
    assert all(matching.complaint() is None for matching in found.values())
    assert all(matching.fitting + len(matching.ignored) == len(state) for matching in found.values())
    assert ("texts" in found) == bool(known.published.texts)
    path = save(known.published, state, tmp_path / "file.ckpt")
    model = resolve(known.spec.loader, known.id)(LoadRequest(variant=known.variant, checkpoint=path))
    assert not any(module.training for module in model.modules())
    assert all(tensor.device.type == "cpu" for tensor in model.state_dict().values())


@pytest.mark.parametrize(("name", "other"), ALIKE.items())
def test_variants_alike_differ_in_nothing_that_is_loaded(name: str, other: str) -> None:
    method, _, variant = name.partition("@")
    spec = next(one for one in medbench_methods() if one.id == method)
    ours, theirs = (Known(spec, one).published for one in (variant, other))
    assert [part.layouts for part in ours.images] == [part.layouts for part in theirs.images]
    assert [part.layouts for part in ours.texts] == [part.layouts for part in theirs.texts]
    assert ours.images[0].needed == theirs.images[0].needed


@EACH
def test_every_other_layout_and_size_that_it_takes(known: Known) -> None:
    for part in known.published.images:
        for layout in part.layouts:
            images = readings(known, hollow_part(part, layout))[0]
            assert images.matching.complaint() is None, images.layout
    for part in known.published.texts:
        for layout in part.layouts:
            assert readings(known, hollow_part(part, layout))[1].matching.missing == ()


@EACH
def test_parallel_training_puts_a_prefix_in_front_of_all(known: Known) -> None:
    state = {f"module.{key}": tensor for key, tensor in state_of(known).items()}
    assert all(reading.matching.complaint() is None for reading in readings(known, state))


@EACH
def test_a_file_without_a_tensor_it_needs(known: Known, tmp_path: Path) -> None:
    images = readings(known, state_of(known))[0].matching
    name = next(name for name in images.matched if name.endswith("weight"))
    key = images.matched[name][0]
    state = {one: tensor for one, tensor in state_of(known).items() if one != key}
    line = refusal(known, save(known.published, state, tmp_path / "file.ckpt"))
    assert f"1 missing key ({key})" in line
    assert f"the nearest known layout is {known.spec.id}@" in line or "nearest known layout" in line


@EACH
def test_a_tensor_of_another_shape_is_named_with_both(known: Known, tmp_path: Path) -> None:
    images = readings(known, state_of(known))[0].matching
    key, shape = next(
        (keys[0], tuple(state_of(known)[keys[0]].shape))
        for name, keys in images.matched.items()
        if name.endswith("weight") and state_of(known)[keys[0]].ndim == 4
    )
    state = state_of(known) | {key: torch.zeros(()).expand(3, *shape[1:])}
    line = refusal(known, save(known.published, state, tmp_path / "file.ckpt"))
    assert f"{key} {(3, *shape[1:])} for {shape}" in line


@pytest.mark.parametrize("kind", ["int8", "complex64", "sparse", "meta"])
def test_a_tensor_of_another_kind_is_named(kind: str, tmp_path: Path) -> None:
    known = KNOWN[0]
    key = readings(known, state_of(known))[0].matching.matched["trunk.net.conv1.weight"][0]
    shape = tuple(state_of(known)[key].shape)
    odd = {
        "int8": torch.zeros(shape, dtype=torch.int8),
        "complex64": torch.zeros(shape, dtype=torch.complex64),
        "sparse": torch.zeros(shape).to_sparse(),
        "meta": torch.zeros(shape, device="meta"),
    }[kind]
    line = refusal(known, save(known.published, state_of(known) | {key: odd}, tmp_path / "file.ckpt"))
    said = f"no dense arrays: {key}" if kind in {"sparse", "meta"} else f"1 non-floating tensor ({key})"
    assert said in line


@EACH
def test_a_key_that_nobody_knows(known: Known, tmp_path: Path) -> None:
    state = state_of(known) | {"adapter.weight": torch.zeros(2)}
    line = refusal(known, save(known.published, state, tmp_path / "file.ckpt"))
    assert "1 unexpected key (adapter.weight)" in line
    assert line.endswith(f"medbench checkpoint inspect {tmp_path / 'file.ckpt'}")


@EACH
def test_a_file_with_half_of_its_tensors_renamed(known: Known, tmp_path: Path) -> None:
    good = save(known.published, state_of(known), tmp_path / "good.ckpt")
    rename_half(good, tmp_path / "file.ckpt")
    line = refusal(known, tmp_path / "file.ckpt")
    assert "missing key" in line and "unexpected key" in line


@EACH
def test_a_truncated_file(known: Known, tmp_path: Path) -> None:
    whole = save(known.published, state_of(known), tmp_path / "good.ckpt").read_bytes()
    path = tmp_path / "file.ckpt"
    path.write_bytes(whole[: len(whole) // 2])
    assert "truncated or not a checkpoint" in refusal(known, path)


@EACH
def test_a_file_that_holds_code(known: Known, tmp_path: Path) -> None:
    path, mark = tmp_path / "file.ckpt", tmp_path / "ran"
    torch.save({"state_dict": _Code(mark)}, path, pickle_module=pickle)
    refusal(known, path)
    assert not mark.exists()


@EACH
def test_no_file(known: Known, tmp_path: Path) -> None:
    load = resolve(known.spec.loader, known.id)
    with pytest.raises(MissingCheckpointError, match=f"{known.id} needs its checkpoint file"):
        load(LoadRequest(variant=known.variant, checkpoint=None))
    with pytest.raises(MissingCheckpointError, match="no checkpoint at"):
        load(LoadRequest(variant=known.variant, checkpoint=tmp_path / "absent.ckpt"))


@pytest.mark.parametrize(
    "theirs", [one for one in KNOWN if one.variant == one.spec.variants[0].id], ids=lambda one: one.id
)
def test_no_method_takes_the_file_of_another(theirs: Known) -> None:
    """By keys alone, which is what `load` refuses by: each file against all the others."""
    takers = {
        ours.spec.id
        for ours in KNOWN
        if ours.spec.id != theirs.spec.id and readings(ours, state_of(theirs))[0].matching.complaint() is None
    }
    assert takers == set()


@EACH
def test_another_methods_file_is_named(known: Known, tmp_path: Path) -> None:
    other = next(one for one in KNOWN if one.spec.id not in {known.spec.id, "biovil"})
    line = refusal(known, save(other.published, state_of(other), tmp_path / "file.ckpt"))
    assert f"does not fit {known.id}" in line
    assert f"the nearest known layout is {other.spec.id}@" in line


class _Code:
    """Its unpickling would leave a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return type(self.mark).touch, (self.mark,)
