"""A transformers image processor's configuration as a `medbench.capabilities.Preprocess`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medbench.capabilities import Preprocess
from medbench.errors import CheckpointError, UsageError
from medbench_methods.nets.hf_files import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_RESAMPLE = {2: "bilinear", 3: "bicubic"}
_CONVNEXT_WHOLE = 384
# Processors of before 2022 give one number for the size, which these mean as the shorter side.
_SHORTER_BY_DEFAULT = ("CLIP", "ConvNext", "ChineseCLIP")


def read_preprocess(folder: Path) -> Preprocess:
    """The evaluation images that the model's processor makes.

    Raises `CheckpointError` where there is no such file and `UsageError` for steps that cannot be carried out.
    """
    for name in ("preprocessor_config.json", "processor_config.json"):
        if (folder / name).is_file():
            config = read_json(folder / name)
            return as_preprocess(config.get("image_processor", config), str(folder / name))
    raise CheckpointError(f"{folder} has no preprocessor_config.json", fix="copy it from the model's repository")


def as_preprocess(config: Mapping[str, Any], where: str) -> Preprocess:
    """Read a processor's ``size``, ``crop_size``, ``resample``, mean and std. Raises `UsageError` naming ``where``."""
    kind = str(config.get("image_processor_type") or config.get("feature_extractor_type") or "")
    size, shorter = _size(config.get("size"), kind, where)
    crop = _square(config["crop_size"], where) if config.get("do_center_crop") and config.get("crop_size") else None
    if config.get("crop_pct") and shorter:  # ConvNeXt: a margin under 384 pixels, none from there on
        crop, size, shorter = (
            size,
            *((int(size / config["crop_pct"]), True) if size < _CONVNEXT_WHOLE else (size, False)),
        )
    resample = config.get("resample", 2)
    if resample not in _RESAMPLE or config.get("do_resize") is False or config.get("do_pad"):
        raise UsageError(f"{where} asks for images that medbench does not make (resample {resample})")
    if abs(config.get("rescale_factor", 1 / 255) - 1 / 255) > 1e-6 or config.get("do_rescale") is False:
        raise UsageError(f"{where} asks for pixels that are not divided by 255")
    plain = config.get("do_normalize") is False
    return Preprocess(
        resize=size,
        mode="shorter" if shorter else "squash",
        crop=crop or size,
        mean=(0.0, 0.0, 0.0) if plain else _three(config.get("image_mean"), where),
        std=(1.0, 1.0, 1.0) if plain else _three(config.get("image_std"), where),
        interpolation=_RESAMPLE[resample],  # type: ignore[arg-type]
    )


def _size(size: Any, kind: str, where: str) -> tuple[int, bool]:
    """The side in pixels, and whether it is that of the shorter side."""
    if isinstance(size, dict) and "shortest_edge" in size and "longest_edge" not in size:
        return int(size["shortest_edge"]), True
    return _square(size, where), isinstance(size, int) and kind.startswith(_SHORTER_BY_DEFAULT)


def _square(size: Any, where: str) -> int:
    if isinstance(size, int):
        return size
    if isinstance(size, dict) and size.get("height") and size.get("height") == size.get("width"):
        return int(size["height"])
    raise UsageError(f"{where} asks for images of size {size}, medbench makes squares")


def _three(values: Any, where: str) -> tuple[float, float, float]:
    if isinstance(values, int | float):
        values = [values]
    if not isinstance(values, list) or len(values) not in {1, 3}:
        raise UsageError(f"{where} gives no mean and standard deviation for three channels")
    red, green, blue = (float(value) for value in (values * 3 if len(values) == 1 else values))
    return red, green, blue
