"""Every generated page by its path, as text."""

from __future__ import annotations

from generate.command_page import command_page
from generate.dataset_pages import dataset_index, dataset_page
from generate.method_pages import method_index, method_page
from generate.task_pages import task_index, task_page
from generate.writing import page_file
from medbench.registry import Registry

API = {
    "medbench.specs.methods": "What a plugin says of a method",
    "medbench.specs.datasets": "What a plugin says of a dataset",
    "medbench.specs.tasks": "What a plugin says of a task, its metrics and recipes (all three are found in `medbench.specs`)",
    "medbench.capabilities": "What a model can do",
    "medbench.protocols": "What a task implements",
    "medbench.samples": "What a dataset's reader hands over",
    "medbench.manifest": "A dataset as one table",
    "medbench.features": "What a frozen encoder says of a dataset",
    "medbench.forward": "A frozen encoder over many pictures",
    "medbench.one_pass": "A trunk that is run once a batch",
    "medbench.checkpoints": "Reading weights without executing code",
    "medbench.layouts": "Which tensor of a file each tensor of a network is",
    "medbench.records": "The result of a trial",
    "medbench.replicates": "Replicates in records, and paired tests",
    "medbench.statistics": "Intervals and paired tests",
    "medbench.contamination": "Who may have seen a test part",
    "medbench.settings": "What a run is set to",
    "medbench.hookspecs": "The hooks",
    "medbench.errors": "What can go wrong, and its exit codes",
    "medbench_methods.known": "A method whose files are a network of a known shape",
    "medbench_methods.nets.published": "A variant as it is published: its parts and their layouts",
    "medbench_methods.nets.shapes": "The known shapes",
    "medbench_methods.nets.bert": "BERT as a text tower",
    "medbench_methods.nets.trunks": "The image trunks",
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
    found |= {f"api/{module}.md": f"# {module}\n\n::: {module}\n" for module in API}
    return found


def _api_index() -> str:
    listed = "\n".join(f"| [{module}]({module}.md) | {title} |" for module, title in API.items())
    lead = "From the docstrings. How to write a plugin: [Write a plugin](../../howto/plugin.md)."
    return f"# For authors of plugins\n\n{lead}\n\n| module | what |\n|---|---|\n{listed}\n"
