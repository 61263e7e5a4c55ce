"""Import strings: ``"package.module:attribute"``, resolved on first use, with the failure said in one line."""

from __future__ import annotations

import importlib
from typing import Any

from medbench.errors import PluginError


def resolve(import_string: str, owner: str) -> Any:
    """The object an import string names. Raises `PluginError` naming ``owner`` (``method 'mgca'``) where it cannot."""
    module_name, _, attribute = import_string.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # a plugin may raise anything at import, or end the process
        missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
        fix = _install_hint(missing) if missing else None
        raise PluginError(f"{owner}: cannot import {module_name} ({type(error).__name__}: {error})", fix=fix) from error
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        raise PluginError(f"{owner}: {module_name} has no '{attribute}'") from error


def _install_hint(module: str) -> str:
    package = module.partition(".")[0]
    if package in {"mmengine", "mmcv", "mmdet", "mmseg"}:
        return "install the detection and segmentation extra: pip install 'medbench[mm]' (README, Install)"
    return f"install the package that provides '{package}'"
