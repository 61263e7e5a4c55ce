"""Ids of open models: readable, fit for a path, never shared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench.errors import UsageError
from medbench.specs import check_id
from medbench_methods.open_names import check_relative, slug

ALPHABET = "aB0-._/:@+"


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("resnet50.a1_in1k", "resnet50.a1_in1k"),
        ("facebook/dinov2-base", "facebook--dinov2-base"),
        ("facebook--dinov2-base", "facebook--dinov2-base-"),
        ("ViT-B-16:openai", "vit-b-16-openai-"),
    ],
)
def test_plain_names_stay_and_others_are_marked(name: str, short: str) -> None:
    assert slug(name) == short or (short.endswith("-") and slug(name).startswith(short))


@given(st.text(ALPHABET, min_size=1, max_size=200), st.text(ALPHABET, min_size=1, max_size=200))
def test_two_names_never_share_an_id(one: str, other: str) -> None:
    for name in (one, other):
        check_id("variant", slug(name))
        assert len(slug(name)) <= 107
    assert (slug(one) == slug(other)) == (one == other)


@pytest.mark.parametrize("name", ["/etc", "~/x", "a/../b", "a\\b"])
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="leads out"):
        check_relative("hf", name)
