"""What the report says of records: the leaderboard's numbers, each with its records, and nothing of this machine."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from medbench.leaderboard.table import Specs
from medbench.records import Record
from medbench.report.build import ReportOptions, build_report
from medbench.report.payload import Payload, TableView
from medbench.report.texts import NAME_LENGTH, TEXT_LENGTH, shown_name, shown_text, shown_values
from medbench.settings import Settings
from medbench.specs import ReportedResult
from medbench.store import ResultStore
from tests.core import report_toys, table_toys
from tests.core.record_maker import make_method, make_record, make_task
from tests.core.table_toys import toy_task

HOSTILE = "</script><script>alert(1)</script>|`\u202e\x1b[31m\ud800"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return report_toys.settings_in(tmp_path)


def build(records: list[Record], specs: Specs | None = None, **options: object) -> Payload:
    given = specs or Specs(tasks={"toy-det": make_task()})
    found = build_report(records, given, ResultStore(Path("nowhere")), Settings(), ReportOptions(**options))  # type: ignore[arg-type]
    assert found.damage == ()
    return found.payload


def trials() -> list[Record]:
    """Two methods with three seeds, at two fractions, with a floor."""
    floors = {"guess": {"map": 0.1, "loss": 2.0}}
    return [
        make_record(
            name,
            (score + seed / 100, score - 0.1, score + 0.1),
            metrics={"loss": 1 - score, "old": None},
            floors=floors,
            seed=seed,
            fraction=fraction,
        )
        for name, score in (("a", 0.3), ("b", 0.7))
        for seed in (0, 1, 2)
        for fraction in (0.1, 1.0)
    ]


def test_every_number_is_the_mean_of_its_records() -> None:
    payload = build(trials(), title="Ours")
    (table,) = payload.tables
    seen = 0
    for line in table.lines:
        for column, value in zip(table.columns, line.cells, strict=True):
            if value is None or value.value is None or line.kind != "method":
                continue
            behind = [payload.records[index] for index in value.records]
            assert {(one.method, one.fraction) for one in behind} == {(line.name, column.fraction)}
            means = [sum(one.metrics[column.metric][part] or 0.0 for one in behind) / 3 for part in range(3)]
            assert value.value == pytest.approx(means[0])
            assert value.seeds == len(behind) == 3
            if column.metric == "map":
                assert (value.low, value.high) == pytest.approx((means[1], means[2]))
                assert value.text == f"{100 * means[0]:.1f}"
            seen += 1
    assert seen == 6
    assert payload.title == "Ours"


def test_rows_columns_and_marks_are_the_leaderboards() -> None:
    (table,) = build(trials(), Specs({"toy-det": make_task()}, {"b": make_method("b", ("toy",))})).tables
    assert [(one.name, one.kind, one.rank, one.contamination) for one in table.lines] == [
        ("b@resnet50", "method", 1, "overlaps"),
        ("a@resnet50", "method", 2, "undeclared"),
        ("guess", "floor", None, ""),
    ]
    assert [(one.metric, one.fraction) for one in table.columns] == [
        ("map", 0.1),
        ("map", 1.0),
        ("loss", 1.0),
        ("old", 1.0),
    ]
    assert table.ranking == 1
    best, worse = (line.cells[1] for line in table.lines[:2])
    assert best is not None
    assert worse is not None
    assert (best.tied, worse.tied) == (True, False)
    assert worse.untested
    undefined = table.lines[0].cells[3]
    assert undefined is not None
    assert (undefined.value, undefined.text, undefined.notes) == (None, "–", ("no positive image",))
    assert table.lines[2].cells[3] is None


def test_what_records_share_stands_once_and_what_they_differ_in_is_kept() -> None:
    records = [*trials(), make_record("c", 0.5, recipe_overrides={"epochs": 9}, recipe_values={"epochs": 9})]
    payload = build(records)
    assert [one["name"] for one in payload.recipes] == ["standard", "standard[epochs=9]"]
    assert payload.versions == ({"torch": "2.11.0"},)
    assert {one.recipe for one in payload.records if one.method == "c@resnet50"} == {1}
    assert len(payload.records) == 13
    assert len(payload.tables) == 2


def test_the_order_of_the_records_does_not_matter() -> None:
    records = [*trials(), *trials()[:2]]
    data = msgspec.json.encode(build(records))
    random.Random(0).shuffle(records)
    assert msgspec.json.encode(build(records)) == data


def test_neither_replicates_nor_sample_ids_are_in_it() -> None:
    import numpy as np

    from medbench.records import Subset

    kept = {"map": np.linspace(0, 1, 1000, dtype="<f4").tobytes()}
    one = make_record(replicates=kept, samples_sha256="a" * 64, subset=Subset(1, "e" * 64, ["sample-of-a-patient"]))
    assert len(msgspec.json.encode(build([one]))) < 3000
    assert b"sample-of-a-patient" not in msgspec.json.encode(build([one]))


def test_a_number_leads_to_its_own_record_where_two_methods_share_a_key() -> None:
    records = [make_record(name, score, key="k" * 32) for name, score in (("a", 0.4), ("b", 0.6))]
    payload = build(records)
    for line in payload.tables[0].lines:
        (index,) = line.cells[0].records
        assert payload.records[index].method == line.name


def test_printed_figures_have_rows_of_their_own() -> None:
    printed = (
        ReportedResult(method="a@resnet50", metric="map", value=0.4, fraction=1.0, recipe="standard", source="P, T1"),
        ReportedResult(
            method="Theirs",
            metric="map",
            value=0.9,
            deviation=0.01,
            fraction=0.01,
            recipe="standard",
            source="Q",
            note="other split",
            comparable=False,
        ),
    )
    (table,) = build(trials(), Specs({"toy-det": make_task(reported=printed)})).tables
    shown = [one for one in table.lines if one.kind == "reported"]
    assert [(one.name, one.source, one.rank) for one in shown] == [("a@resnet50", "P, T1", None), ("Theirs", "Q", None)]
    ours, theirs = shown[0].cells[2], shown[1].cells[0]
    assert [(one.metric, one.fraction) for one in table.columns[:3]] == [("map", 0.01), ("map", 0.1), ("map", 1.0)]
    assert table.ranking == 2
    assert ours is not None
    assert (ours.text, ours.difference) == ("40.0", pytest.approx(-0.09))
    assert theirs is not None
    assert (theirs.text, theirs.deviation, theirs.notes) == ("90.0", 0.01, ("not comparable: other split",))
    assert (ours.comparable, theirs.comparable) == (True, False)
    assert all(len(one.cells) == len(table.columns) for one in table.lines)


def test_tasks_that_are_not_installed_and_other_versions_say_so() -> None:
    records = [make_record(task="gone"), make_record(task_version=1)]
    gone, aside = build(records).tables
    assert (gone.title, gone.dataset, gone.ranking, gone.set_aside) == ("gone", "toy", None, False)
    assert gone.notes[0].startswith("no installed plugin has this task")
    assert aside.set_aside
    assert aside.notes[0].startswith("of another version of the task")


def test_no_record_is_a_page_that_says_so() -> None:
    payload = build([])
    assert (payload.tables, payload.diagrams, payload.records) == ((), (), ())
    assert payload.notices == ("There is no record of these tasks in the folder.",)


def test_hostile_names_are_on_one_line_and_short_and_can_be_written() -> None:
    record = make_record(
        HOSTILE * 200,
        metrics={HOSTILE: 0.5},
        notes={HOSTILE: 1.0},
        recipe_values={HOSTILE: [HOSTILE, float("inf")]},
        dataset=HOSTILE,
    )
    payload = build([record], Specs({"toy-det": make_task(title=HOSTILE * 1000, protocol=HOSTILE)}), title=HOSTILE)
    data = msgspec.json.encode(payload).decode()
    assert not any(bad in data for bad in ("\u202e", "\\u001b", "\ud800"))
    assert len(payload.tables[0].lines[0].name) == len(payload.tables[0].title) == NAME_LENGTH
    assert payload.recipes[0]["values"] == {shown_name(HOSTILE): [shown_name(HOSTILE), None]}


def test_texts_keep_lines_and_are_cut() -> None:
    assert shown_text("one\r\ntwo\tthree\x00\u2066") == "one\ntwo three"
    assert len(shown_text("x" * 10**6)) == TEXT_LENGTH
    assert shown_text("x" * 10**6).endswith("…")
    assert shown_values({"b": 1, "a": (True, None, {"c": object})})["a"][:2] == [True, None]


def test_groups_are_those_of_the_first_seed_at_the_largest_fraction(settings: Settings) -> None:
    store = ResultStore(settings.results)
    for method, skill in (("low", 0.4), ("high", 0.8)):
        table_toys.keep(store, method, skill)
        table_toys.keep(store, method, skill, seed=1)
        table_toys.keep(store, method, 0.1, fraction=0.1)
    (table,) = report_toys.payload_of(settings, toy_task()).tables
    classes, sexes = table.groups
    assert (classes.grouping, classes.metric, classes.groups) == ("class", "mAP", table_toys.CLASSES)
    assert (sexes.grouping, set(sexes.groups)) == ("sex", {"F", "M"})
    assert classes.methods == ("high@resnet50", "low@resnet50")
    assert classes.sizes == (20, 20, 20)
    rows = [one for one in table_toys.predictions_of(0.8, 0).to_pylist() if one["source"] == "model"]
    for group, value in zip(classes.groups, classes.values[0], strict=True):
        right = [one["right"] for one in rows if one["finding"] == group]
        assert value is not None
        assert value.value == pytest.approx(sum(right) / len(right))
    assert table.examples_note == "its protocol offers no examples"


def test_only_the_foremost_methods_predictions_are_read(settings: Settings) -> None:
    store = ResultStore(settings.results)
    for index in range(10):
        table_toys.keep(store, f"m{index}", 0.05 + index / 11)
    (table,) = report_toys.payload_of(settings, toy_task()).tables
    foremost = [one.name for one in table.lines if one.kind == "method"][:8]
    assert list(table.groups[0].methods) == foremost


def test_damaged_predictions_cost_their_own_part_and_are_told_without_the_place(settings: Settings) -> None:
    store = ResultStore(settings.results)
    for method, skill in (("low", 0.4), ("high", 0.8)):
        record = table_toys.keep(store, method, skill)
    path = store.path(record.task, record.method_id, record.key).with_suffix(".parquet")
    path.write_bytes(path.read_bytes()[:50])
    (store.root / "toy-det" / "low@resnet50" / "x.json").write_text("{")
    report = report_toys.report_of(settings, toy_task())
    assert report.payload.tables[0].groups[0].methods == ("low@resnet50",)
    assert len(report.damage) == len(report.payload.problems) == 2
    assert str(settings.results) in report.damage[0]
    assert str(settings.results.parent) not in msgspec.json.encode(report.payload).decode()
    assert report.payload.problems[0].startswith("toy-det/low@resnet50/x.json is not a")


@pytest.mark.parametrize(
    ("options", "note"),
    [({"predictions": False}, "made without predictions"), ({"examples": 0}, "made without examples")],
)
def test_predictions_and_examples_can_be_left_out(settings: Settings, options: dict[str, object], note: str) -> None:
    report_toys.keep(ResultStore(settings.results), "a", 0.5)
    (table,) = report_toys.payload_of(settings, **options).tables
    assert (table.examples, table.examples_note) == ((), note)


def test_records_without_predictions_are_no_problem(settings: Settings) -> None:
    ResultStore(settings.results).write_record(make_record())
    (table,) = report_toys.payload_of(settings).tables
    assert table.examples_note == "no predictions are kept here"


def test_a_protocol_that_cannot_be_loaded_is_told(settings: Settings) -> None:
    report_toys.keep(ResultStore(settings.results), "a", 0.5)
    report = report_toys.report_of(settings, toy_task(loader="no_such_module:PROTOCOL"))
    assert _first(report.payload).examples_note == "its protocol cannot be loaded"
    assert "cannot import no_such_module" in report.damage[0]
    assert report.payload.problems[0] == "the predictions on toy-det cannot be analysed: ModuleNotFoundError"


def _first(payload: Payload) -> TableView:
    return payload.tables[0]
