"""The selection grammar."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from medbench.errors import UsageError
from medbench.registry import Registry
from medbench.selection import select_methods, select_tasks


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("toy", ["toy@plain"]),
        ("toy@weighted", ["toy@weighted"]),
        ("toy@*", ["toy@plain", "toy@weighted", "toy@mute"]),
        ("all", ["toy@plain"]),
        ("t*", ["toy@plain"]),
        ("all@*,-toy@m*", ["toy@plain", "toy@weighted"]),
        ("tag:tiny@weighted", ["toy@weighted"]),
        ("toy,toy,toy@plain", ["toy@plain"]),
        ("toy@*,-toy@plain", ["toy@weighted", "toy@mute"]),
        ("all@weighted", ["toy@weighted"]),
        ("t*@weighted", ["toy@weighted"]),
        (" toy , ", ["toy@plain"]),
    ],
)
def test_methods(registry: Registry, text: str, chosen: list[str]) -> None:
    assert [choice.id for choice in select_methods(text, registry, Path("checkpoints"))] == chosen


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no methods named"),
        ("tyo", "did you mean 'toy'"),
        ("toy@plian", "did you mean 'plain'"),
        ("x*", "no method matches"),
        ("toy,toy@zzz*", "no method has a variant that matches"),
        ("all@zzz", "no method has a variant that matches"),
        ("tag:huge", "unknown method tag"),
        ("-toy", "leaves no method over"),
    ],
)
def test_a_term_that_names_nothing_is_refused(registry: Registry, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        select_methods(text, registry, Path("checkpoints"))


def test_tasks(registry: Registry) -> None:
    assert [task.id for task in select_tasks("tag:tiny", registry)] == ["toy-bright"]
    assert [task.id for task in select_tasks("all", registry)] == ["toy-bright"]


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(alphabet="toy@*?[]-,:glamix ", max_size=20))
def test_any_text_is_a_selection_or_a_usage_error(registry: Registry, text: str) -> None:
    try:
        assert select_methods(text, registry, Path("checkpoints"))
    except UsageError:
        return
