"""The form in which written and true reports are read and compared, and what a table keeps so that scores need nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from generation_toys import TASK, TOY, LearningWriter, TinyWriter, context_of, said_of, studies

from medbench.specs import MetricSpec
from medbench_tasks.generation.floors import EVERY_FINDING
from medbench_tasks.generation.metrics import score_reports
from medbench_tasks.generation.predictions import Writing, prediction_tables
from medbench_tasks.generation.protocol import PROTOCOL
from medbench_tasks.generation.readers import Readers
from medbench_tasks.generation.recipe import MOTOR_GENERATION, GenerationRecipe
from medbench_tasks.generation.studies import read_studies
from medbench_tasks.texts import meteor
from medbench_tasks.texts.assertion import State
from medbench_tasks.texts.finding_phrases import OBSERVATIONS
from medbench_tasks.texts.findings import FindingLabeller, states_of

RULES = replace(TOY, labeller="rules")
MOTOR = replace(MOTOR_GENERATION, epochs=1, batch_size=8, neighbour=False)
REPORTS = [said_of(facts) for facts in np.ndindex(2, 2, 2)] * 4
NO_STOPS = "No pneumothorax. There is atelectasis."
"""Without its stop the negation reaches the second finding too."""


def table_of(
    folder: Path, reports: list[str], writing: list[str], recipe: GenerationRecipe, *, floor: bool = False
) -> pa.Table:
    part = read_studies(studies(folder, len(reports), reports=reports), "test", recipe)
    given = (Writing.of_floor if floor else Writing.of_method)(writing, recipe)
    return prediction_tables(part, {"": given}, recipe, Readers.of(recipe))[""]


@pytest.mark.parametrize("recipe", [RULES, MOTOR, replace(MOTOR, max_words=3), replace(RULES, cleaning="none")])
@pytest.mark.parametrize("floor", [False, True])
def test_the_same_report_has_the_same_findings_on_both_sides(
    tmp_path: Path, recipe: GenerationRecipe, floor: bool
) -> None:
    reports = [NO_STOPS, "Heart is enlarged. No effusion. There is a rib fracture.", *REPORTS[:8]]
    table = table_of(tmp_path, reports, reports, recipe, floor=floor)
    assert table.column("truth").equals(table.column("predicted"))
    assert PROTOCOL.score(TASK, recipe, table)["ce-macro-f1"].value == 1


def test_findings_are_read_in_the_form_that_the_recipe_leaves(tmp_path: Path) -> None:
    atelectasis = OBSERVATIONS.index("Atelectasis")

    def read(recipe: GenerationRecipe) -> list[int]:
        table = table_of(tmp_path / f"{recipe.cleaning}{recipe.max_words}", [NO_STOPS], [NO_STOPS], recipe)
        return [table.column(side)[0].as_py()[atelectasis] for side in ("truth", "predicted")]

    assert read(RULES) == [State.PRESENT] * 2, "dropping stops before n-grams does not drop them here"
    assert read(replace(MOTOR, max_words=3)) == [State.UNMENTIONED] * 2
    assert read(replace(RULES, max_words=3)) == [State.UNMENTIONED] * 2


def test_stops_are_no_words_to_compare_unless_the_recipe_says_so(tmp_path: Path) -> None:
    bare = [report.replace(".", "") for report in REPORTS]
    free = table_of(tmp_path / "a", REPORTS, bare, RULES)
    assert not any("." in text for name in ("reference", "hypothesis") for text in free.column(name).to_pylist())
    assert PROTOCOL.score(TASK, RULES, free)["bleu-4"].value == pytest.approx(1)
    strict = replace(RULES, stops=True)
    counted = table_of(tmp_path / "b", REPORTS, bare, strict)
    assert counted.column("reference")[0].as_py().endswith(" .")
    assert PROTOCOL.score(TASK, strict, counted)["bleu-4"].value < 0.8


def test_a_report_of_stops_alone_is_none(tmp_path: Path) -> None:
    part = read_studies(studies(tmp_path, 3, reports=[" . .", "Clear.", ""]), "test", replace(TOY, cleaning="none"))
    assert (part.reports, part.without_report) == (["Clear."], 2)


def test_findings_of_older_rules_are_read_again_and_those_of_a_model_are_not(tmp_path: Path) -> None:
    table = table_of(tmp_path, REPORTS, REPORTS[3:] + REPORTS[:3], RULES)
    wanted = PROTOCOL.score(TASK, RULES, table)
    assert wanted["ce-macro-f1"].note.startswith(f"by {FindingLabeller().version}; without ")
    wrong = pa.array([[1] * 14] * len(REPORTS), pa.list_(pa.int8()))
    older = _with(table, "predicted", wrong)
    older = _with(older, "labeller", pa.array(["medbench-rules 0"] * len(REPORTS)))
    assert PROTOCOL.score(TASK, RULES, older) == wanted
    assert PROTOCOL.replicates(TASK, RULES, older)["ce-macro-f1"].tolist() == pytest.approx(
        PROTOCOL.replicates(TASK, RULES, table)["ce-macro-f1"].tolist()
    )
    kept = PROTOCOL.score(TASK, replace(RULES, labeller="chexbert"), older)["ce-micro-recall"]
    assert (kept.value, kept.note) == (1, "by medbench-rules 0")


def test_a_floor_names_every_finding_and_a_neighbour_its_encoder(tmp_path: Path) -> None:
    outcome = PROTOCOL.run(context_of(tmp_path, RULES, model=TinyWriter()))
    assert set(outcome.floors) == {"most-frequent", "every-finding", "nearest-neighbour by pixels"}
    for cleaning in ("r2gen", "motor", "none"):
        recipe = replace(RULES, cleaning=cleaning)
        (read,) = Writing.of_floor([EVERY_FINDING], recipe).read
        told = dict(zip(OBSERVATIONS, states_of(read), strict=True))
        assert told.pop("No Finding") is State.ABSENT
        assert set(told.values()) == {State.PRESENT}


def test_motors_recipe_compares_as_released_and_reads_findings_alike(tmp_path: Path) -> None:
    outcome = PROTOCOL.run(context_of(tmp_path, MOTOR, model=LearningWriter()))
    assert "." in outcome.predictions.column("hypothesis")[0].as_py(), "as it is decoded"
    floor = outcome.floors["most-frequent"]
    commonest = floor.column("hypothesis")[0].as_py()
    same = [row for row, one in enumerate(floor.column("reference").to_pylist()) if one == commonest]
    assert same
    assert all(floor.column("truth")[row].equals(floor.column("predicted")[row]) for row in same)


def test_meteor_is_asked_once_for_all_and_scored_from_the_table_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = replace(TASK, metrics=(*TASK.metrics, MetricSpec(name="meteor", title="METEOR")))
    asked: list[int] = []

    def jar(lines: list[str]) -> list[str]:
        asked.append(len(lines))
        return [" ".join(["4", "4", "0", "0", "2", "2", *["0"] * 14, "1", "2", "2"]) for _ in lines]

    monkeypatch.setattr(meteor, "missing", lambda: "")
    monkeypatch.setattr(meteor, "ask", jar)
    outcome = PROTOCOL.run(replace(context_of(tmp_path / "a", RULES, model=TinyWriter()), task=task))
    assert asked == [16 * 4], "what is written and three floors"
    monkeypatch.setattr(meteor, "missing", lambda: "METEOR needs Java")
    for table in (outcome.predictions, *outcome.floors.values()):
        value = PROTOCOL.score(task, RULES, table)["meteor"]
        assert 0 < value.value < 1
        assert value.note == meteor.VERSION
    assert asked == [16 * 4]
    without = PROTOCOL.run(replace(context_of(tmp_path / "b", RULES, model=TinyWriter()), task=task))
    assert without.predictions.column("meteor").null_count == 16
    unknown = score_reports(without.predictions, ["meteor"], RULES)["meteor"]
    assert (unknown.value, "METEOR cannot be computed" in unknown.note) == (None, True)


def _with(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), table.schema.field(name), values)
