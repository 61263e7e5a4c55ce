"""The metrics of written reports from their table alone: text, findings, distinct reports, groups, replicates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from generation_toys import TASK, TOY, TinyWriter, context_of, said_of, studies
from numpy.typing import NDArray

from medbench.errors import MissingDataError, TrialError, UnknownNameError, UsageError
from medbench.statistics import REPLICATES
from medbench_tasks.generation.floors import most_frequent
from medbench_tasks.generation.metrics import score_reports
from medbench_tasks.generation.predictions import SCHEMA, Writing, prediction_tables
from medbench_tasks.generation.protocol import PROTOCOL
from medbench_tasks.generation.readers import Readers
from medbench_tasks.generation.recipe import GenerationRecipe
from medbench_tasks.generation.studies import read_studies
from medbench_tasks.texts import finding_models
from medbench_tasks.texts.finding_phrases import OBSERVATIONS
from medbench_tasks.texts.measures import TextMeasures

RULES = replace(TOY, labeller="rules")
REPORTS = [said_of(facts) for facts in np.ndindex(2, 2, 2)] * 4


def table_of(folder: Path, written: list[str], recipe: GenerationRecipe = RULES) -> pa.Table:
    part = read_studies(studies(folder, len(written), reports=REPORTS[: len(written)]), "test", recipe)
    return prediction_tables(part, {"": Writing.of_method(written, recipe)}, recipe, Readers.of(recipe))[""]


def test_perfect_reports_have_perfect_scores_and_shuffled_ones_do_not(tmp_path: Path) -> None:
    perfect = PROTOCOL.score(TASK, RULES, table_of(tmp_path / "a", REPORTS))
    shuffled = PROTOCOL.score(TASK, RULES, table_of(tmp_path / "b", REPORTS[3:] + REPORTS[:3]))
    assert perfect["cider"].value == pytest.approx(10)
    for name in (TASK.ranking_metric.name, "bleu-1", "bleu-4", "rouge-l", "ce-micro-f1", "ce-micro-f1-5"):
        assert perfect[name].value == pytest.approx(1), name
        assert shuffled[name].value < 1, name
        assert shuffled[name].low <= shuffled[name].value <= shuffled[name].high, name
    assert perfect["distinct-share"].value == 8 / 32
    assert perfect["distinct-share"].low is None


def test_the_scores_are_those_of_the_text_measures(tmp_path: Path) -> None:
    table = table_of(tmp_path, REPORTS[5:] + REPORTS[:5])
    columns = (table.column(name).to_pylist() for name in ("reference", "hypothesis"))
    references, hypotheses = columns
    wanted = TextMeasures.of([[one] for one in references], hypotheses).values()
    found = PROTOCOL.score(TASK, RULES, table)
    for name, value in wanted.items():
        assert found[name].value == pytest.approx(value, rel=1e-12)


def test_replicates_are_of_the_same_draws_whatever_was_written(tmp_path: Path) -> None:
    one, two = (
        PROTOCOL.replicates(TASK, RULES, table_of(tmp_path / name, reports))
        for name, reports in (("a", REPORTS), ("b", REPORTS[1:] + REPORTS[:1]))
    )
    assert {values.shape for values in one.values()} == {(REPLICATES,)}
    assert np.isnan(one["distinct-share"]).all()
    assert (two["cider"] < one["cider"]).all()


def test_an_empty_report_and_a_very_long_one_are_scored(tmp_path: Path) -> None:
    nothing = PROTOCOL.score(TASK, RULES, table_of(tmp_path / "a", [""] * 32))
    assert nothing["bleu-4"].value == pytest.approx(0, abs=1e-6)
    assert nothing["cider"].value == 0
    assert nothing["ce-micro-f1"].value == 0
    endless = PROTOCOL.score(TASK, RULES, table_of(tmp_path / "b", [" ".join(["clear"] * 5000)] * 32))
    assert 0 <= endless["rouge-l"].value < 0.1


def test_groups_are_by_sex_age_and_view_and_small_ones_say_so(tmp_path: Path) -> None:
    table = table_of(tmp_path, REPORTS[3:] + REPORTS[:3])
    found = PROTOCOL.groups(TASK, RULES, table)
    values = {(one.grouping, one.group): one.value for one in found if one.metric == "cider"}
    assert set(values) == {
        ("sex", "F"), ("sex", "M"), ("age", "<40"), ("age", "40-59"), ("age", "60-79"), ("view", "PA"),
    }  # fmt: skip
    both = np.mean([values["sex", "F"].value, values["sex", "M"].value])
    assert values["view", "PA"].value == pytest.approx(both), "document frequencies are those of the whole set"
    f1 = {one.group: one.value for one in found if one.grouping == "class"}
    assert list(f1) == list(OBSERVATIONS)
    there = [one.value for one in f1.values() if one.value is not None]
    assert len(there) == 4, "no finding, and the three that the reports tell of"
    assert PROTOCOL.score(TASK, RULES, table)["ce-macro-f1"].value == pytest.approx(np.mean(there))
    assert f1["Fracture"].note == "no true report has it"
    few = PROTOCOL.groups(TASK, RULES, table_of(tmp_path / "few", REPORTS[:12]))
    assert {one.value.note for one in few if one.grouping == "sex"} == {"fewer than 10 samples"}


def test_an_uncertain_finding_counts_as_the_recipe_says(tmp_path: Path) -> None:
    reports = ["Possible pneumonia."] * 16 + ["No pneumonia."] * 16
    part = read_studies(studies(tmp_path, 32, reports=reports), "test", RULES)
    writing = Writing.of_method(["There is pneumonia."] * 32, RULES)
    doubted = prediction_tables(part, {"": writing}, RULES, Readers.of(RULES))[""]
    present = PROTOCOL.score(TASK, RULES, doubted)["ce-micro-precision"].value
    absent = PROTOCOL.score(TASK, replace(RULES, uncertain="absent"), doubted)["ce-micro-precision"].value
    assert present == pytest.approx(0.5)
    assert absent == 0


def test_what_was_not_asked_for_is_undefined_and_says_why(tmp_path: Path) -> None:
    table = table_of(tmp_path, REPORTS, TOY)
    found = score_reports(table, ["meteor", "ce-micro-f1", "radgraph-f1"], TOY)
    assert {value.value for value in found.values()} == {None}
    assert "medbench[meteor]" in found["meteor"].note
    assert "labeller is none" in found["ce-micro-f1"].note
    assert "radgraph" in found["radgraph-f1"].note


class FakeReader:
    """Stands for CheXbert and for RadGraph: all present, and a score that rises from pair to pair."""

    version = "fake 1"

    def __init__(self, device: str = "cpu", cuda: int = -1) -> None:
        assert (device, cuda) == ("cpu", -1)

    def label(self, reports: list[str]) -> NDArray[np.int8]:
        return np.ones((len(reports), 14), np.int8)

    def scores(self, references: list[str], hypotheses: list[str]) -> NDArray[np.float64]:
        assert len(references) == len(hypotheses)
        return np.linspace(0, 1, len(references))


def test_chexbert_and_radgraph_read_where_the_recipe_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding_models, "CheXbert", FakeReader)
    monkeypatch.setattr(finding_models, "RadGraphF1", FakeReader)
    recipe = replace(TOY, labeller="chexbert", radgraph=True)
    table = table_of(tmp_path, REPORTS, recipe)
    assert {*table.column("labeller").to_pylist(), *table.column("grapher").to_pylist()} == {"fake 1"}
    values = PROTOCOL.score(TASK, recipe, table)
    assert (values["ce-macro-f1"].value, values["ce-macro-f1"].note) == (1, "by fake 1")
    assert values["radgraph-f1"].value == pytest.approx(0.5)
    assert values["radgraph-f1"].low < 0.5 < values["radgraph-f1"].high


def test_an_absent_reader_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding_models, "find_spec", lambda name: None)
    for recipe in (replace(TOY, labeller="chexbert"), replace(TOY, radgraph=True)):
        model = TinyWriter()
        with pytest.raises(UsageError, match=r"medbench\["):
            PROTOCOL.run(context_of(tmp_path / recipe.labeller, recipe, model=model))
        assert model.asked == []


def test_an_unknown_metric_and_an_empty_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'bleu-4'"):
        score_reports(table_of(tmp_path, REPORTS), ["bleu4"], RULES)
    with pytest.raises(TrialError, match="no prediction"):
        PROTOCOL.score(TASK, RULES, SCHEMA.empty_table())


def test_the_most_frequent_reference_is_found_where_it_stands_first(tmp_path: Path) -> None:
    reports = ["Heart is big.", "Lungs are clear!", "LUNGS are clear.", "No effusion."]
    train = read_studies(studies(tmp_path, 4, reports=reports), "train", TOY)
    assert most_frequent(train) == 1
    assert most_frequent(train.take([3, 0])) == 1, "of equally frequent ones the first in the alphabet"


def test_sections_words_and_cleaning_are_the_recipes(tmp_path: Path) -> None:
    details = [{"findings": "1. Heart is big.", "impression": ""}, {"findings": "", "impression": "All normal."}]
    manifest = studies(tmp_path, 2, reports=["Heart IS big.", "b"], details=details)
    whole = read_studies(manifest, "test", TOY)
    assert whole.references == ["heart is big .", "b ."]
    assert whole.reports == ["Heart IS big.", "b"]
    findings = read_studies(manifest, "test", replace(TOY, section="findings", cleaning="motor", max_words=3))
    assert (findings.references, findings.without_report) == (["1 heart is"], 1)
    with pytest.raises(MissingDataError, match="test part has an image and a report to compare"):
        read_studies(manifest.take([0]), "test", replace(TOY, section="impression"))
