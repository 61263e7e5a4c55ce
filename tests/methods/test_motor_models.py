"""What MOTOR's variants offer and do, on tiny nets."""

from __future__ import annotations

import gzip
import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
import torch
from motor_files import load_tiny, write_answers

from medbench import capabilities
from medbench.errors import UsageError
from medbench.specs import CAPABILITIES
from medbench_methods import motor
from medbench_methods.nets.motor_answers import folded, is_closed
from medbench_methods.nets.motor_knowledge import HYPHEN
from medbench_methods.nets.motor_model import _allowed
from medbench_methods.nets.motor_phantom import ANSWERS

if TYPE_CHECKING:
    from pathlib import Path

LEARNERS = {"ReportLearner", "QuestionLearner"}
VARIANTS = [variant.id for variant in motor.SPEC.variants]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("motor")
    write_answers(folder)
    return folder


@pytest.fixture(scope="module")
def models(folder: Path) -> dict[str, Any]:
    return {variant: load_tiny(folder, variant) for variant in VARIANTS}


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_variant_offers_the_capabilities_of_its_spec_and_no_other(variant: str, models: dict[str, Any]) -> None:
    model = models[variant]
    offered = {name for name in CAPABILITIES if isinstance(model, getattr(capabilities, name))}
    assert offered == motor.SPEC.variant(variant).capabilities
    assert not model.training


@pytest.mark.parametrize("variant", VARIANTS)
def test_features_are_of_the_stated_width_at_any_size(
    variant: str, models: dict[str, Any], images: torch.Tensor
) -> None:
    model = models[variant]
    with torch.inference_mode():
        features, (grid,) = model.encode_images(images), model.encode_pyramid(images)
    assert features.shape == (2, model.embed_dim)
    assert grid.shape == (2, model.channels[0], 4, 4)
    assert features.isfinite().all()


def test_knowledge_moves_the_features_of_an_image(models: dict[str, Any], images: torch.Tensor) -> None:
    with torch.inference_mode():
        plain, knowing = (models[name].encode_images(images) for name in ("pretrain", "pretrain-knowledge"))
    assert not torch.allclose(plain, knowing, atol=1e-3)


def test_two_views_are_read_in_their_order(models: dict[str, Any], images: torch.Tensor) -> None:
    model = models["retrieval-iu"]
    study = images[None]
    with torch.no_grad():
        there, back = model.study_tokens(study), model.study_tokens(study.flip(1))
        alone, twice = model.image_tokens(images[:1]), model.study_tokens(images[:1, None].expand(-1, 2, -1, -1, -1))
        projected = model.project_images(model.encode_images(images[:1]))
        aligned = model.project_studies(alone[:, 0])
    assert not torch.allclose(there, back, atol=1e-3)
    torch.testing.assert_close(alone, twice)
    torch.testing.assert_close(projected, aligned)


@pytest.mark.parametrize(("variant", "views"), [("pretrain", 1), ("generation-mimic", 1), ("generation-iu", 2)])
def test_reports_are_written_of_as_many_views_as_are_stated(
    variant: str, views: int, models: dict[str, Any], images: torch.Tensor
) -> None:
    model = models[variant]
    assert model.views == views
    texts = model.generate(images[:views][None], beams=3, min_length=5, max_length=8)
    assert len(texts) == 1
    assert texts == model.generate(images[:views][None], beams=3, min_length=5, max_length=8)


@pytest.mark.parametrize("views", [1, 2])
def test_a_net_for_reports_learns_and_its_new_layer_follows_the_seed(
    views: int, models: dict[str, Any], images: torch.Tensor
) -> None:
    study = images[:views][None]
    same, other, net = (models["pretrain"].report_net(views, seed) for seed in (1, 2, 1))
    with torch.no_grad():
        losses = [one.report_loss(study, ["the heart is normal"]) for one in (same, other, net)]
    torch.testing.assert_close(losses[0], losses[2])
    assert torch.equal(losses[0], losses[1]) == (views == 1)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(5):
        loss = net.report_loss(study, ["the heart is normal"])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < losses[2]
    assert net.views == views
    with pytest.raises(UsageError, match="one or two images"):
        models["pretrain"].report_net(3, 1)


def test_a_net_for_reports_keeps_the_layer_that_joins_views(models: dict[str, Any]) -> None:
    own = models["generation-iu"]
    kept = own.report_net(2, seed=1).net.iu_proj
    assert kept is not own.net.iu_proj
    assert torch.equal(kept.weight, own.net.iu_proj.weight)


def test_a_net_for_questions_parts_rows_by_their_type(models: dict[str, Any], images: torch.Tensor) -> None:
    net = models["pretrain"].question_net(3, 4, seed=1).eval()
    assert net.preprocess.crop == 128
    films = torch.nn.functional.interpolate(images, size=128)
    questions, closed = ["is it large?", "where is it?"], torch.tensor([True, False])
    with torch.no_grad():
        both = net.encode_questions(films, questions, closed)
        closed_alone, none = net.encode_questions(films[:1], questions[:1], closed[:1])
    assert [tuple(one.shape) for one in both] == [(1, 3), (1, 4)]
    assert none.shape == (0, 4)
    torch.testing.assert_close(both[0], closed_alone)


def test_a_net_for_questions_starts_from_the_seed_and_leaves_its_source_alone(models: dict[str, Any]) -> None:
    source = models["pretrain"]
    before = {name: value.clone() for name, value in source.state_dict().items()}
    one, same, other = (source.question_net(3, 4, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(value, same[name]) for name, value in one.items())
    assert not torch.equal(one["question_linear.weight"], other["question_linear.weight"])
    key = "embeddings.word_embeddings.weight"
    assert torch.equal(one[f"text_encoder.{key}"], one[f"text_encoder1.{key}"])
    drawn = source.question_net(3, 4, 1, open_branch="drawn").state_dict()
    assert not torch.equal(drawn[f"text_encoder.{key}"], drawn[f"text_encoder1.{key}"])
    assert all(torch.equal(value, before[name]) for name, value in source.state_dict().items())


def test_padding_weighs_in_a_net_for_questions_where_it_is_not_masked(
    models: dict[str, Any], images: torch.Tensor
) -> None:
    films = torch.nn.functional.interpolate(images, size=128)
    questions, closed = ["is it so?", "is there a mass in the left lobe of the lung?"], torch.tensor([True, True])
    for masked in (True, False):
        net = _louder(models["pretrain"].question_net(3, 4, seed=1, mask_padding=masked).eval())
        with torch.no_grad():
            alone = net.encode_questions(films[:1], questions[:1], closed[:1])[0]
            padded = net.encode_questions(films, questions, closed)[0][:1]
        assert torch.allclose(alone, padded, rtol=1e-4, atol=1e-5) == masked


def test_fine_tuned_weights_read_as_released_answer_alike_in_any_batch(models: dict[str, Any]) -> None:
    model = _louder(deepcopy(models["vqa-rad"]))
    assert not model.questions.typeatt.mask_padding
    films = torch.rand(4, 3, 128, 128, generator=torch.Generator().manual_seed(3))
    questions = ["where is it?", "is it?", "is there a mass in the left lobe?", "where is the lesion seen here?"]
    closed = torch.tensor([False, True, True, False])
    with torch.no_grad():
        both = model.encode_questions(films, questions, closed)
        alone = [model.encode_questions(films[i : i + 1], questions[i : i + 1], closed[i : i + 1]) for i in range(4)]
        padded = model.questions.encode_questions(films, questions, closed)
    assert [tuple(one.shape) for one in both] == [(2, 2), (2, 9)]
    torch.testing.assert_close(both[0], torch.cat([alone[1][0], alone[2][0]]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(both[1], torch.cat([alone[0][1], alone[3][1]]), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(padded[0], both[0], rtol=1e-4, atol=1e-5), "the net itself pads, as the release does"
    assert model.answer(films, questions) == [model.answer(films[i : i + 1], questions[i : i + 1])[0] for i in range(4)]


def test_hyphens_of_queued_knowledge_are_not_read_whatever_its_mask_says(models: dict[str, Any]) -> None:
    specific = deepcopy(models["pretrain-knowledge"].net.knowledge.specific)
    ids = torch.tensor([102, 40, HYPHEN, 41, HYPHEN, 42, 103])
    specific.ids_queue[:, :7], specific.mask_queue[:, :7] = ids, 1
    generator = torch.Generator().manual_seed(4)
    tokens, feature = torch.randn(2, 5, 24, generator=generator), torch.randn(2, 16, generator=generator)
    with torch.no_grad():
        unmasked = specific(tokens, feature)
        specific.mask_queue[:, [2, 4]] = 0
        masked = specific(tokens, feature)
    assert torch.equal(unmasked, masked)


def _louder(model: Any) -> Any:
    """Weights five times as large: drawn ones of 0.02 tell questions apart by little."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(5)
    return model


def test_a_net_for_questions_learns_both_heads(models: dict[str, Any], images: torch.Tensor) -> None:
    net = models["pretrain"].question_net(2, 2, seed=1).train()
    films = torch.nn.functional.interpolate(images, size=128)
    for logits in net.encode_questions(films, ["is it?", "where?"], torch.tensor([True, False])):
        logits.sum().backward(retain_graph=True)
    silent = [name for name, one in net.named_parameters() if one.grad is None]
    assert silent == []


def test_an_answer_is_one_that_the_head_of_its_type_knows(models: dict[str, Any]) -> None:
    films = torch.rand(3, 3, 128, 128, generator=torch.Generator().manual_seed(2))
    questions = ["Is there an effusion?", "Where is the lesion?", ""]
    answers = models["vqa-rad"].answer(films, questions)
    assert answers[0] in ANSWERS.closed
    assert set(answers[1:]) <= set(ANSWERS.open)
    assert models["vqa-rad"].answer(films, questions, ["LEFT ", "nothing"]) == ["LEFT "] * 3
    with pytest.raises(UsageError, match="none of the given answers"):
        models["vqa-rad"].answer(films, questions, ["nothing"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Right Lung,Upper Left", "right lung upper left"),
        ("X-Ray", "x ray"),
        ("X-ray.", "xray"),
        ("None", "0"),
        ("The  Heart", "heart"),
        ("don't know", "Dont know"),
    ],
)
def test_wordings_of_one_answer_are_one(one: str, other: str) -> None:
    assert folded(one) == folded(other)


def test_what_differs_in_a_number_a_word_or_nothing_but_marks_is_not_one() -> None:
    wordings = ["1.5 cm", "15 cm", "5cm", "5 cm", "left", "left lung", "A", "?", "Brain-Edema", "左肺", "右肺"]
    assert len({folded(one) for one in wordings}) == len(wordings)


def test_no_class_of_slakes_own_lists_is_lost_whichever_wording_is_offered(shared: Path) -> None:
    """The release's lists are the English answers of train and test as they are written: 35 and 225."""
    train, test = _slake(shared, "train.json.gz"), _slake(shared, "test.json")
    both = train + test
    lists = [sorted({one for one, closed in both if closed is kind}) for kind in (True, False)]
    assert [len(one) for one in lists] == [35, 225]
    own = sorted({one for one, _ in train})
    for offered in (own, [folded(one) for one in own], [one.upper() for one in own]):
        allowed = [_allowed(tuple(known), offered) for known in lists]
        assert [len(one) for one in allowed] == [35, 223], "two open answers are in the test part alone"
        assert all(set(one.values()) <= set(offered) for one in allowed)


def _slake(shared: Path, name: str) -> list[tuple[str, bool]]:
    """SLAKE's English answers, blanks collapsed, and whether their questions are closed."""
    data = (shared / "data" / "slake" / name).read_bytes()
    rows = json.loads(gzip.decompress(data) if name.endswith(".gz") else data)
    return [
        (" ".join(str(row["answer"]).split()), row["answer_type"].strip() == "CLOSED")
        for row in rows
        if row["q_lang"] == "en"
    ]


def test_a_question_of_5000_words_is_cut(models: dict[str, Any]) -> None:
    films = torch.zeros(1, 3, 128, 128)
    (answer,) = models["vqa-slake"].answer(films, ["is " + "very " * 5000 + "large?"])
    assert answer in ANSWERS.closed


@pytest.mark.parametrize(
    ("question", "closed"),
    [
        ("Is there evidence of an aortic aneurysm?", True),
        ("Which organ is abnormal, heart or lung?", True),
        ("Which organ is abnormal?", False),
        ("Where is the lesion?", False),
        ("", False),
    ],
)
def test_the_form_of_a_question_tells_its_type(question: str, closed: bool) -> None:
    assert is_closed(question) is closed


def test_the_form_agrees_with_the_annotated_type_of_real_questions(shared: Path) -> None:
    rows = json.loads((shared / "data" / "vqa-rad" / "testset.json").read_text())
    agreed = [is_closed(row["question"]) == (row["answer_type"].strip() == "CLOSED") for row in rows]
    assert round(sum(agreed) / len(agreed), 3) == 0.991
