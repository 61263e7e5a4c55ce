"""The keys of each method's file are told: by the variants that read it, and by no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from medbench.layouts import COUNTERS
from medbench.loading import resolve
from medbench_methods import blip, brain_blip, imagenet, medslip, medst, mgca, motor
from medbench_methods.nets import medslip_phantom
from medbench_methods.nets.blip_flavour import BLIP
from medbench_methods.nets.blip_phantom import official_layout as blip_layout
from medbench_methods.nets.families import MEDST, MGCA
from medbench_methods.nets.family_phantom import official_layout as family_layout
from medbench_methods.nets.loading import shapes_of, tensor_shapes
from medbench_methods.nets.motor_layouts import layout_of
from medbench_methods.nets.motor_phantom import ANSWERS
from medbench_methods.nets.motor_vqa_loading import HEADS
from medbench_methods.nets.trunks import make_trunk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medbench.layouts import KeyReading, Shape
    from medbench.specs import MethodSpec

SPECS: tuple[MethodSpec, ...] = tuple(one.SPEC for one in (mgca, medst, medslip, blip, brain_blip, motor, imagenet))
READERS = {
    "mgca resnet50": {"mgca@resnet50"},
    "mgca vit-b16": {"mgca@vit-b16"},
    "medst resnet50": {"medst@resnet50"},
    "medst vit-b16": {"medst@vit-b16"},
    "medslip": {"medslip@resnet50"},
    "blip pretrain": {"blip@pretrain", "brain-blip@pretrain", "brain-blip@pretrain-200"},
    "blip retrieval": {"blip@retrieval-coco", "brain-blip@retrieval", "brain-blip@retrieval-200"},
    "blip caption": {"blip@caption-coco"},
    "blip vqa": {"blip@vqa"},
    "motor pretrain": {"motor@pretrain", "motor@pretrain-knowledge"},
    "motor retrieval": {"motor@retrieval"},
    "motor retrieval-iu": {"motor@retrieval-iu"},
    "motor generation-mimic": {"motor@generation-mimic"},
    "motor generation-iu": {"motor@generation-iu"},
    "motor diagnosis": {"motor@diagnosis"},
    "motor vqa": {"motor@vqa-rad", "motor@vqa-slake"},
    "imagenet resnet50": {"imagenet@resnet50"},
    "imagenet vit-b16": {"imagenet@vit-b16"},
}
"""What the published file holds, and who reads it whole: heads of other sizes than either release's tell no VQA data set."""


def file_of(name: str) -> dict[str, Shape]:
    """Keys and shapes of a published file."""
    method, _, kind = name.partition(" ")
    if method == "imagenet":
        return shapes_of(make_trunk(kind).net) | {"fc.weight" if kind == "resnet50" else "head.weight": (1000, 1)}
    layouts = {
        "mgca": lambda: family_layout(MGCA, kind),
        "medst": lambda: family_layout(MEDST, kind),
        "medslip": medslip_phantom.official_layout,
        "blip": lambda: blip_layout(BLIP, kind),  # type: ignore[arg-type]
        "motor": lambda: layout_of(kind, ANSWERS),  # type: ignore[arg-type]
    }
    return tensor_shapes(layouts[method]())


@pytest.fixture(scope="module")
def files() -> dict[str, dict[str, Shape]]:
    return {name: file_of(name) for name in READERS}


def read(name: str, shapes: Mapping[str, Shape]) -> list[KeyReading]:
    method, _, variant = name.partition("@")
    keys = next(spec.keys for spec in SPECS if spec.id == method)
    return list(resolve(keys or "", method)(variant, shapes))


def readers(shapes: Mapping[str, Shape]) -> set[str]:
    names = (f"{spec.id}@{variant.id}" for spec in SPECS for variant in spec.variants)
    return {name for name in names if not any(one.matching.complaint() for one in read(name, shapes))}


@pytest.mark.parametrize("name", READERS)
def test_a_published_file_is_read_by_its_own_variants_alone(name: str, files: dict[str, dict[str, Shape]]) -> None:
    assert readers(files[name]) == READERS[name]


@pytest.mark.parametrize(
    "name", ["mgca resnet50", "medst vit-b16", "medslip", "blip retrieval", "motor vqa", "imagenet vit-b16"]
)
def test_the_prefix_of_parallel_training_does_not_matter(name: str, files: dict[str, dict[str, Shape]]) -> None:
    assert readers({f"module.{key}": shape for key, shape in files[name].items()}) == READERS[name]


@pytest.mark.parametrize(
    "name", ["mgca resnet50", "medst vit-b16", "medslip", "blip vqa", "motor vqa", "imagenet vit-b16"]
)
def test_a_key_too_many_and_a_key_too_few_are_told(name: str, files: dict[str, dict[str, Shape]]) -> None:
    own = min(READERS[name])
    assert "odd.weight" in read(own, {**files[name], "odd.weight": (1,)})[0].matching.unexpected
    key = next(iter(read(own, files[name])[0].matching.matched.values()))[0]
    left = {other: shape for other, shape in files[name].items() if other != key}
    assert read(own, left)[0].matching.missing == (key,)


@pytest.mark.parametrize("name", ["mgca resnet50", "imagenet resnet50"])
def test_files_of_old_torch_lack_the_counters_of_batch_norm(name: str, files: dict[str, dict[str, Shape]]) -> None:
    left = {key: shape for key, shape in files[name].items() if not key.endswith(COUNTERS)}
    assert len(left) < len(files[name])
    assert readers(left) == READERS[name]


@pytest.mark.parametrize("name", ["motor pretrain", "motor vqa", "blip vqa"])
def test_a_vocabulary_of_another_size_does_not_fit(name: str, files: dict[str, dict[str, Shape]]) -> None:
    shapes = {
        key: (7, *shape[1:]) if key.endswith("word_embeddings.weight") else shape for key, shape in files[name].items()
    }
    matching = read(min(READERS[name]), shapes)[0].matching
    assert any("word_embeddings" in key and found[0] == 7 for key, found, _ in matching.misshapen)


@pytest.mark.parametrize("variant", HEADS)
def test_heads_of_the_published_sizes_tell_the_data_set(variant: str, files: dict[str, dict[str, Shape]]) -> None:
    closed, opened = HEADS[variant]
    shapes = dict(files["motor vqa"])
    for head, answers in (("close", closed), ("open", opened)):
        for key in [key for key in shapes if key.startswith(f"{head}_classifier.main.3.") and shapes[key]]:
            shapes[key] = (answers, *shapes[key][1:])
    fitting = {name for name in READERS["motor vqa"] if not read(name, shapes)[0].matching.misshapen}
    assert fitting == {f"motor@{variant}"}


def test_sizes_that_make_no_net_are_no_failure(files: dict[str, dict[str, Shape]]) -> None:
    shapes = dict(files["blip caption"])
    shapes["visual_encoder.patch_embed.proj.weight"] = (200, 3, 16, 16)  # three heads do not share 200 numbers
    assert read("blip@caption-coco", shapes)[0].matching.wrong
    empty = {key: torch.Size(()) for key in shapes}
    assert all(one.matching.wrong for spec in SPECS for one in read(f"{spec.id}@{spec.variants[0].id}", empty))
