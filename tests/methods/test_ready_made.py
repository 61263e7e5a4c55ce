"""The ready-made entries of the open families: what they say, what their stand-ins are, and that the family loads them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from open_models import check_stable, noise, request_of
from safetensors.torch import save_file

from medbench.checkpoints import is_phantom, mark_phantom, read_checkpoint
from medbench.cli import catalogue
from medbench.contamination import contamination_of
from medbench.digests import DigestCache
from medbench.errors import PluginError, UsageError
from medbench.loading import resolve
from medbench.models import load_model
from medbench.plan import find_weights
from medbench.registry import Registry
from medbench.selection import MethodChoice, select_methods
from medbench.settings import Settings
from medbench.specs import UNDISCLOSED, MethodSpec, MethodVariant
from medbench_methods import imagenet, ready_made
from medbench_methods.nets import imagenet_phantom, open_hub, ready_phantoms

ENTRIES = [(spec, one) for spec in ready_made.SPECS for one in spec.variants]
EACH = pytest.mark.parametrize(("spec", "variant"), ENTRIES, ids=[f"{spec.id}@{one.id}" for spec, one in ENTRIES])
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
TEXTS = ["no pleural effusion", "Cardiomegaly, 3 cm " * 40]
needs_open_clip = pytest.mark.skipif(importlib.util.find_spec("open_clip") is None, reason="open_clip is an extra")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load()


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every variant's stand-in."""
    root = tmp_path_factory.mktemp("checkpoints")
    for spec in ready_made.SPECS:
        many = {"variants": tuple(one.id for one in spec.variants)} if len(spec.variants) > 1 else {}
        for path in resolve(str(spec.phantom), spec.id)(root, 0, **many):
            mark_phantom(path)
    return root


@pytest.fixture
def no_hub_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_hub, "try_to_load_from_cache", lambda *a, **o: None)


def loaded(name: str, registry: Registry, checkpoints: Path) -> Any:
    (choice,) = select_methods(name, registry, checkpoints)
    return load_model(choice, Settings(checkpoints=checkpoints), seed=0, needed=choice.variant.capabilities)


def without_open_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "open_clip" else find(name, *more)
    )


@EACH
@needs_open_clip
@pytest.mark.usefixtures("no_hub_cache")
def test_what_a_spec_says_is_what_its_family_says(
    spec: MethodSpec, variant: MethodVariant, registry: Registry, checkpoints: Path, tmp_path: Path
) -> None:
    """Before the files are there and after: the same file and the same capabilities, and the name typed out is the entry."""
    for root in (tmp_path, checkpoints):
        (choice,) = select_methods(f"{spec.id}@{variant.id}", registry, root)
        assert (choice.error, choice.variant.capabilities) == (None, variant.capabilities)
        assert select_methods(variant.stands_for, registry, root) == (choice,)
        assert choice.variant.name == variant.stands_for.partition("/")[2]
        family = registry.methods[variant.stands_for.partition("/")[0]]
        assert choice.spec.loader == family.loader
        assert variant.checkpoint is not None and choice.variant.checkpoint is not None
        assert variant.checkpoint.hub == choice.variant.checkpoint.hub
        assert root is tmp_path or variant.checkpoint.filename == choice.variant.checkpoint.filename


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("hf/microsoft/rad-dino", {"mimic-cxr", "chexpert", "chestx-ray14", "padchest", "brax"}),
        ("hf/flaviagiammarino/pubmed-clip-vit-base-patch32", {"roco", UNDISCLOSED}),
        ("hf/facebook/dinov2-large", {"lvd-142m"}),
        ("hf/openai/clip-vit-base-patch16", None),
    ],
)
@pytest.mark.usefixtures("no_hub_cache")
def test_a_name_typed_out_has_the_declared_data(
    name: str, seen: set[str] | None, registry: Registry, tmp_path: Path
) -> None:
    (choice,) = select_methods(name, registry, tmp_path)
    found = registry.methods[choice.spec.id].seen_by(choice.variant.id)
    assert (None if found is None else set(found)) == seen


@pytest.mark.parametrize(
    ("spec", "dataset", "found"),
    [
        (ready_made.RAD_DINO, "chexpert", "overlaps"),
        (ready_made.RAD_DINO, "rsna", "overlaps"),
        (ready_made.RAD_DINO, "kermany", "clean"),
        (ready_made.BIOMEDCLIP, "roco", "overlaps"),
        (ready_made.PUBMEDCLIP, "roco", "overlaps"),
        (ready_made.CLIP, "roco", "undeclared"),
    ],
)
def test_a_method_is_marked_where_its_images_come_back(
    spec: MethodSpec, dataset: str, found: str, registry: Registry
) -> None:
    """RSNA's images are those of NIH, ROCO's and PMC-15M's figures of the same papers."""
    split = registry.datasets[dataset].splits[0].name
    assert contamination_of(spec, spec.variants[0].id, dataset, split, registry.datasets) == found


@pytest.mark.usefixtures("no_hub_cache")
def test_without_files_the_command_that_fetches_them_is_told(registry: Registry, tmp_path: Path) -> None:
    (choice,) = select_methods("rad-dino", registry, tmp_path)
    settings = Settings(checkpoints=tmp_path)
    error = find_weights(choice, settings, DigestCache(tmp_path / "digests.json")).error
    assert error is not None and "hf download microsoft/rad-dino" in str(error.fix)
    shown = catalogue.plain(ready_made.RAD_DINO)["variants"][0]
    assert "hf download microsoft/rad-dino" in shown["checkpoint"]["url"]


def test_without_open_clip_an_entry_is_blocked_and_no_other(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_open_clip(monkeypatch)
    biomedclip, pubmedclip = select_methods("biomedclip,pubmedclip", registry, tmp_path)
    assert isinstance(biomedclip.error, PluginError) and pubmedclip.error is None
    weights = find_weights(biomedclip, Settings(checkpoints=tmp_path), DigestCache(tmp_path / "digests.json"))
    assert weights.error is biomedclip.error
    assert ready_phantoms.write_biomedclip(tmp_path, 0) == []


@pytest.mark.parametrize(
    ("name", "side", "mean", "std"),
    [
        ("rad-dino", 518, (0.5307,) * 3, (0.2583,) * 3),
        pytest.param("biomedclip", 224, CLIP_MEAN, CLIP_STD, marks=needs_open_clip),
        ("pubmedclip", 224, CLIP_MEAN, CLIP_STD),
        ("clip@vit-b16", 224, CLIP_MEAN, CLIP_STD),
    ],
)
def test_images_are_made_as_published(
    name: str, side: int, mean: tuple[float, ...], std: tuple[float, ...], registry: Registry, checkpoints: Path
) -> None:
    model = loaded(name, registry, checkpoints)
    made = model.preprocess
    assert (made.resize, made.crop, made.interpolation, made.mean, made.std) == (side, side, "bicubic", mean, std)
    check_stable(model, noise(2, side))


@pytest.mark.parametrize("name", ["microsoft/rad-dino", "facebook/dinov2-base", "openai/clip-vit-base-patch32"])
@torch.inference_mode()
def test_features_are_those_of_transformers(name: str, registry: Registry, checkpoints: Path) -> None:
    reference = transformers.AutoModel.from_pretrained(checkpoints / "hf" / name, local_files_only=True).eval()
    model = loaded(f"hf/{name}", registry, checkpoints)
    images = noise(1, model.preprocess.crop)
    tower = getattr(reference, "vision_model", reference)
    torch.testing.assert_close(model.encode_images(images), tower(pixel_values=images).pooler_output)
    if tower is not reference:
        tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoints / "hf" / name, local_files_only=True)
        tokens = tokenizer(TEXTS, padding="max_length", truncation=True, max_length=77, return_tensors="pt")
        texts = reference.text_projection(reference.text_model(**tokens).pooler_output)
        torch.testing.assert_close(model.encode_texts(TEXTS), texts, atol=1e-5, rtol=1e-4)
        joint = reference.visual_projection(tower(pixel_values=images).pooler_output)
        torch.testing.assert_close(model.project_images(model.encode_images(images)), joint)


@needs_open_clip
@torch.inference_mode()
def test_features_of_biomedclip_are_those_of_its_two_libraries(registry: Registry, checkpoints: Path) -> None:
    """timm's trunk and transformers' BERT, put together by hand: the class token of either, and a projection."""
    import timm

    (choice,) = select_methods("biomedclip", registry, checkpoints)
    assert choice.variant.checkpoint is not None
    path = checkpoints / choice.variant.checkpoint.filename
    state = read_checkpoint(path).tensors

    def part(prefix: str) -> dict[str, Any]:
        return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}

    trunk = timm.create_model("vit_tiny_patch16_224", num_classes=0).eval()
    trunk.load_state_dict(part("visual.trunk."))
    config = transformers.BertConfig.from_json_file(checkpoints / "hf" / f"{choice.variant.name}-text" / "config.json")
    bert = transformers.BertModel(config, add_pooling_layer=False).eval()
    bert.load_state_dict(part("text.transformer."))
    model = loaded("biomedclip", registry, checkpoints)
    images = noise(1, 224)
    torch.testing.assert_close(model.encode_images(images), trunk(images))
    joint = model.project_images(model.encode_images(images))
    torch.testing.assert_close(joint, trunk(images) @ state["visual.head.proj.weight"].T)
    words = transformers.BertTokenizer(vocab=str(path.parent / "vocab.txt"), do_lower_case=True)
    tokens = words(TEXTS, padding="max_length", truncation=True, max_length=256, return_tensors="pt")
    first = bert(**tokens).last_hidden_state[:, 0]
    hidden = torch.nn.functional.gelu(first @ state["text.proj.0.weight"].T)
    texts = hidden @ state["text.proj.2.weight"].T
    torch.testing.assert_close(model.encode_texts(TEXTS), texts, atol=1e-5, rtol=1e-4)


def test_a_stand_in_is_small_marked_and_the_same_each_time(checkpoints: Path, tmp_path: Path) -> None:
    for spec, variant in ENTRIES:
        assert variant.checkpoint is not None
        path = checkpoints / variant.checkpoint.filename
        if path.is_file():
            assert is_phantom(path), spec.id
            assert path.stat().st_size < 25e6, spec.id
    (first,) = ready_phantoms.write_rad_dino(tmp_path / "a", 4)
    (again,) = ready_phantoms.write_rad_dino(tmp_path / "b", 4)
    (other,) = ready_phantoms.write_rad_dino(tmp_path / "c", 5)
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()
    assert sorted(one.name for one in first.parent.iterdir()) == [
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_nothing_real_is_overwritten_or_shadowed(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "hf" / "microsoft" / "rad-dino"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    if name.endswith("bin"):
        torch.save({"a": torch.zeros(1)}, folder / name)
    else:
        save_file({"a": torch.zeros(1)}, folder / name)
    with pytest.raises(UsageError, match=f"{name} is not a phantom"):
        ready_phantoms.write_rad_dino(tmp_path, 0)
    assert (folder / "config.json").read_text() == "{}"
    assert len(list(folder.iterdir())) == 2


@torch.inference_mode()
def test_imagenets_stand_in_is_the_whole_architecture(tmp_path: Path) -> None:
    (path,) = imagenet_phantom.write_phantom(tmp_path, 0)
    mark_phantom(path)
    assert (path, is_phantom(path)) == (tmp_path / "imagenet" / "resnet50.safetensors", True)
    settings = Settings(checkpoints=tmp_path)
    choice = MethodChoice(imagenet.SPEC, imagenet.SPEC.variants[0])
    assert find_weights(choice, settings, DigestCache(tmp_path / "digests.json")).phantom
    model = imagenet.load(request_of(choice.variant, tmp_path))
    assert model.encode_images(noise(1, 64)).shape == (1, 2048)
