"""Encoders of the goldens: deterministic weights written in the official container and read by the plugins' own loaders."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vision_language_goldens import Drawn

    from medbench_methods.nets.aligned import AlignedEncoder


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drawn]:
    """The weights of BLIP's family by the rule, most of them drawn once; their files, 1.5 GB, are gone afterwards."""
    from vision_language_goldens import Drawn

    folder = tmp_path_factory.mktemp("drawn")
    yield Drawn(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def load_golden(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str, str], AlignedEncoder]:
    """``load_golden(folder, method, variant)`` gives the encoder with its text tower; the file is gone afterwards."""
    from importlib import import_module

    from weights import golden_state_dict, write_lightning_checkpoint

    from medbench.capabilities import LoadRequest

    root = tmp_path_factory.mktemp("checkpoints")
    (root / "tokenizers").mkdir()
    (root / "tokenizers" / "bio_clinicalbert").symlink_to(shared / "data" / "vocab" / "bio_clinicalbert")

    def load(folder: str, method: str, variant: str) -> AlignedEncoder:
        state = golden_state_dict(shared / "golden" / folder / "manifest.json")
        file = write_lightning_checkpoint(root / f"{folder}.ckpt", state, {"img_encoder": variant})
        del state
        module = import_module(f"medbench_methods.{method}")
        model: AlignedEncoder = module.load(LoadRequest(variant=variant, checkpoint=file, assets=root))
        assert model.text is model.text, "the text tower is built once"
        file.unlink()
        return model

    return load
