"""Every generated page by its path, as text."""

from __future__ import annotations

from generate.command_page import command_page
from generate.dataset_pages import dataset_index, dataset_page
from generate.method_pages import method_index, method_page
from generate.task_pages import task_index, task_page
from generate.writing import page_file
from medbench.registry import Registry

API = {
    "specs.methods": "What a plugin says of a method",
    "specs.datasets": "What a plugin says of a dataset",
    "specs.tasks": "What a plugin says of a task, its metrics and recipes (all three are found in `medbench.specs`)",
    "capabilities": "What a model can do",
    "protocols": "What a task implements",
    "samples": "What a dataset's reader hands over",
    "manifest": "A dataset as one table",
    "features": "What a frozen encoder says of a dataset",
    "forward": "A frozen encoder over many pictures",
    "one_pass": "A trunk that is run once a batch",
    "checkpoints": "Reading weights without executing code",
    "records": "The result of a trial",
    "replicates": "Replicates in records, and paired tests",
    "statistics": "Intervals and paired tests",
    "contamination": "Who may have seen a test part",
    "settings": "What a run is set to",
    "hookspecs": "The hooks",
    "errors": "What can go wrong, and its exit codes",
}


def reference_pages(registry: Registry) -> dict[str, str]:
    """Path below ``reference/`` -> Markdown."""
    found = {
        "methods/index.md": method_index(registry),
        "datasets/index.md": dataset_index(registry),
        "tasks/index.md": task_index(registry),
        "commands.md": command_page(),
        "api/index.md": _api_index(),
    }
    found |= {f"methods/{page_file(one.id)}": method_page(one, registry) for one in registry.methods.values()}
    found |= {f"datasets/{page_file(one.id)}": dataset_page(one, registry) for one in registry.datasets.values()}
    found |= {f"tasks/{page_file(one.id)}": task_page(one, registry) for one in registry.tasks.values()}
    found |= {f"api/{name}.md": f"# medbench.{name}\n\n::: medbench.{name}\n" for name in API}
    return found


def _api_index() -> str:
    listed = "\n".join(f"| [medbench.{name}]({name}.md) | {title} |" for name, title in API.items())
    lead = "From the docstrings. How to write a plugin: [Write a plugin](../../howto/plugin.md)."
    return f"# For authors of plugins\n\n{lead}\n\n| module | what |\n|---|---|\n{listed}\n"
