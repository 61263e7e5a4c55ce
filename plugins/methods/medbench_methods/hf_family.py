"""Any vision encoder or CLIP-like model of transformers: ``hf/facebook/dinov2-base``, ``hf/./my-model``.

The files lie at ``<checkpoints>/hf/<owner>/<repo>/``, in the hub's cache (``hf download <owner>/<repo>`` puts them there),
or in the folder that a name with ``./``, ``../``, ``~`` or ``/`` in front says. Nothing is fetched: what a model can do, and
which weights these are, is known before a trial starts.

A repository's own code is never run, unless the name ends in ``+remote-code``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medbench.errors import MissingCheckpointError
from medbench.specs import CheckpointSource, MethodSpec, MethodVariant
from medbench_methods.nets.hf_kinds import REMOTE, Kind, kind_of
from medbench_methods.open_names import check_relative, marked, slug

if TYPE_CHECKING:
    from pathlib import Path

    from medbench.capabilities import LoadRequest
    from medbench_methods.nets.hf_encoder import HfEncoder

REMOTE_CODE = "+remote-code"

SPEC = MethodSpec(
    id="hf",
    title="transformers",
    summary="Any vision encoder or CLIP-like model of transformers, by repository or folder: hf/facebook/dinov2-base.",
    variants=(),
    open_variants="medbench_methods.hf_family:variant",
    loader="medbench_methods.hf_family:load",
    licence="Apache-2.0 (code); each model's weights have their own",
    code_url="https://github.com/huggingface/transformers",
    tags=("open-family",),
)


def variant(name: str, checkpoints: Path) -> MethodVariant:
    """The variant for ``owner/repo``, ``owner/repo@revision`` (of the hub's cache) or a folder.

    What it can do follows from the ``model_type`` of its ``config.json``; until the files are here everything is assumed.
    Raises `UsageError` for a name that leads elsewhere, a model type without a rule, or code of the repository's own.
    """
    from medbench_methods.nets.hf_files import find_folder, is_path, read_config

    bare = name.removesuffix(REMOTE_CODE)
    if not is_path(bare):
        check_relative("hf", bare)
    folder = find_folder(bare, checkpoints)
    if folder is None:
        source = CheckpointSource(
            filename=f"hf/{bare.partition('@')[0]}/model.safetensors",
            url=f"https://huggingface.co/{bare.partition('@')[0]} (hf download {bare.partition('@')[0]})",
        )
        return _variant(name, source, frozenset({"ImageEncoder", "DenseImageEncoder", "TextEncoder"}))
    kind = REMOTE if name.endswith(REMOTE_CODE) else kind_of(read_config(folder), f"hf/{name}")
    return _variant(name, _source(folder, checkpoints), _capabilities(kind, folder))


def load(request: LoadRequest) -> HfEncoder:
    """The encoder in eval mode and single precision, from local files alone.

    Raises `MissingCheckpointError` without files, and `CheckpointError` where weights do not fit, or could only be read by
    running code.
    """
    from medbench_methods.nets.hf_encoder import HfEncoder, load_model, load_tokenizer
    from medbench_methods.nets.hf_files import read_config
    from medbench_methods.nets.hf_preprocess import read_preprocess

    if request.checkpoint is None:
        raise MissingCheckpointError(f"hf/{request.name} has no local files", fix=f"hf download {request.name}")
    folder = request.checkpoint.parent
    remote = request.name.endswith(REMOTE_CODE)
    kind = REMOTE if remote else kind_of(read_config(folder), f"hf/{request.name}")
    model = load_model(folder, kind, remote_code=remote)
    tokenizer = load_tokenizer(folder) if "TextEncoder" in _capabilities(kind, folder) else None
    return HfEncoder(model, kind, read_preprocess(folder), tokenizer).eval()


def _variant(name: str, source: CheckpointSource, capabilities: frozenset[str]) -> MethodVariant:
    from medbench_methods.nets.hf_files import is_path

    # Where a folder lies is its owner's business: tables and records show its last part alone.
    short = marked(name.rstrip("/").rpartition("/")[2], name) if is_path(name) else slug(name)
    return MethodVariant(
        id=short, title=short if is_path(name) else name, checkpoint=source, capabilities=capabilities, name=name
    )


def _capabilities(kind: Kind, folder: Path) -> frozenset[str]:
    from medbench_methods.nets.hf_files import has_tokenizer

    offered = {"ImageEncoder"}
    if kind.maps is not None:
        offered.add("DenseImageEncoder")
    if kind.joint and has_tokenizer(folder):
        offered.add("TextEncoder")
    return frozenset(offered)


def _source(folder: Path, checkpoints: Path) -> CheckpointSource:
    from medbench_methods.nets.hf_files import companions_of, weights_of

    def place(name: str) -> str:
        path = (folder / name).absolute()
        return str(path.relative_to(checkpoints.absolute()) if path.is_relative_to(checkpoints.absolute()) else path)

    return CheckpointSource(filename=place(weights_of(folder)), companions=tuple(map(place, companions_of(folder))))
