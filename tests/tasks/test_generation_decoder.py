"""Report generation by the standard decoder: it learns what images show, repeats, survives a kill, reads every view."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from generation_toys import TOY, TinyMaps, context_of, studies

from medbench.errors import MissingDataError, UsageError
from medbench.protocols import TrialOutcome
from medbench_tasks.generation import validation
from medbench_tasks.generation.decoder import ReportDecoder
from medbench_tasks.generation.inputs import PatchStudies
from medbench_tasks.generation.protocol import PROTOCOL
from medbench_tasks.generation.recipe import QUICK_GENERATION
from medbench_tasks.generation.studies import read_studies
from medbench_tasks.generation.vocabulary import END, PAD, START, Vocabulary
from medbench_tasks.patches import patches
from medbench_tasks.texts.measures import TextMeasures
from medbench_tasks.training import seed_everything

SHORT = replace(TOY, epochs=4, validate_every=1, patience=4, neighbour=False)


def written(outcome: TrialOutcome) -> list[str]:
    return outcome.predictions.column("written").to_pylist()


def test_a_decoder_learns_to_write_what_the_images_show(tmp_path: Path) -> None:
    context = context_of(tmp_path, replace(TOY, labeller="rules"))
    outcome = PROTOCOL.run(context)
    metrics = PROTOCOL.score(context.task, context.recipe, outcome.predictions)
    floors = {name: PROTOCOL.score(context.task, context.recipe, table) for name, table in outcome.floors.items()}
    for name in ("cider", "bleu-4", "rouge-l", "ce-micro-f1"):
        low, floor = metrics[name].low, floors["most-frequent"][name].value
        assert low is not None
        assert floor is not None
        assert low > floor, name
    assert floors["most-frequent"]["distinct-share"].value == 1 / 16
    nearest = floors["nearest-neighbour of test@one"]["cider"].value
    assert nearest is not None
    assert 3 < nearest < 10, "the first view tells two of the three facts"
    assert set(outcome.predictions.column("labeller").to_pylist()) == {"medbench-rules 2"}
    assert outcome.notes["train_studies"] == 48
    assert outcome.notes["best_epoch"] == 25, "of equal epochs the latest"


def test_the_same_seed_writes_the_same_and_another_does_not(tmp_path: Path) -> None:
    seeds = {"a": 3, "b": 3, "c": 4}
    runs = [written(PROTOCOL.run(context_of(tmp_path / name, SHORT, seed=seed))) for name, seed in seeds.items()]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


class KilledError(RuntimeError):
    """Stands for a kill in the middle of a training."""


def test_a_killed_training_goes_on_to_the_same_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = PROTOCOL.run(context_of(tmp_path / "whole", SHORT))
    monkeypatch.setattr("medbench_tasks.training.fit.__kwdefaults__", {"launcher": "none", "save_seconds": 0.0})
    calls = []

    class Killing:
        @staticmethod
        def of(*args: object) -> TextMeasures:
            calls.append(args)
            if len(calls) == 3:
                raise KilledError
            return TextMeasures.of(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(validation, "TextMeasures", Killing)
    with pytest.raises(KilledError):
        PROTOCOL.run(context_of(tmp_path / "killed", SHORT))
    resumed = PROTOCOL.run(context_of(tmp_path / "killed", SHORT))
    assert len(calls) == 3 + 2, "two epochs were left to do"
    assert written(resumed) == written(whole)
    assert resumed.notes["best_epoch"] == whole.notes["best_epoch"]


def test_an_image_is_encoded_once_and_a_missing_view_is_the_last_one_again(tmp_path: Path) -> None:
    model = TinyMaps()
    context = context_of(tmp_path, model=model, test=studies(tmp_path / "test", 6, seed=4, single=(1, 4)))
    test = read_studies(context.test, "test", TOY)
    found = PatchStudies.of(test, context, views=3, grid=4)
    assert model.encoded == 6 + 4
    assert found.shape == (16, 4)
    for index in range(6):
        item = found[index]
        views, single = item["inputs"], index in (1, 4)
        assert views.shape == (3, 16, 4)
        assert torch.equal(views[0], views[1]) == single
        assert torch.equal(views[1], views[2])
        assert item["data_samples"] == test.references[index]
    PatchStudies.of(test, context, views=1, grid=4)
    assert model.encoded == 6 + 4


def test_a_map_is_averaged_to_the_grid_and_never_stretched() -> None:
    features = torch.arange(2 * 3 * 14 * 14, dtype=torch.float32).reshape(2, 3, 14, 14)
    coarse = patches(features.half(), 7)
    assert coarse.dtype == torch.float32
    assert coarse.shape == (2, 49, 3)
    torch.testing.assert_close(coarse[1, 8, 2], features[1, 2, 2:4, 2:4].mean())
    assert torch.equal(patches(features, 20), features.flatten(2).transpose(1, 2))


def test_studies_without_report_or_image_are_left_out_and_counted(tmp_path: Path) -> None:
    reports = ["", " . ", "Heart is normal."] * 4
    context = context_of(tmp_path, SHORT, test=studies(tmp_path / "test", 12, seed=4, reports=reports))
    outcome = PROTOCOL.run(context)
    assert outcome.predictions.num_rows == 4
    assert (outcome.notes["test_studies"], outcome.notes["test_without_report"]) == (4, 8)
    empty = studies(tmp_path / "none", 3, seed=5, reports=["", "", ""])
    with pytest.raises(MissingDataError, match="test part has an image and a report to compare"):
        PROTOCOL.run(context_of(tmp_path, SHORT, test=empty))


def test_very_long_reports_and_other_languages_are_learnt_and_scored(tmp_path: Path) -> None:
    odd = ["Lungs are clear. " * 1667, "心脏正常。肺部清晰。", "Le cœur est normal.", "a report that says [END] here"]
    train = studies(tmp_path / "train", 8, seed=1, reports=odd * 2)
    test = studies(tmp_path / "test", 4, seed=4, reports=odd)
    context = context_of(tmp_path, replace(SHORT, epochs=2), train=train, test=test)
    outcome = PROTOCOL.run(context)
    metrics = PROTOCOL.score(context.task, context.recipe, outcome.predictions)
    assert len(outcome.predictions.column("reference")[0].as_py().split()) == 1667 * len(["lungs", "are", "clear"])
    assert all(np.isfinite(metrics[name].value) for name in ("cider", "bleu-4", "rouge-l"))


def test_a_vocabulary_gives_every_text_back_and_does_not_depend_on_order() -> None:
    reports = ["the heart is normal .", "lungs are clear .", "心脏正常 。"] * 5
    vocabulary = Vocabulary(reports, size=400, min_frequency=3)
    ids = vocabulary.encode([*reports[:3], "unseen œuvre", "[END]"], 90)
    assert vocabulary.decode(ids) == [*reports[:3], "unseen œuvre", "[END]"]
    assert (ids[:, 0] == START).all()
    assert ((ids == END).sum(1) == 1).all()
    assert torch.equal(
        Vocabulary(reports[::-1], size=400, min_frequency=3).encode(reports, 90),
        ids.new_tensor(vocabulary.encode(reports, 90).tolist()),
    )
    cut = vocabulary.encode(["the heart is normal ."], 3)
    assert cut.shape == (1, 3)
    assert END not in cut, "a report that is cut has no end to learn"


def test_padding_moves_neither_the_loss_nor_what_is_written() -> None:
    reports = ["the heart is normal .", "lungs"]
    vocabulary = Vocabulary(reports * 3, size=300, min_frequency=3)
    seed_everything(0)
    model = ReportDecoder(TOY, vocabulary, (16, 4)).eval()
    features = torch.randn(2, 2, 16, 4)
    with torch.no_grad():
        for weight in model.writer.parameters():
            weight.mul_(10 if weight.ndim > 1 else 1)  # as drawn it writes one piece over and over
        both = model(features, reports)
        alone = model(features[1:], reports[1:])
        torch.testing.assert_close(both[1:, : alone.shape[1]], alone)
        single = [model(features[row : row + 1], [""], mode="predict")[0] for row in range(2)]
        assert model(features, ["", ""], mode="predict") == single
        model.beams = 3
        wide = [model(features[row : row + 1], [""], mode="predict")[0] for row in range(2)]
        assert model(features, reports, mode="predict") == wide != single, "a wider beam finds other reports"
    ids = vocabulary.encode(reports, 90)
    assert PAD in ids


def test_recipes_refuse_what_makes_no_sense() -> None:
    for wrong in (
        {"width": 30, "heads": 4},
        {"min_length": 90},
        {"dropout": 1.0},
        {"image_size": 128},
        {"augment": True},
        {"cleaning": "ptb"},
        {"train": True},
        {"train": True, "freeze_encoder": False, "writer": "decoder"},
        {"max_words": 0},
    ):
        with pytest.raises(UsageError, match="recipe field"):
            replace(QUICK_GENERATION, **wrong)
