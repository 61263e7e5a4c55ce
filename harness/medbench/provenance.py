"""Where a record came from: versions, revision, device, time and memory; nothing that tells of a person or a machine."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import resource
import sys
from typing import TYPE_CHECKING

from medbench import __version__
from medbench.protocols import Compute
from medbench.records import Provenance
from medbench.revision import source_revision

if TYPE_CHECKING:
    from medbench.registry import Registry

_LIBRARIES = (
    "torch",
    "torchvision",
    "timm",
    "transformers",
    "numpy",
    "onedl-mmengine",
    "onedl-mmcv",
    "onedl-mmdetection",
    "onedl-mmsegmentation",
    "pycocotools",
    "pydicom",
    "opencv-python-headless",
    "pyarrow",
    "scikit-learn",
)


def provenance_of(
    registry: Registry,
    compute: Compute,
    *,
    started: datetime.datetime,
    duration_s: float,
    images_per_second: float | None,
) -> Provenance:
    """The provenance of a trial that ends now."""
    return Provenance(
        medbench=__version__,
        revision=source_revision(),
        versions=library_versions(registry),
        device=_device_name(compute),
        precision=compute.precision,
        started=started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        duration_s=round(duration_s, 3),
        peak_memory_mib=_peak_memory_mib(compute),
        images_per_second=images_per_second,
    )


def library_versions(registry: Registry) -> dict[str, str]:
    """Versions of Python, of the libraries that move numbers, where installed, and of every plugin's distribution."""
    versions = {"python": platform.python_version()}
    plugins = {plugin.distribution for plugin in registry.plugins if plugin.offers}
    for name in (*_LIBRARIES, *sorted(plugins)):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _device_name(compute: Compute) -> str:
    if compute.device == "cuda":
        import torch

        return str(torch.cuda.get_device_name())
    return f"cpu ({platform.machine()})"


def _peak_memory_mib(compute: Compute) -> float:
    if compute.device == "cuda":
        import torch

        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
