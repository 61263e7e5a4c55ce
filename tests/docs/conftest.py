"""The generator of the reference, as the site's build sees it."""

from __future__ import annotations

import sys

import pytest

from medbench.registry import Registry
from tests.docs.pages import ROOT

sys.path.insert(0, str(ROOT / "docs"))


@pytest.fixture(scope="session")
def registry() -> Registry:
    """Everything that is installed here."""
    return Registry.load()


@pytest.fixture(scope="session")
def reference(registry: Registry) -> dict[str, str]:
    """The generated pages by their path below ``reference/``."""
    from generate.reference import reference_pages

    return reference_pages(registry)
