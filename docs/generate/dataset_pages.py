"""A page a dataset, and their index, from the specs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from generate.overlap import seen_by
from generate.writing import bullets, code, codes, escape, facts, link, page, page_file, page_link, table
from medbench.registry import Registry
from medbench.specs import PARTS, DatasetSpec, SplitSpec

ACCESS = {
    "open": "open: anybody may download it",
    "registration": "after registration",
    "credentialed": "credentialed: training and a signed agreement are asked for",
}


def dataset_index(registry: Registry) -> str:
    """All datasets in a table."""
    rows = [
        (
            f"[{escape(one.id)}]({page_file(one.id)})",
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
    tasks = [one for one in registry.tasks.values() if one.dataset == spec.id]
    kept = [(code(one.path), one.kind, "yes" if one.required else "no", escape(one.purpose)) for one in spec.files]
    return page(
        f"# {escape(spec.title)}",
        f"`medbench data prepare {spec.id}`",
        facts(
            {
                "id": code(spec.id),
                "modality": escape(spec.modality) + (", in colour" if spec.colour else ""),
                "access": ACCESS[spec.access],
                "licence": escape(spec.licence),
                "from": link(spec.url),
                "citation": escape(spec.citation),
                "supervision": escape(", ".join(sorted(spec.supervision))),
                "holds images of": _sources(spec.images_from, registry),
                "may have been seen by": seen_by(spec.id, spec.splits[0].name, registry),
                "tags": codes(spec.tags) if spec.tags else "",
                "version": str(spec.version),
            }
        ),
        *_files(spec, kept),
        "## Splits",
        "The first is the default. The numbers are the published ones; `medbench data prepare` compares.",
        *split_part(spec.splits),
        *_labels(spec),
        "## Tasks" if tasks else "",
        bullets(f"{page_link('tasks', one.id)}: {escape(one.title)}, split {code(one.split)}" for one in tasks),
    )


def split_part(splits: Sequence[SplitSpec]) -> list[str]:
    """Splits with their published sizes, and beneath how each is made and where that stands."""
    rules = bullets(f"{code(one.name)}: {_sentence(one.rule)} Source: {_sentence(one.source)}" for one in splits)
    return [table(("split", "train", "valid", "test", "patients"), [_sizes(one) for one in splits]), rules]


def dataset_links(names: Iterable[str], registry: Registry) -> str:
    """Names of datasets, ``mimic-cxr:train`` too; those with a page link to it."""
    found = []
    for name in names:
        dataset, colon, part = name.partition(":")
        known = dataset in registry.datasets
        found.append(page_link("datasets", dataset) + escape(colon + part) if known else code(name))
    return ", ".join(found)


def _sources(names: tuple[str, ...] | None, registry: Registry) -> str:
    return "not known" if names is None else dataset_links(names, registry)


def _files(spec: DatasetSpec, rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    lead = f"In {code(f'data/{spec.id}')}, or the folder that {code('[data]')} of {code('medbench.toml')} names:"
    return ["## Files", lead, table(("path", "kind", "required", "for"), rows)]


def _sizes(split: SplitSpec) -> tuple[str, ...]:
    sizes = (f"{split.sizes[part]:,}" if part in split.sizes else "–" for part in PARTS)
    return (code(split.name), *sizes, "in several parts" if split.shares_patients else "–")


def _sentence(text: str) -> str:
    text = text.rstrip()
    return escape(text if text.endswith((".", ")")) or not text else f"{text}.")


def _labels(spec: DatasetSpec) -> list[str]:
    parts = []
    if spec.label_names:
        parts.append(f"Labels: {codes(spec.label_names)}; each is one of {codes(spec.label_values)}, or unknown.")
    if spec.box_names:
        parts.append(f"Boxes: {codes(spec.box_names)}.")
    return ["## Labels", *parts] if parts else []
