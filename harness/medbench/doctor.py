"""What works on this machine: interpreter, libraries, compiled ops, devices, plugins, data and checkpoints.

A finding is ``ok``, ``absent`` (not here, and maybe not wanted) or ``broken`` (here, and does not work).
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from medbench.datasets import DatasetFiles, locate
from medbench.digests import DigestCache
from medbench.pixels.places import in_words, sides_of, size_of
from medbench.plan import find_weights
from medbench.registry import Registry
from medbench.selection import choice_of
from medbench.settings import Settings

_LIBRARIES = {
    "torch": "torch",
    "torchvision": "torchvision",
    "timm": "timm",
    "transformers": "transformers",
    "pydicom": "pydicom",
    "pycocotools": "pycocotools.mask",
    "onedl-mmengine": "mmengine",
    "onedl-mmcv": "mmcv",
    "onedl-mmdetection": "mmdet",
    "onedl-mmsegmentation": "mmseg",
}
_INSTALL = f"uv pip install --python {sys.executable} -c constraints.txt"
_BUILD_OPS = (
    f"MMCV_WITH_OPS=1 CFLAGS=-g0 {_INSTALL} --no-deps --no-build-isolation-package onedl-mmcv --reinstall onedl-mmcv"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing examined; ``mend`` is the exact line or step that helps."""

    state: Literal["ok", "absent", "broken"]
    subject: str
    detail: str
    mend: str = ""

    def as_dict(self) -> dict[str, str]:
        return dataclasses.asdict(self)


def examine(registry: Registry, settings: Settings) -> list[Finding]:
    """Every finding, in the order a person would ask."""
    return [
        Finding("ok", "python", f"{platform.python_version()} on {sys.platform} {platform.machine()}"),
        *_libraries(),
        *_devices(),
        _compiled_ops(),
        _dicom_decoders(),
        *_plugins(registry),
        *_data(registry, settings),
        *_checkpoints(registry, settings),
    ]


def _libraries() -> Iterator[Finding]:
    for distribution, module in _LIBRARIES.items():
        try:
            version = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            extra = "medbench[mm]" if distribution.startswith("onedl-") else distribution
            yield Finding("absent", distribution, "not installed", f"{_INSTALL} '{extra}'")
            continue
        try:
            importlib.import_module(module)
        except Exception as error:  # a library that does not fit raises whatever it likes
            reason = " ".join(str(error).split())[:160]
            yield Finding(
                "broken",
                distribution,
                f"{version} does not import: {reason}",
                f"{_INSTALL} --reinstall {distribution}",
            )
        else:
            yield Finding("ok", distribution, version)


def _devices() -> Iterator[Finding]:
    try:
        import torch
    except Exception:  # said among the libraries already
        return
    if not torch.cuda.is_available():
        built = torch.version.cuda
        detail = f"none visible (torch is built for CUDA {built})" if built else "none (torch is a CPU-only build)"
        yield Finding("absent", "gpu", detail, "trials run on the CPU; nothing to mend unless this machine has a GPU")
        return
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
        yield Finding(
            "ok", f"gpu cuda:{index}", f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, {bf16}"
        )


def _compiled_ops() -> Finding:
    devices = ["cpu"]
    try:
        import torch
        from mmcv.ops import nms

        if torch.cuda.is_available():
            devices.append("cuda")
        for device in devices:
            boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 10.0]], device=device)
            kept = nms(boxes, torch.tensor([0.9, 0.8], device=device), 0.5)[0]
            if len(kept) != 1:
                return Finding("broken", "mmcv ops", f"nms on {device} kept {len(kept)} of two boxes", _ops_advice())
    except Exception as error:  # an extension built for another torch fails in many ways
        reason = " ".join(str(error).split())[:160]
        absent = isinstance(error, ModuleNotFoundError) and error.name == "mmcv"
        return Finding("absent" if absent else "broken", "mmcv ops", f"not usable: {reason}", _ops_advice())
    return Finding("ok", "mmcv ops", f"compiled, nms works on {' and '.join(devices)}")


def _dicom_decoders() -> Finding:
    from medbench.dicom_syntaxes import INSTALL, missing

    absent = missing()
    if absent:
        return Finding("absent", "dicom decoders", f"none for {', '.join(absent)}", INSTALL)
    return Finding("ok", "dicom decoders", "every syntax")


def _ops_advice() -> str:
    """Prebuilt wheels exist for Linux with CUDA on Python 3.10 and 3.12 only; elsewhere the ops are compiled."""
    if sys.platform == "linux" and sys.version_info[:2] in {(3, 10), (3, 12)}:
        try:
            import torch
        except Exception:  # said among the libraries already
            return _BUILD_OPS
        if torch.version.cuda:
            return f"take the prebuilt wheel of the onedl-mmcv project for torch {torch.__version__}, or: {_BUILD_OPS}"
    return _BUILD_OPS


def _plugins(registry: Registry) -> Iterator[Finding]:
    for plugin in registry.plugins:
        if plugin.problems:
            yield Finding(
                "broken", f"plugin {plugin.label}", "; ".join(plugin.problems), f"pip install -U {plugin.distribution}"
            )
        else:
            yield Finding("ok", f"plugin {plugin.label}", f"{len(plugin.offers)} specs")


def _data(registry: Registry, settings: Settings) -> Iterator[Finding]:
    for spec in registry.datasets.values():
        files = locate(spec, settings)
        if files.present:
            prepared = files.info() is not None
            detail = f"{files.root}, {'prepared' if prepared else 'not prepared'}{_kept(files)}"
            yield Finding("ok", f"dataset {spec.id}", detail, "" if prepared else f"medbench data prepare {spec.id}")
        elif files.root.is_dir():
            names = ", ".join(one.path for one in files.missing)
            yield Finding("broken", f"dataset {spec.id}", f"{files.root} lacks {names}", f"medbench show {spec.id}")
        else:
            yield Finding("absent", f"dataset {spec.id}", f"not at {files.root}", f"get it from {spec.url}")


def _kept(files: DatasetFiles) -> str:
    size = sum(size_of(folder) for folder in sides_of(files.pixels)) if files.pixels is not None else 0
    return f", {in_words(size)} of pixels kept" if size else ""


def _checkpoints(registry: Registry, settings: Settings) -> Iterator[Finding]:
    digests = DigestCache(settings.cache / "digests.json")
    for spec in registry.methods.values():
        for variant in spec.variants:
            weights = find_weights(choice_of(spec, variant, registry, settings.checkpoints), settings, digests)
            subject = f"weights {spec.id}@{variant.id}"
            if weights.error is not None:
                yield Finding("absent", subject, weights.error.message, weights.error.fix or "")
            elif weights.identity is None:
                yield Finding("ok", subject, "none needed")
            elif weights.identity.startswith("hub:"):
                yield Finding("ok", subject, f"fetched on first use ({weights.identity.removeprefix('hub:')})")
            else:
                phantom = " (phantom)" if weights.phantom else ""
                yield Finding("ok", subject, f"sha256 {weights.identity[:12]}{phantom}")
