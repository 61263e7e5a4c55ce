"""Examples of the report: pictures, boxes, masks, heat maps and texts, and what must not be embedded."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from medbench.report.payload import ExampleView, Payload
from medbench.report.pictures import ANSWER, HEAT, LONG_SIDE, TRUTH, fit, mask_pictures, thumbnail
from medbench.settings import Settings
from medbench.store import ResultStore
from tests.core.report_toys import (
    KINDS,
    QUESTION,
    SECRET,
    keep,
    payload_of,
    picture_of,
    report_of,
    settings_in,
    task,
    write_data,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


def trials(settings: Settings, manifest: str, **changes: object) -> None:
    store = ResultStore(settings.results)
    for method, skill in (("worst", 0.1), ("best", 0.9), ("next", 0.5)):
        keep(store, method, skill, manifest_sha256=manifest, **changes)


def by_kind(payload: Payload) -> dict[str, ExampleView]:
    """Those of the best method."""
    (table,) = payload.tables
    return {KINDS[int(one.sample_id[1:])]: one for one in table.examples if one.method == "best@resnet50"}


def test_the_best_and_the_next_show_right_before_wrong(settings: Settings) -> None:
    trials(settings, write_data(settings))
    (table,) = payload_of(settings, examples=2).tables
    assert [(one.method, one.sample_id, one.right) for one in table.examples] == [
        (f"{method}@resnet50", sample, right)
        for method in ("best", "next")
        for sample, right in (("s0", True), ("s2", True), ("s1", False), ("s3", False))
    ]
    assert [one.answer.text for one in table.examples][:1] == ["skill 0.9"]
    assert (table.examples[1].score, table.examples[1].measure) == (0.2, "toy")
    assert (table.examples_note, table.examples[0].image_note) == ("", "")


def test_texts_lose_their_control_characters_and_questions_are_asked(settings: Settings) -> None:
    trials(settings, write_data(settings))
    shown = by_kind(payload_of(settings))["text"]
    assert shown.truth.text == f"{SECRET} in s0[31m"
    assert shown.question == QUESTION
    assert by_kind(payload_of(settings))["mask"].question == ""


def test_pictures_are_those_of_the_data(settings: Settings) -> None:
    trials(settings, write_data(settings))
    shown = by_kind(payload_of(settings))["mask"]
    picture = np.asarray(picture_of(shown.image), np.int16)
    assert picture.shape == (20, 40)
    assert (shown.width, shown.height) == (40, 20)
    assert abs(picture[:, :15] - 80).max() < 8
    assert abs(picture[:, 25:] - 130).max() < 8


def test_boxes_are_shares_of_the_picture_named_and_cut_to_it(settings: Settings) -> None:
    trials(settings, write_data(settings))
    shown = by_kind(payload_of(settings))["boxes"]
    assert shown.truth.boxes is not None
    assert [msgspec.structs.astuple(one) for one in shown.truth.boxes] == [(0.25, 0.25, 0.5, 0.5, "mass", None)]
    assert shown.answer.boxes is not None
    assert [msgspec.structs.astuple(one) for one in shown.answer.boxes] == [
        (0.5, 0.5, 0.5, 0.5, "", 0.75),
        (0.0, 0.0, 0.1, 0.5, "nodule", 0.25),
    ]


def test_a_region_is_a_picture_of_its_own(settings: Settings) -> None:
    trials(settings, write_data(settings))
    shown = by_kind(payload_of(settings))["regions"]
    picture = np.asarray(picture_of(shown.image), np.int16)
    assert picture.shape == (20, 20)
    assert abs(picture - 210).max() < 4
    assert shown.truth.boxes == ()  # it lies in the other half


def test_masks_lie_on_the_picture_and_an_empty_one_is_none(settings: Settings) -> None:
    trials(settings, write_data(settings))
    shown = by_kind(payload_of(settings))["mask"]
    overlay = np.asarray(picture_of(shown.truth.overlay).convert("RGBA"))
    inside = np.zeros((20, 40), bool)
    inside[5:15, 10:30] = True
    assert np.array_equal(overlay[..., 3] > 0, inside)
    assert (overlay[inside][:, :3] == TRUTH).all()
    assert len(set(overlay[inside][:, 3])) == 1
    assert overlay[10, 20, 3] < 128
    assert (shown.answer.overlay, shown.answer.outline, shown.answer.text) == ("", "", "nothing is marked")


def test_the_edge_of_a_mask_is_opaque_and_apart_from_its_fill(settings: Settings) -> None:
    trials(settings, write_data(settings))
    shown = by_kind(payload_of(settings))["mask"]
    edge = np.asarray(picture_of(shown.truth.outline).convert("RGBA"))
    inside = np.zeros((20, 40), bool)
    inside[5:15, 10:30] = True
    inside[6:14, 11:29] = False
    assert np.array_equal(edge[..., 3], np.where(inside, 255, 0))
    assert (edge[inside][:, :3] == TRUTH).all()


def test_heat_is_the_less_translucent_the_more_relevant(settings: Settings) -> None:
    trials(settings, write_data(settings))
    shown = by_kind(payload_of(settings))["heat"]
    overlay = np.asarray(picture_of(shown.answer.overlay).convert("RGBA")).astype(int)
    assert overlay.shape == (20, 40, 4)
    assert (overlay[..., :3] == HEAT).all()
    alpha = overlay[..., 3]
    assert 0 == alpha[0, 0] < alpha[0, -1] < alpha[-1, 0] < alpha[-1, -1]


def test_a_sample_that_is_not_in_the_data_is_shown_without_a_picture(settings: Settings) -> None:
    trials(settings, write_data(settings))
    shown = by_kind(payload_of(settings))["missing"]
    assert (shown.image, shown.image_note) == ("", "the data have no such sample")
    assert shown.answer.text == "skill 0.9"


def test_one_missing_picture_is_no_note_of_the_table(settings: Settings) -> None:
    trials(settings, write_data(settings))
    assert payload_of(settings).tables[0].examples_note == ""


def test_without_the_data_the_texts_and_masks_stay(settings: Settings) -> None:
    trials(settings, "d" * 64)
    payload = payload_of(settings)
    shown = by_kind(payload)["mask"]
    assert payload.tables[0].examples_note == shown.image_note == "the data are not on this machine"
    assert (shown.width, shown.height) == (40, 20)
    assert shown.truth.overlay
    assert by_kind(payload)["boxes"].truth.boxes is None


def test_other_data_than_the_records_give_no_picture(settings: Settings) -> None:
    write_data(settings)
    trials(settings, "d" * 64)
    assert by_kind(payload_of(settings))["text"].image_note == "the data on this machine are not those of the record"


@pytest.mark.parametrize(
    ("access", "note"),
    [
        ("registration", "its data may not be handed on (access: registration)"),
        ("credentialed", "its data may not be handed on (access: credentialed)"),
        ("own", "its data are the user's own"),
    ],
)
def test_what_may_not_be_handed_on_is_not_in_the_payload(settings: Settings, access: str, note: str) -> None:
    trials(settings, write_data(settings, access=access))
    payload = payload_of(settings, access=access)
    data = msgspec.json.encode(payload)
    for held in (SECRET, "data:image", "skill 0.9", '"s0"'):
        assert held.encode() not in data
    assert payload.tables[0].examples_note.startswith(note)
    assert payload.notices == ()


def test_asked_for_it_is_there_and_the_page_says_so(settings: Settings) -> None:
    trials(settings, write_data(settings, access="credentialed"))
    payload = payload_of(settings, access="credentialed", restricted=True)
    assert by_kind(payload)["mask"].image
    assert "may not be handed on" in payload.notices[0]


def test_generated_data_may_always_be_shown(settings: Settings) -> None:
    trials(settings, write_data(settings, access="credentialed", phantom=True), phantom=True)
    payload = payload_of(settings, access="credentialed")
    assert by_kind(payload)["mask"].image
    assert payload.notices == ()


@pytest.mark.parametrize("manifest", ["", "d" * 64], ids=["real data", "data that are not here"])
def test_generated_weights_do_not_free_real_data(settings: Settings, manifest: str) -> None:
    trials(settings, manifest or write_data(settings, access="credentialed"), phantom=True)
    data = msgspec.json.encode(payload_of(settings, access="credentialed"))
    assert SECRET.encode() not in data
    assert b"data:image" not in data


def test_a_dataset_that_nobody_vouches_for_is_not_shown(settings: Settings) -> None:
    trials(settings, "d" * 64, dataset="unknown")
    payload = payload_of(settings)
    assert payload.tables[0].examples == ()
    assert payload.tables[0].examples_note.startswith("no installed plugin says whether")


def test_no_more_than_asked_for_whatever_the_plugin_gives(settings: Settings) -> None:
    trials(settings, write_data(settings))
    (table,) = payload_of(settings, task("BOASTFUL"), examples=1).tables
    assert [one.right for one in table.examples] == [True, False, True, False]


def test_a_protocol_that_raises_costs_its_examples_and_tells_no_place(settings: Settings) -> None:
    trials(settings, write_data(settings))
    report = report_of(settings, task("BROKEN"))
    (table,) = report.payload.tables
    assert (table.examples, table.examples_note) == ((), "its protocol gave no examples")
    assert "secret" in report.damage[0]
    assert report.payload.problems[0] == "examples of best@resnet50 on toy-det, seed 0: ValueError"


def test_pictures_are_made_small_and_keep_their_proportions() -> None:
    small = thumbnail(np.zeros((1000, 500, 3), np.uint8))
    assert picture_of(small.uri).size == (small.width, small.height) == (LONG_SIDE // 2, LONG_SIDE)
    assert picture_of(small.uri).mode == "RGB"
    assert fit(3, 10_000) == (1, LONG_SIDE)


def test_a_speck_of_a_mask_does_not_vanish() -> None:
    from medbench.masks import encode_mask

    pixels = np.zeros((1000, 1000), np.uint8)
    pixels[501, 501] = 1
    overlay = np.asarray(picture_of(mask_pictures(encode_mask(pixels), 50, 50, ANSWER).fill).convert("RGBA"))
    assert np.argwhere(overlay[..., 3] > 0).tolist() == [[25, 25]]
