"""What every test may use: the shared folder of real data and goldens, where it exists beside the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data and goldens, or a skip that says so."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("no ../shared folder beside the checkout: real data and goldens are absent")
    return folder
