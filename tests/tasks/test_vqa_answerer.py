"""Methods that answer questions themselves: what they are offered, what is kept of their answers, what is decoded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from vqa_toys import FUSION, WHAT, TinyAnswerer, blob_sample, context_of, draw_blob, manifest_of

from medbench import manifest
from medbench.errors import StoreError, TrialError
from medbench.images import read_region
from medbench_tasks.vqa.protocol import PROTOCOL

if TYPE_CHECKING:
    from pathlib import Path

BRIEF = replace(FUSION, epochs=1, question_only=False)


def test_an_answer_that_was_not_offered_is_an_error_of_the_method(tmp_path: Path) -> None:
    class Stubborn(TinyAnswerer):
        def answer(self, images, questions, answers=None):  # type: ignore[no-untyped-def]
            return ["purple"] * len(questions)

    with pytest.raises(TrialError, match="'purple', which is not among the answers"):
        PROTOCOL.run(context_of(tmp_path, BRIEF, model=Stubborn()))


def test_a_method_is_offered_the_datasets_own_wording_and_compared_as_spelt(tmp_path: Path) -> None:
    class Precise(TinyAnswerer):
        def answer(self, images, questions, answers=None):  # type: ignore[no-untyped-def]
            self.offered.append(answers)
            return ["right lung, UPPER left." for _ in questions]

    folder, model = tmp_path / "images", Precise()
    names = ("Right Lung, Upper Left", "Right Lung,Upper Left", "Right Lung, Upper Left", "Brain  Edema")
    for number in range(4):
        draw_blob(folder / f"{number}.png", "red", left=True)
    train = manifest_of(folder, [blob_sample(folder, str(n), WHAT, (one,)) for n, one in enumerate(names)])
    context = context_of(tmp_path, BRIEF, model=model, train=train, test=train)
    outcome = PROTOCOL.run(context)
    assert model.offered[0] == ["Brain Edema", "Right Lung, Upper Left"]
    assert set(outcome.predictions.column("answer").to_pylist()) == {"right lung upper left"}
    scores = PROTOCOL.score(context.task, context.recipe, outcome.predictions)
    assert scores["accuracy"].value == 0.75


class Cut(TinyAnswerer):
    """Is cut off after some batches; counts what it is asked."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left, self.asked = after, 0

    def answer(self, images, questions, answers=None):  # type: ignore[no-untyped-def]
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        self.asked += len(questions)
        return super().answer(images, questions, answers)


def test_a_second_start_asks_only_what_the_first_did_not(tmp_path: Path) -> None:
    whole = PROTOCOL.run(context_of(tmp_path / "other", BRIEF, model=TinyAnswerer()))
    with pytest.raises(KeyboardInterrupt):
        PROTOCOL.run(context_of(tmp_path, BRIEF, model=Cut(1)))
    (kept,) = (tmp_path / "work").glob("answers-*.jsonl")
    kept.write_bytes(kept.read_bytes()[:-3])  # a kill in the middle of writing loses one answer
    again = Cut(-1)
    context = context_of(tmp_path, BRIEF, model=again)
    assert PROTOCOL.run(context).predictions.equals(whole.predictions)
    assert again.asked == 40 - 16 + 1
    code = replace(context.features, identity=replace(context.features.identity, code="another"))
    changed = replace(context, features=code)
    again.asked = 0
    PROTOCOL.run(changed)
    assert again.asked == 40, "what another code answered is not taken up"


def test_a_picture_is_decoded_once_for_all_its_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counted(path, *arguments, **named):  # type: ignore[no-untyped-def]
        read.append(path.name)
        return read_region(path, *arguments, **named)

    monkeypatch.setattr(manifest, "read_region", counted)
    context = context_of(tmp_path, replace(BRIEF, batch_size=3), model=TinyAnswerer())
    mixed = context.test.take([*range(0, 40, 2), *range(1, 40, 2)])  # an image's two questions lie far apart
    outcome = PROTOCOL.run(replace(context, test=mixed))
    assert len(read) == len(set(read)) == 20
    scores = PROTOCOL.score(context.task, context.recipe, outcome.predictions)
    assert scores["open-accuracy"].value == 1.0
    assert outcome.predictions.column("sample_id").to_pylist() == mixed.sample_ids


def test_a_disk_that_takes_no_answers_is_told(tmp_path: Path) -> None:
    context = context_of(tmp_path, BRIEF, model=TinyAnswerer())
    (tmp_path / "file").write_text("where a folder should be")
    with pytest.raises(StoreError, match="cannot keep answers"):
        PROTOCOL.run(replace(context, work_dir=tmp_path / "file"))
