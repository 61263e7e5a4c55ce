"""ConVIRT from both of its layouts gives what networks built apart from it give."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import torch
from in_memory import load_in_memory
from known_files import hollow
from torch import nn
from torchvision.models import resnet50
from transformers import BertConfig, BertModel

from medbench.capabilities import LoadRequest
from medbench_methods import convirt

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

TEXTS = ["no edema", "the heart is small and pneumonia is worse ."]
IDS = [[2, 5, 9, 10, 3], [2, 15, 16, 7, 13, 11, 6, 7, 8, 17, 3]]  # of the vocabulary in conftest


class Reference(NamedTuple):
    """The networks that files are made of."""

    resnet: nn.Module
    bert: nn.Module

    def features(self, images: Tensor) -> Tensor:
        found: Tensor = nn.Sequential(*list(self.resnet.children())[:-1])(images).flatten(1)
        return found

    def read(self, ids: list[int]) -> Any:
        return self.bert(torch.tensor([ids]))


class Case(NamedTuple):
    """A variant's model beside its reference and its two projections."""

    model: Any
    reference: Reference
    images: nn.Module
    texts: nn.Module


@pytest.fixture(scope="module")
def reference() -> Reference:
    torch.manual_seed(3)
    bert = BertModel(BertConfig(vocab_size=28996, layer_norm_eps=1e-12))
    return Reference(resnet50(weights=None).eval(), bert.eval())


@pytest.fixture(scope="module")
def benchx(reference: Reference, assets: Path) -> Case:
    images = nn.Sequential(nn.Linear(2048, 768), nn.ReLU(), nn.Linear(768, 768))
    texts = nn.Sequential(nn.Linear(768, 768), nn.ReLU(), nn.Linear(768, 768))
    state = prefixed("visual.model.", reference.resnet)  # its fc too, which is spare
    state |= (
        prefixed("linguistic.encoder.", reference.bert) | prefixed("vis_proj.", images) | prefixed("lin_proj.", texts)
    )
    state["linguistic.encoder.embeddings.position_ids"] = torch.arange(512)[None]
    return Case(load_in_memory(convirt.load, "resnet50", state, assets), reference, images, texts)


@pytest.fixture(scope="module")
def edreismd(reference: Reference, assets: Path) -> Case:
    first, second = nn.Linear(2048, 2048), nn.Linear(2048, 512)
    third, fourth = nn.Linear(768, 768), nn.Linear(768, 512)
    state = prefixed("res_features.", nn.Sequential(*list(reference.resnet.children())[:-1]))
    state |= prefixed("bert_model.", reference.bert) | prefixed("res_l1.", first) | prefixed("res_l2.", second)
    state |= prefixed("bert_l1.", third) | prefixed("bert_l2.", fourth)
    images, texts = (nn.Sequential(a, nn.ReLU(), b) for a, b in ((first, second), (third, fourth)))
    return Case(load_in_memory(convirt.load, "resnet50-edreismd", state, assets), reference, images, texts)


def prefixed(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in module.state_dict().items()}


@pytest.fixture(params=["benchx", "edreismd"])
def case(request: pytest.FixtureRequest) -> Case:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_images_as_torchvision_makes_them(case: Case, images: Tensor) -> None:
    small = images[:, :, :96, :96]
    features = case.model.encode_images(small)
    close(features, case.reference.features(small))
    close(case.model.project_images(features), case.images(features))
    assert case.model.joint_dim == case.model.project_images(features).shape[1]
    close(case.model.encode_images(small[1:2]), features[1:2])


@torch.inference_mode()
def test_benchx_reads_a_text_by_the_pooler(benchx: Case) -> None:
    expected = [benchx.texts(benchx.reference.read(ids).pooler_output) for ids in IDS]
    close(benchx.model.encode_texts(TEXTS), torch.cat(expected))


@torch.inference_mode()
def test_edreismd_reads_a_text_by_the_mean_of_its_tokens(edreismd: Case) -> None:
    expected = [edreismd.texts(edreismd.reference.read(ids).last_hidden_state.mean(dim=1)) for ids in IDS]
    close(edreismd.model.encode_texts(TEXTS), torch.cat(expected))


@torch.inference_mode()
def test_long_texts_are_cut_at_97_tokens(benchx: Case) -> None:
    expected = benchx.texts(benchx.reference.read([2, *[5] * 95, 3]).pooler_output)
    close(benchx.model.encode_texts(["no " * 120]), expected)


@pytest.mark.parametrize("container", [lambda state: state, lambda state: {"model": state, "args": Namespace(lr=1e-4)}])
@pytest.mark.parametrize("variant", ["resnet50", "resnet50-edreismd"])
def test_what_a_trainer_leaves_beside_the_weights_does_no_harm(variant: str, container: Any, tmp_path: Path) -> None:
    path = tmp_path / "file.pth"
    torch.save(container(hollow(convirt.published(variant))), path)
    assert convirt.load(LoadRequest(variant=variant, checkpoint=path)).embed_dim == 2048


def test_a_prefix_counts_only_in_front() -> None:
    shapes = {key: tuple(tensor.shape) for key, tensor in hollow(convirt.published("resnet50")).items()}
    decoy = "momentum.visual.model.conv1.weight"
    images, texts = convirt.keys("resnet50", shapes | {decoy: (64, 3, 7, 7)})
    assert (images.matching.unexpected, texts.matching.unexpected) == ((decoy,), (decoy,))
    assert (images.matching.missing, texts.matching.missing) == ((), ())


def test_the_two_layouts_are_told_apart() -> None:
    state = hollow(convirt.published("resnet50-edreismd"))
    shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
    assert [one.matching.complaint() for one in convirt.keys("resnet50-edreismd", shapes)] == [None, None]
    assert len(convirt.keys("resnet50", shapes)[0].matching.missing) > 200


def test_nobody_says_what_weights_of_ones_own_have_seen() -> None:
    assert convirt.SPEC.seen_by("resnet50") == ("mimic-cxr:train",)
    assert convirt.SPEC.seen_by("resnet50-edreismd") is None
