"""Checks of specs, which are plain data, and of the module that offers them, which must be light."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from medbench.errors import MedbenchError
from medbench.registry import Plugin, Registry
from medbench.specs import DatasetSpec, MethodSpec, TaskSpec
from medbench.testing.contract import Check, Finding, LeftOut
from medbench.testing.fresh import run_python
from medbench.testing.guards import check_network

HEAVY = ("torch", "numpy", "pandas", "sklearn", "pyarrow", "cv2", "transformers", "timm", "mmengine", "mmcv")

Spec = MethodSpec | DatasetSpec | TaskSpec


def owner_of(kind: str, name: str, registry: Registry) -> Plugin | None:
    """The plugin that offers the ``kind`` of that id."""
    return next((plugin for plugin in registry.plugins if f"{kind} {name}" in plugin.offers), None)


def check_light(plugin: Plugin) -> Check:
    """The plugin's module and its hooks load nothing heavy, in a process of its own."""
    where = f"plugin {plugin.name}"
    module, _, attribute = plugin.module.partition(":")
    package = module.partition(".")[0]
    code = (
        "import importlib, json, sys\n"
        "from medbench.testing.guards import no_network\n"
        f"with no_network({package!r}) as tried:\n"
        f"    plugin = importlib.import_module({module!r})\n"
        f"    for part in {[part for part in attribute.split('.') if part]!r}:\n"
        "        plugin = getattr(plugin, part)\n"
        "    for hook in ('medbench_methods', 'medbench_datasets', 'medbench_tasks'):\n"
        "        list(getattr(plugin, hook, lambda: ())())\n"
        f"print(json.dumps([[name for name in {HEAVY!r} if name in sys.modules], tried]))\n"
    )
    result = run_python(code)
    if result.returncode or not result.stdout:
        reason = (result.stderr.strip().splitlines() or ["it ends the process"])[-1]
        yield Finding(where, f"its module {plugin.module} does not import by itself ({reason})")
        return
    loaded, tried = json.loads(result.stdout.splitlines()[-1])
    yield from check_network(where, tried, "importing a plugin must ask nothing of the network")
    if loaded:
        yield Finding(
            where,
            f"its module {plugin.module} loads {', '.join(loaded)} when it is imported",
            "every command would wait for that; import it inside the function that needs it",
        )


def check_method_spec(spec: MethodSpec) -> Check:
    """Licence, summary, sources and pretraining data are there; pages are addresses; capabilities are offered."""
    where = f"method {spec.id}"
    yield from _said(where, {"title": spec.title, "summary": spec.summary, "licence": spec.licence})
    yield from _addresses(where, {"code_url": spec.code_url, "paper_url": spec.paper_url})
    if spec.pretrained_on is None:
        yield LeftOut(where, "contamination: pretrained_on is None; declare the datasets, or () for none")
    for variant in spec.variants:
        at = f"{spec.id}@{variant.id}"
        yield from _said(at, {"title": variant.title})
        if not variant.capabilities:
            yield Finding(at, "it offers no capability", "no task can run it; name what its model can do")
        if variant.checkpoint is not None:
            source = variant.checkpoint
            yield from _addresses(at, {"checkpoint url": source.url})
            for path in (source.filename, *source.companions, *source.text_files):
                yield from _inside(at, path, "checkpoints")
    if spec.version < 1:
        yield Finding(where, f"its version is {spec.version}", "versions start at 1")


def check_dataset_spec(spec: DatasetSpec) -> Check:
    """Licence, page, files with their purpose, splits with their rule, and names of what it is labelled with."""
    where = f"dataset {spec.id}"
    yield from _said(where, {"title": spec.title, "modality": spec.modality, "licence": spec.licence, "url": spec.url})
    if " " not in spec.url:  # words, as of one's own files, are fine
        yield from _addresses(where, {"url": spec.url})
    if not spec.files:
        yield Finding(where, "it expects no file", "list what its folder must hold, so that what is absent can be said")
    for expected in spec.files:
        yield from _inside(where, expected.path, "dataset's")
        yield from _said(f"{where}, {expected.path}", {"purpose": expected.purpose})
    for split in spec.splits:
        yield from _said(f"{where}, split {split.name}", {"rule": split.rule, "source": split.source})
    for name, values in (("label_names", spec.label_names), ("box_names", spec.box_names), ("splits", spec.splits)):
        yield from _twice(where, name, [value if isinstance(value, str) else value.name for value in values])
    if spec.version < 1:
        yield Finding(where, f"its version is {spec.version}", "versions start at 1")


def check_task_spec(spec: TaskSpec, registry: Registry) -> Check:
    """Its dataset, split and labels exist, its metrics have names, and reported figures say of what and from where."""
    where = f"task {spec.id}"
    yield from _said(where, {"title": spec.title, "protocol": spec.protocol})
    yield from _twice(where, "metrics", [metric.name for metric in spec.metrics])
    for metric in spec.metrics:
        yield from _said(f"{where}, metric {metric.name}", {"title": metric.title})
    metrics = {metric.name for metric in spec.metrics}
    for figure in spec.reported:
        if figure.metric not in metrics and not figure.metric_title:
            yield Finding(
                where, f"a reported figure is of '{figure.metric}', which is no metric of it", "say metric_title"
            )
        yield from _said(f"{where}, a reported figure of {figure.method}", {"source": figure.source})
    absent = [module for module in spec.requires if importlib.util.find_spec(module) is None]
    if absent:
        yield LeftOut(where, f"{', '.join(absent)} not installed")
    try:
        dataset = registry.dataset(spec.dataset)
        dataset.split(spec.split)
    except MedbenchError as error:
        yield Finding(where, str(error))
        return
    unknown = sorted(set(spec.target.labels if spec.target else ()) - set(dataset.label_names))
    if unknown and dataset.label_names:
        yield Finding(where, f"its target asks for {', '.join(unknown)}", f"labels of {dataset.id} are its label_names")


def _said(where: str, texts: dict[str, str]) -> Check:
    for name, text in texts.items():
        if not text.strip():
            yield Finding(where, f"its {name} is empty", "say it in the spec; pages are made of it")


def _addresses(where: str, texts: dict[str, str]) -> Check:
    for name, text in texts.items():
        parts = urlsplit(text)
        if text and (parts.scheme not in {"http", "https"} or not parts.netloc):
            yield Finding(where, f"its {name} '{text}' is no address", "give a page, https://...")


def _inside(where: str, path: str, folder: str) -> Check:
    if not path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\\" in path:
        yield Finding(
            where, f"the path '{path}' is not below the {folder} folder", "give it relative to that, with '/'"
        )


def _twice(where: str, name: str, values: Iterable[str]) -> Check:
    for value, times in Counter(values).items():
        if times > 1:
            yield Finding(where, f"its {name} hold '{value}' {times} times")
