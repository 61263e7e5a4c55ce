"""Writes the generated part of the reference while the site is built (mkdocs-gen-files runs this file).

Nothing of it is committed: it is what the specs, the program and the docstrings say.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mkdocs_gen_files

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from generate.reference import reference_pages
from medbench.registry import Registry


def write() -> None:
    """Put every page into the site. Raises `RuntimeError` where a plugin is broken: its pages would be missing."""
    registry = Registry.load()
    broken = [f"{one.label}: {problem}" for one in registry.plugins for problem in one.problems]
    if broken or not registry.tasks:
        raise RuntimeError(f"the reference cannot be made: {'; '.join(broken) or 'no plugin is installed'}")
    for name, text in reference_pages(registry).items():
        with mkdocs_gen_files.open(f"reference/{name}", "w") as file:
            file.write(text)


if __name__ in {"__main__", "<run_path>"}:
    write()
