"""What MOTOR's loader takes, and what it refuses in one line that says what the file is and what mends it."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING

import pytest
import torch
from motor_files import LAYOUTS, load_tiny, write_answers

from medbench.capabilities import LoadRequest
from medbench.checkpoints import read_checkpoint
from medbench.errors import CheckpointError, MissingCheckpointError
from medbench_methods import motor
from medbench_methods.nets.motor_layouts import layout_of
from medbench_methods.nets.motor_phantom import ANSWERS, drawn_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

OFFICIAL = {
    "motor-pretrain": "pretrain",
    "motor-retrieval": "retrieval",
    "motor-retrieval-iu": "retrieval-iu",
    "motor-generation": "generation-mimic",
    "motor-generation-iu": "generation-iu",
    "motor-diagnosis": "diagnosis",
}


def _with_words(part: str) -> Callable[[dict[str, Tensor]], object]:
    """A table of words of BLIP's vocabulary in that part."""
    return lambda state: state.update({f"{part}embeddings.word_embeddings.weight": torch.zeros(30524, 24)})


@pytest.mark.parametrize("variant", ["pretrain", "generation-iu", "diagnosis"])
def test_keys_of_data_parallel_are_taken(variant: str, tmp_path: Path) -> None:
    def prefixed(state: dict[str, Tensor]) -> None:
        for key in list(state):
            state[f"module.{key}"] = state.pop(key)

    assert load_tiny(tmp_path, variant, change=prefixed).embed_dim == 24


def test_what_training_leaves_need_not_be_there(tmp_path: Path) -> None:
    def stripped(state: dict[str, Tensor]) -> None:
        spare = ("create_knowledge.", "tag_encoder.", "cross_attn.")
        for key in [key for key in state if key.startswith(spare) or "_m." in key or "queue" in key or key == "temp"]:
            del state[key]

    assert load_tiny(tmp_path, "pretrain", change=stripped).joint_dim == 16
    with pytest.raises(CheckpointError, match=r"no knowledge branches.*motor@pretrain"):
        load_tiny(tmp_path, "pretrain-knowledge", change=stripped)


@pytest.mark.parametrize(
    ("variant", "layout", "mend"),
    [
        ("pretrain", "retrieval", "motor@retrieval"),
        ("retrieval", "retrieval-iu", "motor@retrieval-iu"),
        ("retrieval", "pretrain", "motor@pretrain or motor@pretrain-knowledge"),
        ("generation-iu", "generation-mimic", "motor@generation-mimic"),
        ("diagnosis", "generation-iu", "motor@generation-iu"),
        ("vqa-rad", "diagnosis", "motor@diagnosis"),
        ("pretrain", "vqa", "motor@vqa-rad or motor@vqa-slake"),
    ],
)
def test_a_file_of_another_variant_is_named_with_the_variant_that_reads_it(
    variant: str, layout: str, mend: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError) as caught:
        load_tiny(tmp_path, variant, layout)
    line = str(caught.value)
    assert line.endswith(f"use --methods {mend}")
    assert f"motor@{variant} does not read" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("variant", "change", "says"),
    [
        ("pretrain", lambda state: state.pop("visual_encoder.norm.weight"), "1 missing key"),
        ("pretrain", lambda state: state.update({"surplus.weight": torch.zeros(2)}), "1 unexpected key"),
        ("retrieval", lambda state: state.update({"itm_head.bias": torch.zeros(3)}), "another shape"),
        ("generation-iu", lambda state: state.update({"iu_proj.weight": torch.zeros(24, 24)}), "join 2 views"),
        ("vqa-rad", lambda state: state.pop("typeatt.f_fc3.bias"), "1 missing key"),
        ("vqa-rad", lambda state: state.pop("close_classifier.main.0.weight_v"), "1 missing key"),
        ("vqa-rad", lambda state: state.update({"close_classifier.main.0.weight_v": torch.zeros(2)}), "2 sizes"),
        ("vqa-rad", lambda state: state.update({"open_classifier.main.3.bias": torch.zeros(())}), "1 sizes"),
        ("vqa-rad", lambda state: state.update({"BLIP.visual_encoder.pos_embed": torch.zeros(7)}), "3 sizes"),
        ("vqa-rad", _with_words("BLIP.text_encoder1."), "knows 30,524 tokens.*BLIP's vocabulary"),
        ("pretrain", _with_words("text_decoder.bert."), "knows 30,524 tokens.*BLIP's vocabulary"),
        ("pretrain-knowledge", _with_words("tag_encoder.bert."), "knows 30,524 tokens.*BLIP's vocabulary"),
        (
            "pretrain-knowledge",
            lambda state: state.update({"create_knowledge.knowledge_input_ids_queue": torch.zeros(8)}),
            "2 sizes",
        ),
        (
            "pretrain-knowledge",
            lambda state: state.update({"tag_encoder.encoder.layers.0.feed_forward.w_1.weight": torch.zeros(())}),
            "2 sizes",
        ),
        ("vqa-rad", lambda state: state.update({"surplus.weight": torch.zeros(2)}), "1 unexpected key"),
        (
            "pretrain-knowledge",
            lambda state: state["create_knowledge.knowledge_input_ids_queue"].fill_(40_000),
            "outside the vocabulary",
        ),
        ("diagnosis", lambda state: state.clear() or state.update({"conv1.weight": torch.zeros(2)}), "not a MOTOR"),
        (
            "retrieval",
            lambda state: state.update({"text_encoder.embeddings.word_embeddings.weight": torch.zeros(30524, 24)}),
            "BLIP's vocabulary",
        ),
        ("retrieval", lambda state: state.update({"img_encoder_q.model.x": torch.zeros(2)}), "MGCA.*--methods mgca"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_in_one_line(
    variant: str, change: Callable[[dict[str, Tensor]], object], says: str, tmp_path: Path
) -> None:
    write_answers(tmp_path)
    with pytest.raises(CheckpointError, match=says) as caught:
        load_tiny(tmp_path, variant, change=change)
    assert "\n" not in str(caught.value)
    assert "file.pth" in str(caught.value)
    assert "download" not in str(caught.value)


def test_no_file_and_a_truncated_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingCheckpointError, match="motor@pretrain needs"):
        motor.load(LoadRequest(variant="pretrain", checkpoint=None))
    path = tmp_path / "file.pth"
    torch.save({"model": drawn_state("diagnosis", 1)}, path)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(CheckpointError, match="download it again"):
        motor.load(LoadRequest(variant="pretrain", checkpoint=path))


def test_the_vocabulary_of_another_model_is_refused(tmp_path: Path) -> None:
    model = load_tiny(tmp_path, "pretrain")
    vocabulary = next(tmp_path.glob("tokenizers/*/vocab.txt"))
    vocabulary.write_text("\n".join(vocabulary.read_text().splitlines()[:-5]) + "\n")
    with pytest.raises(CheckpointError, match=r"31,085 tokens.*31,090"):
        model.encode_texts(["the heart is normal"])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no list of answers"),
        (json.dumps([*ANSWERS.closed, "maybe"]), "lists 3 answers.*2 classes"),
        ("[", "is not JSON"),
        ('{"labels": 2}', "not a list of answers"),
    ],
)
def test_a_list_of_answers_that_does_not_fit_is_refused_when_a_question_is_asked(
    content: str | None, says: str, tmp_path: Path
) -> None:
    write_answers(tmp_path)
    path = tmp_path / "motor" / "vqa-slake" / "close_label2ans.json"
    path.unlink() if content is None else path.write_text(content)
    model, images = load_tiny(tmp_path, "vqa-slake"), torch.zeros(1, 3, 128, 128)
    assert model.encode_images(images).shape == (1, 24)
    with pytest.raises(MissingCheckpointError, match=says) as caught:
        model.answer(images, ["is it so?"])
    assert str(path) in str(caught.value)


def test_lists_of_answers_are_those_that_the_plan_takes_the_digests_of(tmp_path: Path) -> None:
    """Not those beside a checkpoint that lies elsewhere."""
    write_answers(tmp_path)
    for name in ("close", "open"):
        (tmp_path / "motor" / f"{name}_label2ans.json").write_text("[]")
    model = load_tiny(tmp_path, "vqa-rad")
    assert model.answers == ANSWERS
    named = {tmp_path / name for name in motor.SPEC.variant("vqa-rad").checkpoint.text_files if "label2ans" in name}
    assert named == set((tmp_path / "motor" / "vqa-rad").iterdir())
    homeless = motor.load(LoadRequest(variant="vqa-rad", checkpoint=tmp_path / "motor" / "vqa-rad-file.pth"))
    with pytest.raises(MissingCheckpointError, match="no checkpoints folder to read its lists of answers"):
        homeless.answer(torch.zeros(1, 3, 128, 128), ["is it so?"])


def test_a_pickled_list_of_answers_is_left_closed(tmp_path: Path) -> None:
    write_answers(tmp_path)
    path = tmp_path / "motor" / "vqa-rad" / "open_label2ans.json"
    path.unlink()
    path.with_suffix(".pkl").write_bytes(pickle.dumps(list(ANSWERS.open)))
    with pytest.raises(CheckpointError, match=r"can run code.*convert it"):
        assert load_tiny(tmp_path, "vqa-rad").answers


def test_a_list_of_answers_by_number_is_taken(tmp_path: Path) -> None:
    write_answers(tmp_path)
    path = tmp_path / "motor" / "vqa-rad" / "close_label2ans.json"
    path.write_text(json.dumps({"1": "yes", "0": "no"}))
    assert load_tiny(tmp_path, "vqa-rad").answers.closed == ("no", "yes")


@pytest.mark.parametrize(
    ("variant", "sizes", "other"),
    [("vqa-rad", (35, 225), "vqa-slake"), ("vqa-slake", (56, 431), "vqa-rad")],
)
def test_the_published_file_of_the_other_questions_is_refused(
    variant: str, sizes: tuple[int, int], other: str, tmp_path: Path
) -> None:
    def resized(state: dict[str, Tensor]) -> None:
        for head, size in zip(("close", "open"), sizes, strict=True):
            key = f"{head}_classifier.main.3."
            state |= {f"{key}bias": torch.zeros(size), f"{key}weight_v": torch.ones(size, 48)}

    with pytest.raises(CheckpointError, match=f"those of motor@{other}.*use --methods motor@{other}"):
        load_tiny(tmp_path, variant, change=resized)
    assert load_tiny(tmp_path, other, change=resized).questions.close_classifier.main[3].bias.shape == sizes[:1]


@pytest.mark.parametrize("variant", list(LAYOUTS))
def test_a_model_comes_back_from_a_pickle_as_it_was(variant: str, tmp_path: Path) -> None:
    write_answers(tmp_path)
    model, images = load_tiny(tmp_path, variant), torch.rand(1, 3, 128, 128)
    again = pickle.loads(pickle.dumps(model))
    with torch.no_grad():
        assert torch.equal(model.encode_images(images), again.encode_images(images))
        if variant.startswith("vqa"):
            assert model.answer(images, ["is it so?"]) == again.answer(images, ["is it so?"])


@pytest.mark.parametrize("folder", OFFICIAL)
def test_the_generated_layout_has_the_keys_of_the_official_one(folder: str, shared: Path) -> None:
    official = json.loads((shared / "golden" / folder / "manifest.json").read_text())["state_dict"]
    generated = layout_of(OFFICIAL[folder], ANSWERS)
    deep = {
        key
        for key in official
        if any(f".{block}.{index}." in key for block in ("blocks", "layer") for index in range(2, 12))
    }
    assert set(generated) == set(official) - deep


def test_the_generated_layout_of_questions_has_every_key_that_is_read(shared: Path) -> None:
    official = json.loads((shared / "golden" / "motor-vqa-slake" / "manifest.json").read_text())["state_dict"]
    assert set(layout_of("vqa", ANSWERS)) <= set(official)


def test_every_file_of_the_variants_is_generated_in_its_container(tmp_path: Path) -> None:
    paths = {path.relative_to(tmp_path).as_posix() for path in motor.write_phantom(tmp_path, seed=1)}
    assert paths == {variant.checkpoint.filename for variant in motor.SPEC.variants}
    for variant in motor.SPEC.variants:
        path = tmp_path / variant.checkpoint.filename
        assert path.stat().st_size < 5_000_000
        model = motor.load(LoadRequest(variant=variant.id, checkpoint=path, assets=tmp_path))
        assert model.embed_dim == 24
    kept = read_checkpoint(tmp_path / "motor" / "vqa-rad" / "VQA-RAD_best.pth", state_dict_keys=("model_state",))
    assert set(kept.values) == {"epoch", "optimizer_state"}
    assert set(LAYOUTS) == {variant.id for variant in motor.SPEC.variants}
