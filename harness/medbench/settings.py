"""Where data, checkpoints, cache and results lie, and on what to compute.

Four sources in rising precedence: the defaults, ``medbench.toml``, the environment (``MEDBENCH_DATA`` and so on), the
command line. Paths in the file are relative to the file. A key that nothing reads is refused, with a suggestion. Trackers are
turned on by any of the three: they add up.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from medbench.errors import UnknownNameError, UsageError

FILE_NAME = "medbench.toml"
PRECISIONS = ("fp32", "bf16", "fp16")
EXECUTORS = ("local", "ray", "slurm")
KEEPING = ("auto", "always", "never")
Option = str | int | float | bool
_EMPTY: Mapping[str, Path] = MappingProxyType({})
_NO_OPTIONS: Mapping[str, Option] = MappingProxyType({})
_NO_TABLES: Mapping[str, Mapping[str, Option]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settled settings.

    A dataset lies in ``data_overrides[id]`` or ``data / id``; a checkpoint in ``checkpoint_overrides["mgca@resnet50"]`` or
    ``checkpoints / <the method's filename>``. ``device`` is ``auto``, ``cpu``, ``cuda`` or ``cuda:N``. ``workers`` are
    processes that read images while training. ``trackers`` are those turned on, each with its table of options.

    ``compile`` has encoders compiled by torch. ``executor`` is who runs trials (`EXECUTORS`), ``jobs`` how many at once (0:
    one for each visible GPU, one without), ``nproc_per_node`` how many processes share a training on one machine.
    ``executors`` are the further options of each executor by its name.

    ``pixel_side``: images whose shorter side is longer are prepared at that side; 0 keeps every pixel, None leaves it to the
    dataset. ``keep_pixels`` says whether decoded images are kept (`KEEPING`): ``auto`` keeps them where the disk has room.
    """

    data: Path = Path("data")
    checkpoints: Path = Path("checkpoints")
    results: Path = Path("results")
    cache: Path = Path(".medbench-cache")
    device: str = "auto"
    precision: str = "fp32"
    workers: int = 0
    compile: bool = False
    executor: str = "local"
    jobs: int = 0
    nproc_per_node: int = 1
    pixel_side: int | None = None
    keep_pixels: str = "auto"
    executors: Mapping[str, Mapping[str, Option]] = field(default_factory=lambda: _NO_TABLES)
    data_overrides: Mapping[str, Path] = field(default_factory=lambda: _EMPTY)
    checkpoint_overrides: Mapping[str, Path] = field(default_factory=lambda: _EMPTY)
    trackers: Mapping[str, Mapping[str, Option]] = field(default_factory=lambda: _NO_TABLES)
    source: Path | None = None

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise UnknownNameError("precision", self.precision, PRECISIONS)
        kind, _, number = self.device.partition(":")
        if kind not in {"auto", "cpu", "cuda"} or (number and (kind != "cuda" or not number.isdigit())):
            raise UsageError(f"unknown device '{self.device}'", fix="use auto, cpu, cuda or cuda:N")
        if self.workers < 0:
            raise UsageError(f"workers is {self.workers}, it cannot be negative")
        if self.executor not in EXECUTORS:
            raise UnknownNameError("executor", self.executor, EXECUTORS)
        for name in self.executors:
            if name not in EXECUTORS:
                raise UnknownNameError("executor in [executors]", name, EXECUTORS)
        if self.jobs < 0:
            raise UsageError(f"jobs is {self.jobs}, it cannot be negative")
        if self.nproc_per_node < 1:
            raise UsageError(f"nproc_per_node is {self.nproc_per_node}, at least 1 is needed")
        if self.keep_pixels not in KEEPING:
            raise UnknownNameError("way of keeping pixels", self.keep_pixels, KEEPING)
        if self.pixel_side is not None and self.pixel_side < 0:
            raise UsageError(f"the side of kept pixels is {self.pixel_side}, it cannot be negative")

    def dataset_root(self, dataset: str) -> Path:
        """The folder of a dataset's official raw files."""
        return self.data_overrides.get(dataset, self.data / dataset)

    def checkpoint_path(self, method: str, variant: str, filename: str) -> Path:
        """The file of a variant's weights."""
        return self.checkpoint_overrides.get(f"{method}@{variant}", self.checkpoints / filename)


def load_settings(
    *,
    config: Path | None,
    environment: Mapping[str, str],
    overrides: Mapping[str, Any],
    folder: Path,
) -> Settings:
    """Settle the four sources. ``config`` None means ``medbench.toml`` in ``folder``, if there is one.

    Raises `UsageError` for an unreadable file, an unknown key or a value of the wrong kind.
    """
    if config is None and environment.get("MEDBENCH_CONFIG"):
        config = Path(environment["MEDBENCH_CONFIG"])
    if config is not None and not config.is_file():
        raise UsageError(f"no settings file at {config}")
    found = config if config is not None else folder / FILE_NAME
    settings = _from_file(found) if found.is_file() else Settings(cache=_user_cache())
    values: dict[str, Any] = {}
    for one in fields(Settings):
        text = environment.get(f"MEDBENCH_{one.name.upper()}")
        if text and one.name in _SCALARS:
            values[one.name] = _convert(one.name, text, f"MEDBENCH_{one.name.upper()}")
    for name, value in overrides.items():
        if value is not None:
            values[name] = _convert(name, value, f"--{name}")
    for root in ("data", "checkpoints"):
        if root in values:  # a folder named later outweighs every single place that the file names
            values[f"{root.removesuffix('s')}_overrides"] = _EMPTY
    return turn_on(replace(settings, **values), environment.get("MEDBENCH_TRACKERS", ""))


def turn_on(settings: Settings, names: str) -> Settings:
    """The settings with more trackers on, ``mlflow,tensorboard``; one that is on already keeps its options."""
    chosen = dict.fromkeys((part.strip() for part in names.split(",") if part.strip()), _NO_OPTIONS)
    return replace(settings, trackers=MappingProxyType({**chosen, **settings.trackers})) if chosen else settings


def check_names(settings: Settings, datasets: Iterable[str], methods: Mapping[str, Iterable[str] | None]) -> None:
    """Refuse ``[data]`` and ``[checkpoints]`` keys that nothing reads: a typo would silently mean the default place.

    ``methods`` maps method ids to their variants' ids, None for an open family. Raises `UnknownNameError`.
    """
    known = set(datasets)
    for name in settings.data_overrides:
        if name not in known:
            raise UnknownNameError("dataset in [data]", name, known)
    variants = {f"{method}@{variant}" for method, names in methods.items() for variant in names or ()}
    families = {method for method, names in methods.items() if names is None}
    for name in settings.checkpoint_overrides:
        if name not in variants and name.partition("@")[0] not in families:
            raise UnknownNameError("variant in [checkpoints]", name, variants)


_SCALARS = {
    "data": Path,
    "checkpoints": Path,
    "results": Path,
    "cache": Path,
    "device": str,
    "precision": str,
    "workers": int,
    "compile": bool,
    "executor": str,
    "jobs": int,
    "nproc_per_node": int,
    "pixel_side": int,
    "keep_pixels": str,
}
_SECTIONS = {
    "paths": {name: name for name in ("data", "checkpoints", "results", "cache")},
    "compute": {
        name: name for name in ("device", "precision", "workers", "compile", "executor", "jobs", "nproc_per_node")
    },
    "pixels": {"side": "pixel_side", "keep": "keep_pixels"},
}
"""The keys of each section, and the settings they are."""
_OPEN_SECTIONS = ("data", "checkpoints", "trackers", "executors")
_TRUTHS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
"""Their keys are ids; whether anything of that name exists is checked once the plugins are known."""


def _from_file(path: Path) -> Settings:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    values: dict[str, Any] = {"source": path, "cache": _user_cache()}
    base = path.parent
    for section, content in document.items():
        if section not in {*_SECTIONS, *_OPEN_SECTIONS}:
            raise UnknownNameError(f"section in {path.name}", section, [*_SECTIONS, *_OPEN_SECTIONS])
        if not isinstance(content, dict):
            raise UsageError(f"{path.name}: '{section}' must be a [{section}] section")
        if section in _SECTIONS:
            for key, value in content.items():
                if key not in _SECTIONS[section]:
                    raise UnknownNameError(f"key in [{section}] of {path.name}", key, _SECTIONS[section])
                name = _SECTIONS[section][key]
                values[name] = _convert(name, value, f"{path.name} [{section}] {key}", base)
        elif section in {"trackers", "executors"}:
            values[section] = MappingProxyType(
                {name: _options(table, f"{path.name} [{section}.{name}]") for name, table in content.items()}
            )
        else:
            name = f"{section.removesuffix('s')}_overrides"
            values[name] = MappingProxyType(
                {key: _path(value, f"{path.name} [{section}] {key}", base) for key, value in content.items()}
            )
    return Settings(**values)


def _convert(name: str, value: Any, where: str, base: Path | None = None) -> Any:
    kind = _SCALARS[name]
    if kind is Path:
        return _path(value, where, base)
    if kind is int:
        try:
            return int("" if isinstance(value, bool) else value)
        except (TypeError, ValueError):
            raise UsageError(f"{where} is {value!r}, a whole number is needed") from None
    if kind is bool:
        truth = value if isinstance(value, bool) else _TRUTHS.get(str(value).lower())
        if truth is None:
            raise UsageError(f"{where} is {value!r}, true or false is needed")
        return truth
    if not isinstance(value, str):
        raise UsageError(f"{where} is {value!r}, a text is needed")
    return value


def _options(table: Any, where: str) -> Mapping[str, Option]:
    if not isinstance(table, dict):
        raise UsageError(f"{where} is {table!r}, a table is needed", fix=f"write {where.rpartition(' ')[2]} on a line")
    for key, value in table.items():
        if not isinstance(value, str | int | float | bool):
            raise UsageError(f"{where} {key} is {value!r}, a text, a number, true or false is needed")
    return MappingProxyType(table)


def _path(value: Any, where: str, base: Path | None) -> Path:
    if not isinstance(value, (str, Path)) or not str(value):
        raise UsageError(f"{where} is {value!r}, a path is needed")
    try:
        path = Path(value).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{where} is {value!r}: {error}") from None
    return base / path if base is not None else path


def _user_cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("medbench"))
