"""Methods that write reports themselves: as they stand, and fine-tuned as MOTOR is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from generation_toys import SIDE, TOY, LearningWriter, TinyMaps, TinyWriter, context_of, studies

from medbench import manifest as manifests
from medbench.errors import TrialError, UsageError
from medbench.images import ImageError
from medbench_tasks.generation.inputs import ImageStudies, cropped, scaled
from medbench_tasks.generation.protocol import PROTOCOL
from medbench_tasks.generation.recipe import MOTOR_GENERATION
from medbench_tasks.generation.studies import read_studies, spread
from medbench_tasks.generation.validation import ReportScores

MOTOR = replace(MOTOR_GENERATION, epochs=3, batch_size=8, lr=0.02, labeller="none", neighbour=False)


def test_a_method_writes_from_all_views_without_being_trained(tmp_path: Path) -> None:
    model = TinyWriter()
    context = context_of(tmp_path, replace(TOY, batch_size=4, beams=2, min_length=1, max_length=7), model=model)
    outcome = PROTOCOL.run(context)
    assert model.asked == [(4, 2, 3, SIDE, SIDE)] * 4
    assert model.lengths == {(2, 1, 7)}
    assert "epochs" not in outcome.notes
    assert set(outcome.floors) == {"most-frequent", "nearest-neighbour by pixels"}, "nothing encodes images"
    assert outcome.predictions.column("hypothesis")[0].as_py().startswith("view ")


def test_a_study_with_fewer_views_repeats_its_last_one(tmp_path: Path) -> None:
    test = studies(tmp_path / "test", 5, seed=4, single=(0, 3))
    context = context_of(tmp_path, replace(TOY, batch_size=2), model=TinyWriter(views=3), test=test)
    reports = [report.split() for report in PROTOCOL.run(context).predictions.column("written").to_pylist()]
    for index, (_, first, _, second, _, third) in enumerate(reports):
        assert second == third
        assert (first == second) == (index in (0, 3))


def test_what_was_written_before_a_kill_or_a_bad_image_is_kept(tmp_path: Path) -> None:
    recipe = replace(TOY, batch_size=4, neighbour=False)
    test = studies(tmp_path / "test", 12, seed=4)
    bad = tmp_path / "test" / "4-9-1.png"
    good = bad.read_bytes()
    bad.write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"4-9-1\.png"):
        PROTOCOL.run(context_of(tmp_path, recipe, model=TinyWriter(), test=test))
    (kept,) = (tmp_path / "work").glob("written-*.jsonl")
    before = [json.loads(line) for line in kept.read_text().splitlines()]
    assert before, "the batches before the bad image"
    kept.write_text(kept.read_text() + '{"4-9": "cut sho')
    bad.write_bytes(good)
    again = TinyWriter()
    context = context_of(tmp_path, recipe, model=again, test=test)
    resumed = PROTOCOL.run(context)
    assert sum(asked[0] for asked in again.asked) == 12 - len(before)
    assert context.progress.steps["evaluate"] == 12
    whole = PROTOCOL.run(context_of(tmp_path / "whole", recipe, model=TinyWriter(), test=test))
    assert resumed.predictions.equals(whole.predictions)
    assert sum(line.endswith("}") for line in kept.read_text().splitlines()) == 12


def test_another_number_of_reports_than_studies_is_refused(tmp_path: Path) -> None:
    class Lazy(TinyWriter):
        def generate(self, images: torch.Tensor, *, beams: int, min_length: int, max_length: int) -> list[str]:
            return super().generate(images, beams=beams, min_length=min_length, max_length=max_length)[1:]

    with pytest.raises(TrialError, match="writes 15 reports for 16 studies"):
        PROTOCOL.run(context_of(tmp_path, replace(TOY, batch_size=16), model=Lazy()))


def test_motors_recipe_fine_tunes_the_net_and_leaves_the_method_alone(tmp_path: Path) -> None:
    model = LearningWriter()
    context = context_of(tmp_path, MOTOR, model=model)
    outcome = PROTOCOL.run(context)
    assert float(model.bright.detach().abs().max()) == 0
    assert outcome.notes["epochs"] == 3
    plain = PROTOCOL.run(context_of(tmp_path / "plain", replace(TOY, neighbour=False), model=LearningWriter()))
    for tuned, untuned in zip(outcome.predictions.to_pylist(), plain.predictions.to_pylist(), strict=True):
        rise = float(tuned["written"].split()[1]) - float(untuned["written"].split()[1])
        assert 0.2 < rise < 1, "three epochs bring it nearer to 1"
    references = outcome.predictions.column("reference").to_pylist()
    assert not any("." in reference for reference in references), "cleaned as MOTOR does"
    assert "." in outcome.predictions.column("hypothesis")[0].as_py(), "what is written is not"
    floor = outcome.floors["most-frequent"]
    assert not any("." in hypothesis for hypothesis in floor.column("hypothesis").to_pylist()), "a floor is a reference"
    assert all("." in report for report in floor.column("written").to_pylist()), "kept as it stands"


def test_of_equally_good_epochs_the_latest_is_kept_and_a_better_one_whenever(tmp_path: Path) -> None:
    outcome = PROTOCOL.run(context_of(tmp_path, MOTOR, model=LearningWriter()))
    assert outcome.notes["best_epoch"] == 3, "nothing that it writes matches, so that all are equal"
    batch = {"data_samples": ["the heart is normal in size and shape", "no effusion is seen on either side"]}
    worse = ["the heart is normal in size and form", batch["data_samples"][1]]

    def told(written: list[str], epoch: int) -> float:
        scores = ReportScores(MOTOR, lambda: epoch)
        scores.process(batch, written)
        return scores.compute_metrics(scores.results)["bleu-4"]

    assert told(worse, 1) < told(worse, 2) < told(worse, 1000) < told(batch["data_samples"], 1)


def test_a_method_that_cannot_be_fine_tuned_or_writes_nothing_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be fine-tuned on reports"):
        PROTOCOL.run(context_of(tmp_path / "a", MOTOR, model=TinyWriter()))
    with pytest.raises(UsageError, match="writes no reports"):
        PROTOCOL.run(context_of(tmp_path / "b", MOTOR, model=TinyMaps()))
    with pytest.raises(UsageError, match="no feature maps"):
        PROTOCOL.run(context_of(tmp_path / "c", replace(TOY, writer="decoder"), model=TinyWriter()))


def test_training_images_are_cropped_anew_in_every_epoch_and_alike_in_every_run(tmp_path: Path) -> None:
    train = read_studies(studies(tmp_path / "train", 4, single=(2,)), "train", MOTOR)
    frame, context = TinyWriter.preprocess, context_of(tmp_path, MOTOR)
    one, two = (ImageStudies.prepare(train, "train", frame, context, views=2, augment_seed=5) for _ in range(2))
    plain = ImageStudies.prepare(train, "valid", frame, context, views=2)
    assert one[0]["inputs"].shape == (2, SIDE, SIDE)
    assert all(torch.equal(one[index]["inputs"], two[index]["inputs"]) for index in range(4))
    assert torch.equal(plain[2]["inputs"][0], plain[2]["inputs"][1])
    seen = set()
    for epoch in range(8):
        one.set_epoch(epoch)
        seen.add(one[0]["inputs"].numpy().tobytes())
    assert len(seen) > 1


def test_each_picture_is_decoded_once_whatever_its_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = read_studies(studies(tmp_path / "train", 3, single=(2,)), "train", MOTOR)
    wide = np.arange(20 * 50, dtype=np.uint8).reshape(20, 50)
    cv2.imwrite(str(tmp_path / "train" / "0-1-1.png"), wide)
    context = context_of(tmp_path, MOTOR)
    first = ImageStudies.prepare(train, "train", TinyWriter.preprocess, context, views=2, augment_seed=5)
    assert context.progress.steps["prepare"] == 5, "the view that stands for a missing one is not decoded again"
    monkeypatch.setattr(manifests, "read_region", None)
    again = ImageStudies.prepare(train, "train", TinyWriter.preprocess, context, views=2, augment_seed=5)
    assert torch.equal(first[1]["inputs"], again[1]["inputs"])
    expected = cropped(scaled(wide, SIDE), SIDE, (5, 0, 1, 1))
    assert torch.equal(again[1]["inputs"][1], expected)


def test_an_image_that_cannot_be_read_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    train = read_studies(studies(tmp_path / "train", 2), "train", MOTOR)
    (tmp_path / "train" / "0-1-0.png").write_bytes(b"no image")
    context = context_of(tmp_path, MOTOR)
    with pytest.raises(ImageError, match=r"0-1-0\.png"):
        ImageStudies.prepare(train, "train", TinyWriter.preprocess, context, views=2)
    assert list(context.work_dir.iterdir()) == []


def test_a_crop_is_a_square_of_the_image_scaled_by_its_shorter_side() -> None:
    wide = torch.arange(40, dtype=torch.uint8).repeat(20, 1)
    cuts = [cropped(scaled(wide.numpy(), 20), 20, (0, 0, index, 0)) for index in range(30)]
    assert {tuple(cut.shape) for cut in cuts} == {(20, 20)}
    mirrored = [bool(cut[0, 0] > cut[0, -1]) for cut in cuts]
    assert 5 < sum(mirrored) < 25
    starts = {int(cut[0].min()) for cut in cuts}
    assert len(starts) > 5
    colour = scaled(wide.numpy()[..., None].repeat(3, 2), 10)
    assert colour.shape == (10, 20, 3)
    assert cropped(colour, 10, (0,)).shape == (10, 10, 3)
    assert scaled(np.zeros((3, 9000), np.uint8), 6).shape == (6, 24), "of a strip the middle"


def test_validation_studies_are_spread_evenly(tmp_path: Path) -> None:
    train = read_studies(studies(tmp_path / "train", 9), "train", TOY)
    assert spread(train, 3).manifest.sample_ids == ["0-0", "0-3", "0-6"]
    assert len(spread(train, 0)) == len(spread(train, 20)) == 9
