"""Half the precision leaves the direction of a method's features as it is, on weights of the published layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from open_models import request_of
from safetensors.torch import save_file

import medbench_methods
from medbench.capabilities import LoadRequest
from medbench.forward import frozen_call
from medbench.loading import resolve
from medbench.preprocessing import normalised, resized
from medbench.protocols import Compute
from medbench.specs import MethodSpec, MethodVariant

LEAST = 0.99
SPECS = {spec.id: spec for spec in medbench_methods.medbench_methods()}
FIXED = [f"{spec.id}@{one.id}" for spec in SPECS.values() for one in spec.variants if spec.phantom is not None]
DRAWN = [f"random@{one.id}" for one in SPECS["random"].variants]
QUICK = {"blip@pretrain", "motor@pretrain-knowledge", "brain-blip@retrieval"}


def cosines(call: Callable[[], Any], rows: int) -> np.ndarray:
    """(rows,) of a call's answer in bf16 with that in single precision."""
    plain = frozen_call(call, rows, Compute(), label="method").reshape(rows, -1).astype(float)
    half = frozen_call(call, rows, Compute(precision="bf16"), label="method").reshape(rows, -1).astype(float)
    assert not np.array_equal(plain, half), "the method computed in single precision"
    return (plain * half).sum(1) / np.linalg.norm(plain, axis=1) / np.linalg.norm(half, axis=1)


def check(model: Any, capabilities: frozenset[str]) -> None:
    how = model.preprocess
    generator = np.random.default_rng(0)
    pictures = [generator.integers(0, 256, (16, 16), np.uint8).repeat(16, 0).repeat(16, 1) for _ in range(2)]
    images = normalised(torch.from_numpy(np.stack([resized(one, how) for one in pictures])), how)
    asked: dict[str, Callable[[], Any]] = {
        "ImageEncoder": lambda: model.encode_images(images),
        "ImageTextMatcher": lambda: model.image_tokens(images),
        "DenseImageEncoder": lambda: model.encode_pyramid(images)[-1],
        "TextEncoder": lambda: model.encode_texts(["no pneumonia", "left effusion is worse"]),
    }
    found = {name: cosines(call, 2).min() for name, call in asked.items() if name in capabilities}
    assert found
    assert min(found.values()) >= LEAST, found


def spec_and_variant(name: str) -> tuple[MethodSpec, MethodVariant]:
    method, variant = name.split("@")
    return SPECS[method], SPECS[method].variant(variant)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in (*FIXED, *DRAWN)]
)
def test_features_keep_their_direction(name: str, tmp_path: Path) -> None:
    spec, variant = spec_and_variant(name)
    assert "bf16" in spec.precisions
    path = None
    if variant.checkpoint is not None:
        resolve(str(spec.phantom), name)(tmp_path, 0)
        path = tmp_path / variant.checkpoint.filename
        if not path.is_file():
            pytest.skip(f"no stand-in for the weights of {name}")
    model = resolve(spec.loader, name)(
        LoadRequest(variant=variant.id, checkpoint=path, assets=tmp_path, name=variant.name)
    )
    check(model, variant.capabilities)


@pytest.mark.parametrize("architecture", ["test_vit", "test_resnet", "test_convnext"])
def test_features_of_a_timm_model_keep_theirs(architecture: str, tmp_path: Path) -> None:
    spec = SPECS["timm"]
    torch.manual_seed(0)
    (tmp_path / "timm").mkdir()
    tensors = timm.create_model(architecture, pretrained=False).state_dict()
    save_file(tensors, tmp_path / "timm" / f"{architecture}.safetensors")
    variant = resolve(str(spec.open_variants), spec.id)(architecture, tmp_path)
    check(resolve(spec.loader, spec.id)(request_of(variant, tmp_path)), frozenset({"ImageEncoder"}))


@pytest.mark.parametrize("kind", ["vit", "swin", "convnext", "clip"])
def test_features_of_a_transformers_model_keep_theirs(kind: str, tmp_path: Path) -> None:
    from hf_models import load, write

    write(tmp_path / "hf" / "me" / kind, kind)
    check(load(f"me/{kind}", tmp_path), frozenset({"ImageEncoder"}))


def test_features_of_an_open_clip_model_keep_theirs(tmp_path: Path) -> None:
    pytest.importorskip("open_clip")
    from test_open_clip_family import VIT, write

    from medbench_methods import open_clip_family

    write(tmp_path, VIT)
    variant = open_clip_family.variant("me/tiny", tmp_path)
    check(open_clip_family.load(request_of(variant, tmp_path)), frozenset({"ImageEncoder", "TextEncoder"}))
