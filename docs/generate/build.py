"""Writes the generated part of the reference while the site is built (mkdocs-gen-files runs this file).

Nothing of it is committed: it is what the specs, the program and the docstrings say.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mkdocs_gen_files

sys.path.insert(0, str(Path(__file__).parent))

from command_page import command_page
from dataset_pages import dataset_index, dataset_page
from method_pages import method_index, method_page
from task_pages import task_index, task_page

from medbench.registry import Registry

API = {
    "specs": "What a plugin says of a method, a dataset or a task",
    "capabilities": "What a model can do",
    "protocols": "What a task implements",
    "samples": "What a dataset's reader hands over",
    "manifest": "A dataset as one table",
    "features": "What a frozen encoder says of a dataset",
    "checkpoints": "Reading weights without executing code",
    "records": "The result of a trial",
    "replicates": "Replicates in records, and paired tests",
    "statistics": "Intervals and paired tests",
    "hookspecs": "The hooks",
    "errors": "What can go wrong, and its exit codes",
}


def pages(registry: Registry) -> dict[str, str]:
    """Path below ``reference/`` -> Markdown."""
    found = {
        "methods/index.md": method_index(registry),
        "datasets/index.md": dataset_index(registry),
        "tasks/index.md": task_index(registry),
        "commands.md": command_page(),
    }
    found |= {f"methods/{one.id}.md": method_page(one) for one in registry.methods.values()}
    found |= {f"datasets/{one.id}.md": dataset_page(one, registry) for one in registry.datasets.values()}
    found |= {f"tasks/{one.id}.md": task_page(one) for one in registry.tasks.values()}
    found |= {
        f"api/{name}.md": f"# medbench.{name}\n\n{title}.\n\n::: medbench.{name}\n" for name, title in API.items()
    }
    listed = "\n".join(f"| [medbench.{name}]({name}.md) | {title} |" for name, title in API.items())
    found["api/index.md"] = f"# For authors of plugins\n\n| module | what |\n|---|---|\n{listed}\n"
    return found


def write() -> None:
    """Put every page into the site. Raises `RuntimeError` where a first-party plugin is broken: its pages would be missing."""
    registry = Registry.load()
    broken = [f"{one.label}: {problem}" for one in registry.plugins for problem in one.problems]
    if broken or not registry.tasks:
        raise RuntimeError(f"the reference cannot be made: {'; '.join(broken) or 'no plugin is installed'}")
    for name, text in pages(registry).items():
        with mkdocs_gen_files.open(f"reference/{name}", "w") as file:
            file.write(text)


if __name__ in {"__main__", "<run_path>"}:
    write()
