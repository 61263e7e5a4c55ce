"""Encoders with drawn weights, made in memory, and a vocabulary of a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

if TYPE_CHECKING:
    from pathlib import Path

    from medbench_methods.nets.aligned import AlignedEncoder
    from medbench_methods.nets.multiview import MultiViewEncoder
    from medbench_methods.nets.text import TextTower

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("no", "pneumonia", "is", "worse", "ede", "##ma", "and", "effusion", "small", "left", "the", "heart", ".")


@pytest.fixture(scope="session")
def images() -> torch.Tensor:
    """(3, 3, 224, 224): normalised noise of the range that real images have."""
    generator = torch.Generator().manual_seed(7)
    return torch.rand(3, 3, 224, 224, generator=generator) * 2 - 1


@pytest.fixture(scope="session")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoints root with a tokeniser that knows `WORDS` and is filled up to the size of the true one."""
    root = tmp_path_factory.mktemp("assets")
    folder = root / "tokenizers" / "bio_clinicalbert"
    folder.mkdir(parents=True)
    known = (*SPECIAL, *WORDS)
    filler = (f"[unused{index}]" for index in range(28996 - len(known)))
    (folder / "vocab.txt").write_text("\n".join((*known, *filler)) + "\n")
    return root


@pytest.fixture(scope="module")
def mgca_resnet() -> AlignedEncoder:
    """MGCA's ResNet-50 with drawn weights and no text tower."""
    from medbench_methods.nets.aligned import AlignedEncoder
    from medbench_methods.nets.drawing import draw_weights
    from medbench_methods.nets.families import MGCA
    from medbench_methods.nets.family import make_on_meta
    from medbench_methods.nets.loading import fill

    encoder = make_on_meta(MGCA, "resnet50", AlignedEncoder, None)
    fill(encoder, draw_weights(encoder.state_dict(), seed=1))
    return encoder


@pytest.fixture(scope="module")
def medst_vit() -> MultiViewEncoder:
    """MedST's ViT-B/16 with drawn weights and no text tower."""
    from medbench_methods.nets.drawing import draw_weights
    from medbench_methods.nets.families import MEDST
    from medbench_methods.nets.family import make_on_meta
    from medbench_methods.nets.loading import fill
    from medbench_methods.nets.multiview import MultiViewEncoder

    encoder = make_on_meta(MEDST, "vit-b16", MultiViewEncoder, None)
    fill(encoder, draw_weights(encoder.state_dict(), seed=2))
    assert isinstance(encoder, MultiViewEncoder)
    return encoder


@pytest.fixture(scope="module")
def tower(assets: Path) -> TextTower:
    """The text tower with drawn weights."""
    from medbench_methods.nets.drawing import draw_weights
    from medbench_methods.nets.loading import fill
    from medbench_methods.nets.text import load_tokenizer, make_text_tower

    tower = make_text_tower(load_tokenizer(assets))
    fill(tower, draw_weights(tower.state_dict(), seed=3))
    return tower
