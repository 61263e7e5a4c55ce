"""Brain BLIP is BLIP with longer texts, under its own file names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from blip_models import BRAIN_FILES, load_brain

from medbench.checkpoints import read_checkpoint
from medbench.specs import UNDISCLOSED
from medbench_methods import blip, brain_blip

if TYPE_CHECKING:
    from pathlib import Path

LONG = " ".join(["no mass"] * 40)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    brain_blip.write_phantom(folder, seed=4)
    return folder


def test_files_are_named_as_the_scripts_save_them(root: Path) -> None:
    assert sorted(path.name for path in (root / "brain-blip").iterdir()) == ["checkpoint_59.pth", "checkpoint_best.pth"]
    assert read_checkpoint(root / BRAIN_FILES["pretrain"]).values.keys() == {"optimizer", "config", "epoch"}
    assert brain_blip.SPEC.pretrained_on == ("brain-pubmed", UNDISCLOSED)
    assert blip.SPEC.pretrained_on is None


@torch.inference_mode()
def test_variants_read_35_or_200_tokens_of_the_same_weights(root: Path) -> None:
    short, long = load_brain(root, "retrieval"), load_brain(root, "retrieval-200")
    images = torch.ones(1, 3, 32, 32)
    assert torch.equal(short.encode_images(images), long.encode_images(images))
    assert (short.texts.fused([LONG]).ids.shape[1], long.texts.fused([LONG]).ids.shape[1]) == (35, 200)
    assert torch.equal(short.encode_texts(["no mass"]), long.encode_texts(["no mass"]))
    assert not torch.equal(short.encode_texts([LONG]), long.encode_texts([LONG]))


def test_maps_are_shown_for_a_whole_caption(root: Path) -> None:
    model = load_brain(root, "pretrain")
    assert len(model.explain(torch.ones(1, 3, 32, 32), LONG)) == 198


def test_phantoms_are_the_same_for_the_same_seed(root: Path, tmp_path: Path) -> None:
    again = brain_blip.write_phantom(tmp_path, seed=4)[1]
    first = read_checkpoint(root / BRAIN_FILES["retrieval"]).tensors
    assert all(torch.equal(one, first[key]) for key, one in read_checkpoint(again).tensors.items())
    assert float(first["temp"]) == pytest.approx(0.07)
