"""A page a method, and their index, from the specs."""

from __future__ import annotations

from generate.dataset_pages import dataset_links
from generate.overlap import by_state
from generate.writing import bullets, code, codes, escape, facts, link, page, page_file, page_link, table
from medbench.registry import Registry
from medbench.specs import MethodSpec, MethodVariant, TaskSpec

_CAPABILITIES = "[capabilities](../api/medbench.capabilities.md)"


def method_index(registry: Registry) -> str:
    """All methods in a table."""
    rows = [
        (
            f"[{escape(one.id)}]({page_file(one.id)})",
            escape(one.title),
            f"any: {code(f'{one.id}/<model>')}" if one.open_variants else codes(variant.id for variant in one.variants),
            pretraining(one, registry),
        )
        for one in registry.methods.values()
    ]
    lead = "`medbench show NAME` prints the same. A method of your own: [Write a plugin](../../howto/plugin.md)."
    return page("# Methods", lead, table(("method", "title", "variants", "pretrained on"), rows))


def method_page(spec: MethodSpec, registry: Registry) -> str:
    """What a method is, its variants, where their weights come from, and the tasks that it can do."""
    return page(
        f"# {escape(spec.title)}",
        escape(spec.summary),
        facts(
            {
                "id": code(spec.id),
                "licence": escape(spec.licence),
                "citation": escape(spec.citation),
                "code": link(spec.code_url),
                "paper": link(spec.paper_url),
                "pretrained on": pretraining(spec, registry),
                "tags": codes(spec.tags) if spec.tags else "",
                "version": str(spec.version),
            }
        ),
        "## Variants",
        _family(spec),
        _variants(spec, registry),
        *_downloads(spec),
        *_tasks(spec, registry),
    )


def pretraining(spec: MethodSpec, registry: Registry) -> str:
    """The declared data; ``undeclared`` where the authors do not say."""
    text = _declared(spec.pretrained_on, registry)
    return f"{text}; more by variant" if any(one.pretrained_on is not None for one in spec.variants) else text


def _declared(names: tuple[str, ...] | None, registry: Registry) -> str:
    if names is None:
        return "undeclared"
    return dataset_links(names, registry) or "nothing"


def _family(spec: MethodSpec) -> str:
    if spec.open_variants is None:
        return "The first is what the bare id selects." if len(spec.variants) > 1 else ""
    text = f"An open family: {code(f'{spec.id}/<model>')} selects any model by its name there"
    return f"{text}; those below are examples." if spec.variants else f"{text}."


def _variants(spec: MethodSpec, registry: Registry) -> str:
    """With a column of pretraining data where a variant has seen other data than the method."""
    own = any(one.pretrained_on is not None for one in spec.variants)
    header = ("select", "title", _CAPABILITIES, "checkpoint", *(("pretrained on",) if own else ()))
    rows = [
        (
            code(f"{spec.id}/{one.name}" if spec.open_variants and one.name else f"{spec.id}@{one.id}"),
            escape(one.title),
            codes(sorted(one.capabilities)),
            _weights(one),
            *((_declared(spec.seen_by(one.id), registry),) if own else ()),
        )
        for one in spec.variants
    ]
    return table(header, rows)


def _weights(variant: MethodVariant) -> str:
    source = variant.checkpoint
    if source is None:
        return "drawn from the trial's seed"
    text = code(source.filename)
    if source.hub:
        text += f" or from the hub: {code(source.hub)}"
    for word, files in (("with", source.companions), ("texts:", source.text_files)):
        if files:
            text += f"; {word} {codes(files)}"
    return text


def _downloads(spec: MethodSpec) -> list[str]:
    urls = {one.checkpoint.url: None for one in spec.variants if one.checkpoint is not None and one.checkpoint.url}
    if not urls:
        return []
    lead = "Files lie under the checkpoints folder, by the names above. They are to be had from:"
    return ["## Checkpoints", lead, bullets(link(url) for url in urls)]


def _tasks(spec: MethodSpec, registry: Registry) -> list[str]:
    """By protocol, those that one of its variants can do; a star where that variant's data overlap with the task's."""
    if spec.open_variants is not None:
        return []
    able = {one.id: [own for own in spec.variants if one.needs(own.capabilities) is not None] for one in _all(registry)}
    tasks = [one for one in _all(registry) if able[one.id]]
    if not tasks:
        return []
    rows = [
        (escape(name), ", ".join(_task(spec, able[one.id], one, registry) for one in tasks if one.protocol == name))
        for name in sorted({one.protocol for one in tasks}, key=str.lower)
    ]
    lead = "Those that a variant has the capabilities for. A star (\\*): the data declared for such a variant overlap with it."
    return ["## Tasks", lead, table(("protocol", "tasks"), rows)]


def _all(registry: Registry) -> list[TaskSpec]:
    return list(registry.tasks.values())


def _task(spec: MethodSpec, able: list[MethodVariant], task: TaskSpec, registry: Registry) -> str:
    seen = "overlaps" in by_state(spec, able, task.dataset, task.split, registry)
    return page_link("tasks", task.id) + ("\\*" if seen else "")
