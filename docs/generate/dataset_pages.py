"""A page a dataset, and their index, from the specs."""

from __future__ import annotations

from writing import bullets, code, codes, escape, facts, link, page, table

from medbench.registry import Registry
from medbench.specs import DatasetSpec, SplitSpec

_ACCESS = {
    "open": "open: anybody may download it",
    "registration": "after registration",
    "credentialed": "credentialed: training and a signed agreement are asked for",
}


def dataset_index(registry: Registry) -> str:
    """All datasets in a table."""
    rows = [
        (
            f"[{escape(one.id)}]({one.id}.md)",
            escape(one.title),
            escape(one.modality),
            one.access,
            escape(", ".join(sorted(one.supervision))),
        )
        for one in registry.datasets.values()
    ]
    lead = "Each is read from its official raw layout. Data of your own: [Use your own data](../../howto/data.md)."
    return page("# Datasets", lead, table(("dataset", "title", "modality", "access", "supervision"), rows))


def dataset_page(spec: DatasetSpec, registry: Registry) -> str:
    """What a dataset is, the files it is read from, its labels and its splits, and the tasks on it."""
    tasks = [one.id for one in registry.tasks.values() if one.dataset == spec.id]
    kept = [(code(one.path), one.kind, "yes" if one.required else "no", escape(one.purpose)) for one in spec.files]
    return page(
        f"# {escape(spec.title)}",
        facts(
            {
                "id": code(spec.id),
                "modality": escape(spec.modality) + (", in colour" if spec.colour else ""),
                "access": _ACCESS[spec.access],
                "licence": escape(spec.licence),
                "from": link(spec.url),
                "citation": escape(spec.citation),
                "supervision": escape(", ".join(sorted(spec.supervision))),
                "holds images of": codes(spec.images_from) if spec.images_from else "",
                "version": str(spec.version),
            }
        ),
        "## Files" if kept else "",
        f"In {code(f'data/{spec.id}')}, or the folder that {code('[data]')} of medbench.toml names:" if kept else "",
        table(("path", "kind", "required", "for"), kept),
        "## Splits",
        "The first is the default.",
        table(("split", "train", "valid", "test", "rule", "source"), [_split(one) for one in spec.splits]),
        *_labels(spec),
        "## Tasks" if tasks else "",
        bullets(f"[{escape(name)}](../tasks/{name}.md)" for name in tasks),
    )


def _split(split: SplitSpec) -> tuple[str, ...]:
    sizes = (f"{split.sizes[part]:,}" if part in split.sizes else "–" for part in ("train", "valid", "test"))
    return (code(split.name), *sizes, escape(split.rule), escape(split.source))


def _labels(spec: DatasetSpec) -> list[str]:
    parts = []
    if spec.label_names:
        parts.append(f"Labels: {codes(spec.label_names)}; each is one of {codes(spec.label_values)}, or unknown.")
    if spec.box_names:
        parts.append(f"Boxes: {codes(spec.box_names)}.")
    return ["## Labels", *parts] if parts else []
