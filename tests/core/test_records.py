"""Records survive a round trip, and nothing that is not a record passes for one."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench.errors import StoreError
from medbench.records import LARGEST, MetricValue, Record, Subset, changes_text, decode, encode
from tests.core.record_maker import make_record

_NUMBER = st.floats(-LARGEST, LARGEST)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_INT = st.integers(-(2**63), 2**63 - 1)
_METRIC = st.builds(
    MetricValue,
    value=st.none() | _NUMBER,
    low=st.none() | _NUMBER,
    high=st.none() | _NUMBER,
    n=_INT,
    note=_TEXT,
)
_VALUES = st.dictionaries(
    _TEXT, st.none() | st.booleans() | _INT | _NUMBER | _TEXT | st.lists(_INT, max_size=3), max_size=3
)
_RECORD = st.builds(
    lambda **changes: msgspec.structs.replace(make_record(), **changes),
    key=_TEXT,
    phantom=st.booleans(),
    fraction=st.floats(0, 1, exclude_min=True),
    seed=_INT,
    method=_TEXT,
    recipe_values=_VALUES,
    recipe_overrides=_VALUES,
    checkpoint_sha256=st.none() | _TEXT,
    subset=st.builds(Subset, n=_INT, sha256=_TEXT, sample_ids=st.none() | st.lists(_TEXT, max_size=3)),
    metrics=st.dictionaries(_TEXT, _METRIC, max_size=3),
    floors=st.dictionaries(_TEXT, st.dictionaries(_TEXT, _METRIC, max_size=2), max_size=2),
    ceilings=st.dictionaries(_TEXT, st.dictionaries(_TEXT, _METRIC, max_size=2), max_size=2),
    notes=st.dictionaries(_TEXT, _NUMBER, max_size=3),
)


@given(_RECORD)
@settings(max_examples=60, deadline=None)
def test_decode_gives_back_what_encode_was_given(record: Record) -> None:
    data = encode(record)
    assert decode(data, "here") == record
    assert encode(decode(data, "here")) == data


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_junk_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(StoreError, match=r"here\.json"):
        decode(data, "here.json")


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_damaged_record_is_refused_or_still_a_record(data: st.DataObject) -> None:
    whole = bytearray(encode(make_record()))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    for damaged in (bytes(whole), bytes(whole[:cut])):
        try:
            assert isinstance(decode(damaged, "here"), Record)
        except StoreError as error:
            assert "here" in str(error)


def test_endless_nesting_is_refused() -> None:
    with pytest.raises(StoreError, match="here"):
        decode(b"[" * 100_000, "here")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", ["value", "low", "floor", "notes", "recipe", "fraction"])
def test_a_number_that_json_cannot_hold_is_refused_when_written(bad: float, place: str) -> None:
    changes: dict[str, Any] = {
        "value": {"metrics": {"map": MetricValue(bad)}},
        "low": {"metrics": {"map": MetricValue(0.5, low=bad)}},
        "floor": {"floors": {"empty": {"map": MetricValue(bad)}}},
        "notes": {"notes": {"loss": bad}},
        "recipe": {"recipe_values": {"lr": bad}},
        "fraction": {"fraction": bad},
    }[place]
    with pytest.raises(StoreError, match=r"mgca@resnet50 on toy-det"):
        encode(msgspec.structs.replace(make_record(), **changes))


def _changed(**changes: Any) -> bytes:
    document = json.loads(encode(make_record()))
    document.update(changes)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (_changed(surprise=1), "surprise"),
        (_changed(seed="0"), "seed"),
        (_changed(metrics={"map": {"value": "high"}}), "metrics"),
        (_changed(schema=99), "schema 99"),
        (_changed(schema=0), "not a valid record"),
        (_changed(schema=True), "here"),
        (_changed(schema="1"), "not a medbench record"),
        (b"[]", "not a medbench record"),
        (b"", "not a valid record"),
        (encode(make_record()).replace(b'"seed": 0', b'"seed": NaN'), "not a valid record"),
    ],
)
def test_a_document_of_another_form_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(StoreError, match=reason):
        decode(data, "here")


def test_a_newer_record_says_what_to_do() -> None:
    with pytest.raises(StoreError, match="upgrade medbench"):
        decode(_changed(schema=99), "here")


def test_labels() -> None:
    record = make_record(recipe_overrides={"lr": 0.1, "epochs": 4})
    assert record.method_id == "mgca@resnet50"
    assert record.recipe_label == "standard[epochs=4,lr=0.1]"
    assert make_record().recipe_label == "standard"
    narrow = msgspec.structs.replace(make_record(), recipe_overrides={"neck_channels": [64, 32, 32]})
    assert narrow.recipe_label == "standard[neck_channels=64:32:32]"


def test_the_written_form_is_indented_and_ends_with_a_newline() -> None:
    data = encode(make_record())
    assert data.startswith(b'{\n "')
    assert data.endswith(b"}\n")


def test_a_record_of_the_first_schema_is_lifted() -> None:
    document = msgspec.json.decode(encode(make_record()))
    del document["ceilings"]
    old = msgspec.json.encode({**document, "schema": 1})
    assert decode(old, "here") == make_record()


_SCALAR = (
    st.none() | st.booleans() | st.integers() | _NUMBER | st.text(max_size=6) | st.sampled_from(["1", "1:2", "a,b=2"])
)
_CHANGES = st.dictionaries(st.text(max_size=4), _SCALAR | st.lists(_SCALAR, max_size=3), max_size=3)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"x": "1,y=2"}, {"x": 1, "y": 2}),
        ({"x": [1]}, {"x": "1"}),
        ({"x": [1]}, {"x": 1}),
        ({"x": "1"}, {"x": 1}),
        ({"x": "64:32"}, {"x": [64, 32]}),
        ({"x": "None"}, {"x": None}),
        ({"x": []}, {"x": ""}),
        ({"x": [[1, 2]]}, {"x": ["[1, 2]"]}),
        ({"x=1,y": 2}, {"x": 1, "y": 2}),
    ],
)
def test_changes_that_differ_never_read_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert changes_text(one) != changes_text(other)


@given(_CHANGES, _CHANGES)
@settings(max_examples=300, deadline=None)
def test_a_label_is_of_one_recipe_alone(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (changes_text(one) == changes_text(other)) is same


def test_plain_values_read_as_they_always_did() -> None:
    changes = {"lr": 1e-4, "optimiser": "adamw", "way": "a-b/c.d", "freeze": True, "clip": None, "widths": (64, 32)}
    assert changes_text(changes) == "clip=None,freeze=True,lr=0.0001,optimiser=adamw,way=a-b/c.d,widths=64:32"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"fraction": 1.0', '"fraction": 0.0', "its fraction is 0.0"),
        ('"fraction": 1.0', '"fraction": 1.5', "its fraction is 1.5"),
        ('"test_n": 200', '"test_n": -5', "it has -5 test samples"),
        ('"value": 0.5', '"value": 1.7e308', "map is 1.7e+308"),
        ('"low": 0.4', '"low": -1e13', "map is 0.5"),
        ('"value": 0.3', '"value": 1e999', "not a valid record"),
        ('"value": 0.3', '"value": 2e12', "prior.map is 2000000000000"),
    ],
)
def test_numbers_that_no_trial_gives_are_refused(old: str, new: str, told: str) -> None:
    text = encode(make_record(floors={"prior": {"map": 0.3}})).decode()
    assert old in text
    with pytest.raises(StoreError, match=re.escape(told)) as refused:
        decode(text.replace(old, new).encode(), "here.json")
    assert "here.json is not a valid record" in str(refused.value) and "\n" not in str(refused.value)


def test_such_a_record_is_not_written_either() -> None:
    with pytest.raises(StoreError, match="its fraction is 2"):
        encode(make_record(fraction=2.0))
