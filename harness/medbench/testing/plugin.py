"""The pytest plugin: fixtures for the tests of a plugin. Loaded by pytest in every environment that has medbench: light.

def test_it_keeps_the_contract(check_method):
    check_method("mine")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from medbench.testing.gate import medbench_gate

if TYPE_CHECKING:
    from medbench.testing.contract import Report


@pytest.fixture(scope="session")
def check_method() -> Callable[..., Report]:
    """``check_method("mine")``, ``check_method("mine@variant", checkpoints=folder)``: fails the test with what is wrong.

    Without ``checkpoints``, a checkpoints root, the method's phantom is drawn.
    """

    def check(name: str, *, checkpoints: Path | str | None = None) -> Report:
        from medbench.registry import Registry
        from medbench.testing.method_checks import method_report

        folder = None if checkpoints is None else Path(checkpoints)
        return _told(method_report(name, Registry.load(), checkpoints=folder))

    return check


@pytest.fixture(scope="session")
def check_dataset() -> Callable[..., Report]:
    """``check_dataset("mine")``, ``check_dataset("mine", root=folder)``: on its phantom, or also on real files."""

    def check(name: str, *, root: Path | str | None = None) -> Report:
        from medbench.registry import Registry
        from medbench.testing.dataset_checks import dataset_report

        return _told(dataset_report(name, Registry.load(), root=None if root is None else Path(root)))

    return check


@pytest.fixture(scope="session")
def check_task() -> Callable[..., Report]:
    """``check_task("mine")``, ``check_task("mine", method="mine", recipe="quick", overrides={"epochs": 1})``.

    ``images`` and ``side`` are those of the phantom that it is run on.
    """

    def check(
        name: str,
        *,
        method: str | None = None,
        recipe: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        images: int = 24,
        side: int = 64,
    ) -> Report:
        from medbench.registry import Registry
        from medbench.samples import PhantomSize
        from medbench.testing.task_checks import TaskTrial, task_report

        size = PhantomSize(images, side, 0)
        how = TaskTrial(method=method, recipe=recipe, overrides=overrides, size=size)
        return _told(task_report(name, Registry.load(), how))

    return check


def _told(report: Report) -> Report:
    """Fail the test with the findings, a line each; what was left out is printed."""
    if report.findings:
        pytest.fail(report.text, pytrace=False)
    for one in report.left_out:
        print(one.line)  # noqa: T201 - pytest shows it with -s or where the test fails
    return report


__all__ = ["check_dataset", "check_method", "check_task", "medbench_gate"]
