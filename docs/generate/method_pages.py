"""A page a method, and their index, from the specs."""

from __future__ import annotations

from writing import bullets, code, codes, escape, facts, link, page, table

from medbench.registry import Registry
from medbench.specs import MethodSpec, MethodVariant


def method_index(registry: Registry) -> str:
    """All methods in a table."""
    rows = [
        (
            f"[{escape(one.id)}]({one.id}.md)",
            escape(one.title),
            codes(variant.id for variant in one.variants),
            pretraining(one),
        )
        for one in registry.methods.values()
    ]
    lead = "`medbench show NAME` prints the same. A method of your own: [Write a plugin](../../howto/plugin.md)."
    return page("# Methods", lead, table(("method", "title", "variants", "pretrained on"), rows))


def method_page(spec: MethodSpec) -> str:
    """What a method is, its variants, and where their weights come from."""
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
                "pretrained on": pretraining(spec),
                "tags": codes(spec.tags) if spec.tags else "",
                "version": str(spec.version),
            }
        ),
        "## Variants",
        _family(spec),
        table(("select", "title", "capabilities", "checkpoint"), [_variant(spec, one) for one in spec.variants]),
        *_downloads(spec),
    )


def pretraining(spec: MethodSpec) -> str:
    """The declared data; ``undeclared`` where the authors do not say."""
    if spec.pretrained_on is None:
        return "undeclared"
    return codes(spec.pretrained_on) if spec.pretrained_on else "nothing medical"


def _family(spec: MethodSpec) -> str:
    if spec.open_variants is None:
        return "The first is what the bare id selects." if len(spec.variants) > 1 else ""
    return (
        f"An open family: {code(f'{spec.id}/<model>')} selects any model by its name there; those below are examples."
    )


def _variant(spec: MethodSpec, variant: MethodVariant) -> tuple[str, ...]:
    name = f"{spec.id}/{variant.name}" if spec.open_variants and variant.name else f"{spec.id}@{variant.id}"
    return (code(name), escape(variant.title), codes(sorted(variant.capabilities)), _weights(variant))


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
