"""MedKLIP: an independent network of the published layout gives the same numbers, and its texts lie in its own folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import linear
from torchvision.models import resnet50

from medbench.capabilities import (
    DenseImageEncoder,
    FineTunable,
    Grounder,
    ImageEncoder,
    LoadRequest,
    QueryClassifier,
    TextEncoder,
)
from medbench.checkpoints import mark_phantom, read_checkpoint
from medbench.errors import CheckpointError, MissingCheckpointError, UsageError
from medbench_methods import medklip
from medbench_methods.nets.medslip_phantom import official_layout as medslip_layout
from medbench_methods.nets.observation_text import BookEncoder
from medbench_methods.observations import FINDINGS, TEXTS, VECTORS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from medbench_methods.nets.medklip_net import MedklipEncoder

ASKED = ["pneumonia", "Pleural_Effusion", "fibrosis"]
QUERIES = [20, 8, 73]
SHAPES = {
    "res_features.0.weight": (64, 3, 7, 7),
    "res_features.1.running_var": (64,),
    "res_features.4.0.conv1.weight": (64, 64, 1, 1),
    "res_features.5.3.conv3.weight": (512, 128, 1, 1),
    "res_features.6.5.conv3.weight": (1024, 256, 1, 1),
    "res_l1.weight": (1024, 1024),
    "res_l2.weight": (256, 1024),
    "disease_embedding_layer.weight": (256, 768),
    "cl_fc.weight": (768, 256),
    "decoder.layers.3.multihead_attn.in_proj_weight": (768, 256),
    "decoder.layers.0.linear1.weight": (1024, 256),
    "decoder.norm.bias": (256,),
    "classifier.weight": (2, 256),
}


class Reference(nn.Module):
    """The published names over torchvision's ResNet-50 and torch's own decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.res_features = nn.Sequential(*list(resnet50(weights=None).children())[:7])
        self.res_l1 = nn.Linear(1024, 1024)
        self.res_l2 = nn.Linear(1024, 256)
        self.disease_embedding_layer = nn.Linear(768, 256)
        self.cl_fc = nn.Linear(256, 768)
        layer = nn.TransformerDecoderLayer(256, 4, 1024, 0.1, batch_first=True, norm_first=True)
        self.decoder = nn.TransformerDecoder(layer, 4, nn.LayerNorm(256))
        self.classifier = nn.Linear(256, 2)

    def ask(self, images: Tensor, book: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (B, 75), and attention (B, 75, T), the mean over layers."""
        weights: list[Tensor] = []
        hooks = [
            layer.multihead_attn.register_forward_pre_hook(
                lambda module, given: weights.append(attention(module, *given[:2]))
            )
            for layer in self.decoder.layers
        ]
        tokens = self.res_features(images).flatten(2).transpose(1, 2)
        memory = self.res_l2(torch.relu(self.res_l1(tokens)))
        queries = self.disease_embedding_layer(book)[None].repeat(len(images), 1, 1)
        logits = self.classifier(self.decoder(queries, memory))
        for hook in hooks:
            hook.remove()
        return logits.softmax(dim=-1)[..., 1], torch.stack(weights).mean(dim=0)


def attention(module: nn.MultiheadAttention, queries: Tensor, memory: Tensor) -> Tensor:
    """(B, Q, T): scaled dot products of each of four heads, their softmax, the mean over heads."""
    (to_q, to_k, _), (of_q, of_k, _) = module.in_proj_weight.chunk(3), module.in_proj_bias.chunk(3)
    q = linear(queries, to_q, of_q).unflatten(-1, (4, 64)).transpose(1, 2)
    k = linear(memory, to_k, of_k).unflatten(-1, (4, 64)).transpose(1, 2)
    return (q @ k.transpose(2, 3) / 8).softmax(dim=-1).mean(dim=1)


def save(state: Mapping[str, Tensor], path: Path, prefix: str = "module.") -> Path:
    """What the training script leaves: an optimiser's state beside the model."""
    path.parent.mkdir(exist_ok=True)
    content = {
        "model": {prefix + key: value for key, value in state.items()},
        "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 1e-4}]},
        "lr_scheduler": {"after_scheduler": {}},
        "config": {"N": 4, "H": 4, "self_attention": True},
        "epoch": 40,
    }
    torch.save(content, path)
    return path


def open_file(path: Path, variant: str = "resnet50", assets: Path | None = None) -> MedklipEncoder:
    return medklip.load(LoadRequest(variant=variant, checkpoint=path, assets=assets))


@pytest.fixture(scope="module")
def reference() -> Reference:
    torch.manual_seed(5)
    reference = Reference().eval()
    for name, parameter in reference.named_parameters():
        if name.endswith("bn3.weight"):  # else thirteen residual branches add up
            nn.init.constant_(parameter, 0.25)
        elif name.endswith("in_proj_weight") or name in {"res_l1.weight", "res_l2.weight"}:  # else attention is flat
            nn.init.normal_(parameter, std=0.15)
    for name, buffer in reference.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.1)
    return reference


@pytest.fixture(scope="module")
def book() -> Tensor:
    return torch.randn(75, 768, generator=torch.Generator().manual_seed(6))


@pytest.fixture(scope="module")
def root(reference: Reference, book: Tensor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoints root with the published file and vectors in the method's folder."""
    root = tmp_path_factory.mktemp("checkpoints")
    save(reference.state_dict(), root / "medklip" / "checkpoint_final.pth")
    save_file({"pathology": book}, root / "medklip" / VECTORS)
    return root


@pytest.fixture(scope="module")
def model(root: Path) -> MedklipEncoder:
    return open_file(root / "medklip" / "checkpoint_final.pth", assets=root)


@pytest.fixture(scope="module")
def small(images: Tensor) -> Tensor:
    """(3, 3, 64, 96): four by six patches."""
    return images[..., :64, :96]


@pytest.fixture
def state(reference: Reference) -> dict[str, Tensor]:
    """Every tensor a view of one zero, so that a file of it is small."""
    return hollow(reference.state_dict())


def hollow(layout: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: torch.zeros((), dtype=like.dtype).expand(like.shape) for key, like in layout.items()}


def test_it_has_the_capabilities_that_its_variants_name(model: MedklipEncoder) -> None:
    for kind in (ImageEncoder, DenseImageEncoder, QueryClassifier, Grounder, FineTunable):
        assert isinstance(model, kind)
    assert not isinstance(model, TextEncoder)
    named = {"ImageEncoder", "DenseImageEncoder", "QueryClassifier", "Grounder"}
    assert all(variant.capabilities == named for variant in medklip.SPEC.variants)
    assert (model.preprocess.resize, model.preprocess.mode, model.preprocess.crop) == (224, "squash", 224)


@torch.inference_mode()
def test_features_are_the_mean_of_the_references_third_stage(
    model: MedklipEncoder, reference: Reference, small: Tensor
) -> None:
    conv, norm, relu, pool, *layers = reference.res_features
    maps = [relu(norm(conv(small)))]
    features = pool(maps[0])
    for layer in layers:
        features = layer(features)
        maps.append(features)
    for ours, theirs in zip(model.encode_pyramid(small), maps, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert torch.allclose(model.encode_images(small), maps[-1].mean(dim=(2, 3)), rtol=1e-4, atol=1e-5)
    assert [one.shape[1] for one in maps] == list(model.channels)
    assert [64 // one.shape[2] for one in maps] == list(model.strides)
    assert model.embed_dim == 1024


@torch.inference_mode()
def test_probabilities_and_maps_are_those_of_torchs_decoder(
    model: MedklipEncoder, reference: Reference, small: Tensor, book: Tensor
) -> None:
    probabilities, weights = reference.ask(small, book)
    scores, maps = model.classify(small, ASKED), model.ground(small, ASKED)
    assert torch.allclose(scores, probabilities[:, QUERIES], atol=1e-5)
    assert torch.allclose(maps, weights[:, QUERIES].reshape(3, 3, 4, 6), rtol=1e-4, atol=1e-6)
    assert float(scores.std(dim=0).min()) > 1e-4
    assert float(maps.amax(dim=(2, 3)).min()) > 1.5 / 24  # not the flat map


@torch.inference_mode()
def test_an_image_and_a_finding_get_the_same_whatever_stands_beside_them(model: MedklipEncoder, small: Tensor) -> None:
    scores, maps = model.classify(small, ASKED), model.ground(small, ASKED)
    assert torch.allclose(model.classify(small[1:2], ASKED[::-1]), scores[1:2].flip(1), atol=1e-5)
    assert torch.allclose(model.ground(small[1:2], ASKED[:1]), maps[1:2, :1], atol=1e-5)
    assert torch.allclose(model.encode_images(small)[2:], model.encode_images(small[2:]), rtol=1e-4, atol=1e-5)


def test_a_finding_without_a_query_is_refused(model: MedklipEncoder, small: Tensor) -> None:
    for ask in (model.classify, model.ground):
        with pytest.raises(UsageError, match=r"unknown finding of medklip 'pneumonias' - did you mean 'pneumonia'\?"):
            ask(small, ["effusion", "pneumonias"])


def test_fine_tuning_starts_from_a_whole_resnet_whose_last_stage_is_drawn(
    model: MedklipEncoder, reference: Reference, small: Tensor
) -> None:
    one, again, other = (model.fine_tuning_encoder(seed) for seed in (1, 1, 2))
    whole = resnet50(weights=None)
    whole.fc = nn.Identity()
    for index, name in {0: "conv1", 1: "bn1", 4: "layer1", 5: "layer2", 6: "layer3"}.items():
        getattr(whole, name).load_state_dict(reference.res_features[index].state_dict())
    whole.layer4.load_state_dict(one.layer4.state_dict())
    with torch.inference_mode():
        features = one.encode_images(small[:1])
        assert features.shape == (1, one.embed_dim) == (1, 2048)
        assert torch.allclose(features, whole.eval()(small[:1]), rtol=1e-4, atol=1e-5)
    drawn = [encoder.layer4[0].conv1.weight for encoder in (one, again, other)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.allclose(drawn[0], drawn[2])
    one.encode_images(small[:1, :, :32, :32]).square().mean().backward()
    assert all(parameter.grad is not None for parameter in one.parameters())
    assert all(parameter.grad is None for parameter in model.net.parameters())


@pytest.mark.parametrize(("variant", "prefix"), [("resnet50", ""), ("resnet50-benchx", "module.")])
def test_with_and_without_the_prefix_and_the_spare_projection(
    variant: str, prefix: str, state: dict[str, Tensor], tmp_path: Path
) -> None:
    needed = {key: value for key, value in state.items() if not key.startswith("cl_fc.")}
    held = needed if prefix else state
    model = open_file(save(held, tmp_path / "file.pth", prefix), variant)
    assert set(model.net.state_dict()) == set(needed)


def test_a_fourth_stage_and_the_file_of_its_descendant_do_not_fit(state: dict[str, Tensor]) -> None:
    def complaint(other: Mapping[str, Tensor]) -> str | None:
        (reading,) = medklip.keys("resnet50", {f"module.{key}": tuple(value.shape) for key, value in other.items()})
        return reading.matching.complaint()

    assert complaint(state) is None
    fourth = {"res_features.7.0.conv1.weight": torch.zeros(512, 1024, 1, 1)}
    assert complaint(state | fourth) == "1 unexpected key (res_features.7.0.conv1.weight)"
    said = complaint(medslip_layout())
    assert said is not None and "82 missing keys (disease_embedding_layer.weight" in said
    assert "unexpected key" in said


def test_the_phantom_has_the_published_form_and_brings_texts(
    reference: Reference, tmp_path: Path, small: Tensor
) -> None:
    (path,) = medklip.write_phantom(tmp_path, seed=3, variants=("resnet50-benchx",))
    assert path == tmp_path / "medklip" / "MedKLIP.pth"
    mark_phantom(path)
    checkpoint = read_checkpoint(path)
    assert set(checkpoint.values) == {"optimizer", "lr_scheduler", "config", "epoch"}
    assert checkpoint.tensors.keys() == {f"module.{key}" for key in reference.state_dict()}
    assert len(checkpoint.tensors) == 342
    assert {key: tuple(checkpoint.tensors[f"module.{key}"].shape) for key in SHAPES} == SHAPES
    with torch.inference_mode():
        scores = open_file(path, "resnet50-benchx", tmp_path).classify(small, ASKED)
    assert float(scores.std(dim=1).min()) > 1e-4


def test_generated_texts_and_real_ones_do_not_mix(root: Path, tmp_path: Path, small: Tensor, book: Tensor) -> None:
    folder = tmp_path / "medklip"
    folder.mkdir()
    save_file({"pathology": book}, folder / VECTORS, metadata={"medbench_phantom": "true"})
    model = open_file(root / "medklip" / "checkpoint_final.pth", assets=tmp_path)
    with pytest.raises(CheckpointError, match="generated vectors, beside a checkpoint that is not generated"):
        model.classify(small, ["pneumonia"])
    save_file({"pathology": book}, folder / VECTORS)
    with pytest.raises(UsageError, match="is not a phantom"):
        medklip.write_phantom(tmp_path, seed=0)


def test_texts_are_those_of_its_own_folder_and_read_when_first_asked(
    root: Path, tmp_path: Path, small: Tensor, book: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "medslip").mkdir()
    save_file({"pathology": book, "anatomy": torch.zeros(51, 768)}, tmp_path / "medslip" / VECTORS)
    model = open_file(root / "medklip" / "checkpoint_final.pth", assets=tmp_path)
    with torch.inference_mode():
        assert model.encode_images(small[:1]).shape == (1, 1024)
    with pytest.raises(MissingCheckpointError, match=r"no texts at .*medklip/observation .*MediaBrain-SJTU/MedKLIP"):
        model.classify(small, ["pneumonia"])

    folder = tmp_path / "medklip"
    folder.mkdir()
    (folder / TEXTS).write_text(json.dumps({"normal": "clear lungs"}))
    with pytest.raises(CheckpointError, match="holds 1 texts, not the 75 of MedKLIP"):
        model.classify(small, ["pneumonia"])

    (folder / TEXTS).write_text(json.dumps({name: f"about {name}" for name in FINDINGS}))
    asked: list[object] = []

    class Encoder:
        def encode(self, texts: list[str]) -> Tensor:
            asked.append(texts)
            return book

    monkeypatch.setattr(BookEncoder, "load", lambda *places: asked.append(places) or Encoder())
    with torch.inference_mode():
        found = [model.classify(small, ASKED) for _ in range(2)]
        given = open_file(root / "medklip" / "checkpoint_final.pth", assets=root).classify(small, ASKED)
    assert asked == [(folder / "bio_clinicalbert", tmp_path), [f"about {name}" for name in FINDINGS]]
    assert torch.equal(found[0], found[1])
    assert torch.allclose(found[0], given, atol=1e-6)
