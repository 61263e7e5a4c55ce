"""Any CLIP-like model of open_clip: ``open_clip/ViT-B-16:laion2b_s34b_b88k``, ``open_clip/microsoft/BiomedCLIP-...``.

Needs the extra ``open-clip``. A name with a slash is a repository in open_clip's form, of the hub or at
``<checkpoints>/open_clip/<owner>/<repo>/``; any other is an architecture of open_clip with the tag of its weights, whose file
may lie at ``<checkpoints>/open_clip/<architecture>--<tag>.safetensors`` (or ``.pt``, ``.bin``).
"""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING

from medbench.errors import PluginError, UsageError
from medbench.specs import CheckpointSource, MethodSpec, MethodVariant
from medbench_methods.open_names import check_relative, slug

if TYPE_CHECKING:
    from pathlib import Path

    from medbench.capabilities import LoadRequest
    from medbench_methods.nets.open_clip_encoder import OpenClipEncoder

CAPABILITIES = frozenset({"ImageEncoder", "TextEncoder"})
SUFFIXES = (".safetensors", ".pt", ".bin")
CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json")
_NAME = re.compile(r"[\w.+-]+(/[\w.-]+|:[\w.-]+)?\Z")

SPEC = MethodSpec(
    id="open_clip",
    title="OpenCLIP",
    summary="Any image-text model of open_clip, by architecture and tag or by repository: open_clip/ViT-B-16:openai.",
    variants=(),
    open_variants="medbench_methods.open_clip_family:variant",
    loader="medbench_methods.open_clip_family:load",
    licence="MIT (code); each model's weights have their own",
    code_url="https://github.com/mlfoundations/open_clip",
    tags=("open-family", "vision-language"),
)


def variant(name: str, checkpoints: Path) -> MethodVariant:
    """The variant for ``architecture``, ``architecture:tag`` or ``[hf-hub:]owner/repo``.

    Whether open_clip knows the architecture shows when it is loaded. Raises `UsageError`, and `PluginError` where open_clip is
    not installed.
    """
    require_open_clip()
    name = name.removeprefix("hf-hub:")
    check_relative("open_clip", name)
    if not _NAME.match(name):
        raise UsageError(
            f"'open_clip/{name}' is no name of an open_clip model: <architecture>:<tag> or <owner>/<repository>"
        )
    source = _repository(name, checkpoints) if "/" in name else _architecture(name, checkpoints)
    return MethodVariant(id=slug(name), title=name, checkpoint=source, capabilities=CAPABILITIES, name=name)


def load(request: LoadRequest) -> OpenClipEncoder:
    """Both towers in eval mode, strictly filled from the local files or the hub's; nothing is left to chance.

    Raises `UnknownNameError` where open_clip has no such architecture or tag, `MissingCheckpointError` where the hub cannot
    be reached, and `CheckpointError` where the weights do not fit.
    """
    require_open_clip()
    from medbench_methods.nets.open_clip_encoder import OpenClipEncoder, make_model, make_tokenizer, take_weights
    from medbench_methods.nets.open_clip_files import find_files

    files = find_files(request)
    model = make_model(files)
    take_weights(model, files.weights, f"open_clip's {request.name}")
    return OpenClipEncoder(model, make_tokenizer(files), files).eval()


def has_open_clip() -> bool:
    """Whether open_clip is installed; nothing is imported."""
    return importlib.util.find_spec("open_clip") is not None


def require_open_clip() -> None:
    """Raise `PluginError` where open_clip is not installed."""
    if not has_open_clip():
        raise PluginError("open_clip is not installed", fix="pip install 'medbench[open-clip]'")


def _repository(name: str, checkpoints: Path) -> CheckpointSource:
    folder = f"open_clip/{name}"
    files = [f"{folder}/{weights}" for weights in WEIGHTS]
    return CheckpointSource(
        filename=next((file for file in files if (checkpoints / file).is_file()), files[0]),
        url=f"https://huggingface.co/{name}",
        hub=name,
        companions=tuple(f"{folder}/{one}" for one in (CONFIG, *TOKENIZER_FILES)),
    )


def _architecture(name: str, checkpoints: Path) -> CheckpointSource:
    files = [f"open_clip/{name.replace(':', '--')}{suffix}" for suffix in SUFFIXES]
    return CheckpointSource(
        filename=next((file for file in files if (checkpoints / file).is_file()), files[0]),
        hub=f"open_clip/{name}" if ":" in name else None,
    )
