"""What an open_clip model is made of: configuration, weights, and the folders of a transformers text tower and tokenizer."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import open_clip

from medbench.errors import CheckpointError, MissingCheckpointError, UnknownNameError
from medbench_methods.nets.open_hub import hub_file
from medbench_methods.open_clip_family import CONFIG, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medbench.capabilities import LoadRequest


@dataclass(frozen=True, kw_only=True)
class OpenClipFiles:
    """``model`` and ``images`` are open_clip's ``model_cfg`` and ``preprocess_cfg``, ``text_cfg`` naming local folders alone.

    ``tokenizer`` is the folder of a transformers tokenizer, None for open_clip's own byte pairs.
    """

    name: str
    model: Mapping[str, Any]
    images: Mapping[str, Any]
    weights: Path
    tokenizer: Path | None


def find_files(request: LoadRequest) -> OpenClipFiles:
    """The files of the asked model, fetched where they are not here. Raises as `open_clip_family.load`."""
    name, assets = request.name, request.assets or Path()
    if "/" in name:
        weights, config = _of_repository(request)
        model, images = config["model_cfg"], config.get("preprocess_cfg", {})
    else:
        model, images, weights = _of_architecture(request)
    model = copy.deepcopy(model)
    text = model["text_cfg"]
    model["vision_cfg"]["timm_model_pretrained"] = False
    tokenizer = None
    if text.get("hf_tokenizer_name"):
        tokenizer = _tokenizer(text["hf_tokenizer_name"], weights.parent, assets)
    if text.get("hf_model_name"):
        text["hf_model_pretrained"] = False
        text["hf_model_name"] = str(_elsewhere(text["hf_model_name"], ("config.json",), assets).parent)
    return OpenClipFiles(name=name, model=model, images=images, weights=weights, tokenizer=tokenizer)


def _of_repository(request: LoadRequest) -> tuple[Path, dict[str, Any]]:
    if request.checkpoint is not None:
        path = request.checkpoint.parent / CONFIG
        if not path.is_file():
            raise MissingCheckpointError(
                f"no {CONFIG} beside {request.checkpoint}", fix="copy the whole repository there"
            )
        return request.checkpoint, _read(path)
    fix = f"put {CONFIG} and the weights in <checkpoints>/open_clip/{request.name}/"
    config = _read(hub_file(request.name, (CONFIG,), fix=fix))
    return hub_file(request.name, WEIGHTS, fix=fix), config


def _of_architecture(request: LoadRequest) -> tuple[dict[str, Any], dict[str, Any], Path]:
    architecture, _, tag = request.name.partition(":")
    model = open_clip.get_model_config(architecture)
    if model is None:
        raise UnknownNameError("open_clip architecture", architecture, open_clip.list_models())
    known = open_clip.get_pretrained_cfg(architecture, tag) if tag else {}
    if known:
        # The activation that the weights were trained with, whatever the architecture's name says.
        model["quick_gelu"] = bool(known.get("quick_gelu", False))
    images = {key: known[key] for key in ("mean", "std", "interpolation", "resize_mode") if known.get(key)}
    if request.checkpoint is not None:
        return model, images, request.checkpoint
    if not known:
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        raise UnknownNameError(f"open_clip weights of {architecture}", tag, tags)
    fix = f"put its weights at <checkpoints>/open_clip/{architecture}--{tag}.safetensors"
    repo = str(known.get("hf_hub") or "").strip("/")
    if not repo:
        raise MissingCheckpointError(f"open_clip has no weights on the hub for {request.name}", fix=fix)
    owner, repo, *own = repo.split("/")
    return model, images, hub_file(f"{owner}/{repo}", ("/".join(own),) if own else WEIGHTS, fix=fix)


def _tokenizer(name: str, folder: Path, assets: Path) -> Path:
    """The tokenizer beside the weights, else the one that the configuration names."""
    whole = ("tokenizer.json", "vocab.txt")
    if any((folder / one).is_file() for one in whole) and (folder / CONFIG).is_file():
        return folder
    found = _elsewhere(name, whole, assets)
    if not found.is_relative_to(assets):
        _elsewhere(name, ("tokenizer_config.json",), assets)
    return found.parent


def _elsewhere(name: str, filenames: tuple[str, ...], assets: Path) -> Path:
    """One of the files of another repository: under ``<checkpoints>/hf/<name>``, else the hub's."""
    name = name.removeprefix("hf-hub:")
    folder = assets / "hf" / name
    for one in filenames:
        if (folder / one).is_file():
            return folder / one
    return hub_file(name, filenames, fix=f"put {' or '.join(filenames)} of {name} in <checkpoints>/hf/{name}/")


def _read(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        towers = {"vision_cfg", "text_cfg", "embed_dim"} - config["model_cfg"].keys()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is no open_clip configuration ({type(error).__name__})") from error
    if towers:
        raise CheckpointError(f"{path} is no open_clip configuration: its model_cfg has no {', '.join(sorted(towers))}")
    return dict(config)
