"""Hold a method's numbers in the tests of its own repository: `medbench compare` as an assertion and as a fixture.

def test_numbers_hold(medbench_gate):
    medbench_gate("v1.0:results", "results")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from medbench.compare import Comparison


def hold_numbers(
    base: str | Path,
    new: str | Path,
    *,
    folder: Path | None = None,
    tolerance: float = 0.5,
    tolerances: Mapping[str, float] | None = None,
    level: float = 0.05,
    metrics: str = "ranking",
    allow: Iterable[str] = (),
    methods: tuple[str, str] | None = None,
    fail_on_missing: bool = False,
) -> Comparison:
    """The comparison, where ``new`` holds the numbers of ``base``; each is a record, a folder or a git revision.

    ``folder`` is where they are looked for (default: the current one); the rest is as `medbench.compare.Rules`. Raises
    `AssertionError` with the text of the comparison where something regressed, was refused or could not be tested, and
    `medbench.errors.UsageError` where a name leads to no records.
    """
    from medbench.compare import Rules, compare
    from medbench.compare.outcome import outcome_of
    from medbench.compare.summary import terminal_text
    from medbench.registry import Registry

    rules = Rules(
        tolerance=tolerance,
        tolerances=tolerances or {},
        level=level,
        metrics=metrics,
        allow=frozenset(allow),
        methods=methods,
        fail_on_regression=True,
        fail_on_missing=fail_on_missing,
    )
    comparison = compare(str(base), str(new), Registry.load().tasks, rules, folder or Path.cwd())
    if outcome_of(comparison).code:
        raise AssertionError(f"{base} and {new}:\n\n{terminal_text(comparison)}")
    return comparison


@pytest.fixture(scope="session")
def medbench_gate(request: pytest.FixtureRequest) -> Callable[..., Comparison]:
    """`hold_numbers` with paths and revisions seen from pytest's root folder; fails the test with the table."""
    root = request.config.rootpath

    def gate(base: str | Path, new: str | Path, **settings: object) -> Comparison:
        __tracebackhide__ = True
        try:
            return hold_numbers(base, new, **{"folder": root, **settings})  # type: ignore[arg-type]
        except AssertionError as error:
            pytest.fail(str(error), pytrace=False)

    return gate
