"""A checkpoint that does not fit is refused in one line that says what it is and what mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from medbench.capabilities import LoadRequest
from medbench.errors import CheckpointError, MissingCheckpointError
from medbench_methods import medst, mgca
from medbench_methods.nets.families import MEDST, MGCA
from medbench_methods.nets.family_phantom import official_layout
from medbench_methods.nets.loading import match

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from torch import Tensor

    from medbench_methods.nets.family import Family


def hollow(family: Family, variant: str) -> dict[str, Tensor]:
    """The full layout with every tensor a view of one zero, so that a file of it is small."""
    layout = official_layout(family, variant)
    return {key: torch.zeros((), dtype=like.dtype).expand(like.shape) for key, like in layout.items()}


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[ModuleType, str, dict[str, Tensor]], str]:
    """Load such a state_dict with such a method and variant, and give the error's line."""

    def refuse(method: ModuleType, variant: str, state: dict[str, Tensor]) -> str:
        path = tmp_path / "file.ckpt"
        torch.save({"state_dict": state}, path)
        with pytest.raises(CheckpointError) as caught:
            method.load(LoadRequest(variant=variant, checkpoint=path))
        line = str(caught.value)
        assert "\n" not in line
        assert str(path) in line
        return line

    return refuse


def test_medst_file_given_to_mgca(refused: Callable[..., str]) -> None:
    line = refused(mgca, "vit-b16", hollow(MEDST, "vit-b16"))
    assert "this is a MedST checkpoint" in line
    assert "mlp_l" in line
    assert line.endswith("use --methods medst")


def test_medst_resnet_file_given_to_mgca(refused: Callable[..., str]) -> None:
    assert "use --methods medst" in refused(mgca, "resnet50", hollow(MEDST, "resnet50"))


def test_mgca_file_given_to_medst(refused: Callable[..., str]) -> None:
    line = refused(medst, "vit-b16", hollow(MGCA, "vit-b16"))
    assert "this is an MGCA checkpoint (prototype_layer.weight)" in line
    assert line.endswith("use --methods mgca")


def test_other_variant(refused: Callable[..., str]) -> None:
    line = refused(mgca, "resnet50", hollow(MGCA, "vit-b16"))
    assert "this is the vit-b16 variant of MGCA, not resnet50" in line
    assert line.endswith("use --methods mgca@vit-b16")


def test_unrelated_file(refused: Callable[..., str]) -> None:
    line = refused(mgca, "resnet50", {"backbone.conv1.weight": torch.zeros(1)})
    assert "not an MGCA checkpoint" in line
    assert "backbone.conv1.weight" in line


def test_missing_keys_are_counted_and_named(refused: Callable[..., str]) -> None:
    state = hollow(MGCA, "resnet50")
    del state["img_encoder_q.model.layer4.2.bn3.weight"], state["img_encoder_q.global_embed.head.0.bias"]
    line = refused(mgca, "resnet50", state)
    assert "2 missing keys (img_encoder_q.model.layer4.2.bn3.weight, img_encoder_q.global_embed.head.0.bias)" in line


def test_unexpected_keys_are_named(refused: Callable[..., str]) -> None:
    line = refused(mgca, "resnet50", hollow(MGCA, "resnet50") | {"decoder.weight": torch.zeros(1)})
    assert "1 unexpected key (decoder.weight)" in line


def test_other_shapes_are_named(refused: Callable[..., str]) -> None:
    state = hollow(MGCA, "vit-b16") | {"img_encoder_q.model.pos_embed": torch.zeros(1, 577, 1)}
    line = refused(mgca, "vit-b16", state)
    assert "1 tensor of another shape (img_encoder_q.model.pos_embed (1, 577, 1) for (1, 197, 768))" in line


def test_damaged_text_tower_does_not_stop_image_tasks(tmp_path: Path, assets: Path) -> None:
    state = hollow(MGCA, "resnet50")
    del state["text_encoder_q.model.encoder.layer.5.output.dense.weight"]
    torch.save({"state_dict": state}, tmp_path / "file.ckpt")
    model = mgca.load(LoadRequest(variant="resnet50", checkpoint=tmp_path / "file.ckpt", assets=assets))
    with pytest.raises(CheckpointError, match=r"text tower of MGCA: 1 missing key \(.*layer.5.output.dense.weight\)"):
        model.encode_texts(["no pneumonia"])


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(MissingCheckpointError, match="no checkpoint at"):
        mgca.load(LoadRequest(variant="resnet50", checkpoint=tmp_path / "absent.ckpt"))
    with pytest.raises(MissingCheckpointError, match="mgca@resnet50 needs its checkpoint file"):
        mgca.load(LoadRequest(variant="resnet50", checkpoint=None))


def test_matching_reports_every_kind() -> None:
    tensors = {"a.x": torch.zeros(2), "a.y": torch.zeros(3), "spare": torch.zeros(1), "odd": torch.zeros(1)}
    needed = {"net.x": (2,), "net.y": (4,), "net.z": (1,)}
    found = match(tensors, needed, prefixes={"net.": "a."}, ignore=lambda key: key == "spare")
    assert dict(found.matched) == {"net.x": ("a.x",), "net.y": ("a.y",)}
    assert (found.ignored, found.missing, found.unexpected) == (("spare",), ("a.z",), ("odd",))
    assert found.misshapen == (("a.y", (3,), (4,)),)
