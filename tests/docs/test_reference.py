"""The generated reference: a page for every spec, links that lead somewhere, figures that are those of the specs."""

from __future__ import annotations

import os
import posixpath
import re
import subprocess
import sys
from html import unescape

from medbench.registry import Registry
from tests.docs.pages import ROOT, markdown_anchors, markdown_links

DOCS = ROOT / "docs"


def test_every_spec_has_a_page_that_its_index_links(registry: Registry, reference: dict[str, str]) -> None:
    for kind in ("methods", "datasets", "tasks"):
        linked = {target for _, target in markdown_links(reference[f"{kind}/index.md"])}
        for name in getattr(registry, kind):
            assert f"{kind}/{name}.md" in reference
            assert f"{name}.md" in linked


def test_links_lead_to_pages_and_headings(reference: dict[str, str]) -> None:
    wrong = []
    for name, text in reference.items():
        for _, target in markdown_links(text):
            if "://" in target:
                continue
            path, _, anchor = target.partition("#")
            place = posixpath.normpath(posixpath.join("reference", posixpath.dirname(name), path))
            place = f"reference/{name}" if not path else place
            found = _text(place, reference)
            if found is None or (anchor and anchor not in markdown_anchors(found)):
                wrong.append(f"{name}: {target}")
    assert not wrong, "\n".join(wrong)


def test_links_of_written_pages_into_the_reference_lead_somewhere(reference: dict[str, str]) -> None:
    wrong = []
    for page in DOCS.rglob("*.md"):
        for line, target in markdown_links(page.read_text(encoding="utf-8")):
            path = target.partition("#")[0]
            place = posixpath.normpath(posixpath.join(page.parent.relative_to(DOCS).as_posix(), path))
            if "://" not in target and path and _text(place, reference) is None and not (DOCS / place).is_file():
                wrong.append(f"{page.name}, line {line}: {target}")
    assert not wrong, "\n".join(wrong)


def test_a_dataset_page_has_what_a_user_needs(registry: Registry, reference: dict[str, str]) -> None:
    for spec in registry.datasets.values():
        text = unescape(reference[f"datasets/{spec.id}.md"])
        for part in (spec.licence, spec.url, *(one.path for one in spec.files)):
            assert " ".join(part.split()) in text
        for split in spec.splits:
            row = next(line for line in text.splitlines() if line.startswith(f"| <code>{split.name}</code> |"))
            assert re.findall(r"[\d,]*\d", row.partition("</code>")[2]) == [
                f"{split.sizes[part]:,}" for part in ("train", "valid", "test") if part in split.sizes
            ]


def test_a_task_page_has_every_metric_recipe_and_reported_figure(registry: Registry, reference: dict[str, str]) -> None:
    for spec in registry.tasks.values():
        text = reference[f"tasks/{spec.id}.md"]
        assert all(f"<code>{one.name}</code>" in text for one in spec.metrics)
        header = next(line for line in text.splitlines() if line.startswith("| field |"))
        assert header == f"| field | {' | '.join(spec.recipes)} |"
        reported = text.partition("## Reported")[2]
        rows = [line for line in reported.splitlines() if line.startswith("|") and not line.startswith("| method |")]
        cells = re.findall(r"(?<= \| )-?\d[\d.]*(?= )", "\n".join(rows))
        assert len(cells) == len(spec.reported)


def test_a_long_note_stands_under_the_table_once(registry: Registry, reference: dict[str, str]) -> None:
    spec = next(one for one in registry.tasks.values() if any(len(figure.note) > 200 for figure in one.reported))
    text = reference[f"tasks/{spec.id}.md"].partition("## Reported")[2]
    assert max(len(line) for line in text.splitlines() if line.startswith("|")) < 300


def test_overlap_is_shown_on_the_pages_of_method_task_and_dataset(reference: dict[str, str]) -> None:
    assert "[mimic-cxr-linear](../tasks/mimic-cxr-linear.md)\\*" in reference["methods/mgca.md"]
    assert "[rsna-linear](../tasks/rsna-linear.md)," in reference["methods/mgca.md"]
    assert re.search(r"\[mgca\]\(\.\./methods/mgca\.md\) \|.*\| overlaps \|", reference["tasks/mimic-cxr-linear.md"])
    assert "[mgca](../methods/mgca.md)" in reference["datasets/mimic-cxr.md"]


def test_a_variant_that_saw_other_data_is_told_apart(reference: dict[str, str]) -> None:
    rows = [line for line in reference["tasks/vqa-rad.md"].splitlines() if line.startswith("| [motor]")]
    states = {line.rsplit("|", 2)[1].strip(): line for line in rows}
    assert "<code>vqa-rad</code>" in states["overlaps"]
    assert "<code>pretrain</code>" in states["clean"]


def test_the_same_specs_give_the_same_bytes_in_every_process() -> None:
    code = (
        "import hashlib, sys; sys.path.insert(0, sys.argv[1])\n"
        "from generate.reference import reference_pages; from medbench.registry import Registry\n"
        "text = repr(sorted(reference_pages(Registry.load()).items())).encode()\n"
        "print(hashlib.sha256(text).hexdigest(), 'torch' in sys.modules, 'numpy' in sys.modules)"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code, str(DOCS)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert said.pop().split()[1:] == ["False", "False"], "the reference is made without torch or numpy"


def _text(place: str, reference: dict[str, str]) -> str | None:
    generated = reference.get(place.removeprefix("reference/")) if place.startswith("reference/") else None
    path = DOCS / place
    return generated if generated is not None else path.read_text(encoding="utf-8") if path.is_file() else None
