"""Methods that read and write text, as a user runs them: retrieval, reports, questions, attention maps, broken input."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.conftest import Shell

SIDE, IMAGES = "64", "30"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantom data and checkpoints, drawn once; tests that break something copy them."""
    folder = tmp_path_factory.mktemp("phantom")
    arguments = ("--datasets", "covid-cxr,iu-xray,vqa-rad", "--methods", "motor,blip,random")
    Shell(folder)("phantom", ".", *arguments, "--images", IMAGES, "--side", SIDE)
    return folder


@pytest.fixture
def texts(shell: Shell, drawn: Path) -> Shell:
    """The command line over the phantom."""
    shutil.copytree(drawn, shell.folder, dirs_exist_ok=True)
    return shell


def records(shell: Shell) -> dict[tuple[str, str], dict]:
    found = [json.loads(path.read_text()) for path in sorted((shell.folder / "results").glob("*/*/*.json"))]
    return {(one["task"], f"{one['method']}@{one['variant']}"): one for one in found}


def test_images_and_notes_find_each_other(texts: Shell) -> None:
    command = ("run", "--methods", "motor,blip@retrieval-coco,random", "--tasks", "covid-cxr-retrieval")
    result = texts(*command)
    assert "random@resnet50 has no TextEncoder" in result.stdout + result.stderr
    found = records(texts)
    assert set(found) == {("covid-cxr-retrieval", "motor@pretrain"), ("covid-cxr-retrieval", "blip@retrieval-coco")}
    for record in found.values():
        metrics = {name: value["value"] for name, value in record["metrics"].items()}
        recalls = [metrics[f"{way}-r{cut}"] for way in ("i2t", "t2i") for cut in (1, 5, 10)]
        assert metrics["mean-recall"] == pytest.approx(sum(recalls) / 6)
        assert metrics["rsum"] == pytest.approx(sum(recalls))
        assert metrics["t2i-median-rank"] >= 1
        assert record["floors"]["chance"]["mean-recall"]["value"] > 0
    assert "2 done" in texts(*command).stderr


def test_reports_are_written_by_the_method_or_by_the_standard_decoder(texts: Shell) -> None:
    texts("run", "--methods", "motor,random", "--tasks", "iu-xray-gen", "--recipe", "quick", "--set", "epochs=2")
    found = records(texts)
    assert set(found) == {("iu-xray-gen", "motor@pretrain"), ("iu-xray-gen", "random@resnet50")}
    for record in found.values():
        assert {"most-frequent", "every-finding"} <= set(record["floors"])
        assert record["metrics"]["bleu-1"]["value"] is not None
        assert 0 < record["metrics"]["distinct-share"]["value"] <= 1
    assert found["iu-xray-gen", "random@resnet50"]["notes"]["epochs"] == 2
    assert "epochs" not in found["iu-xray-gen", "motor@pretrain"]["notes"]


def test_questions_are_answered_with_floors_and_a_ceiling(texts: Shell) -> None:
    command = ("run", "--methods", "motor@vqa-rad,random", "--tasks", "vqa-rad", "--recipe", "quick")
    result = texts(*command, "--set", "epochs=2")
    assert "ceiling: answer-space" in result.stdout
    for record in records(texts).values():
        assert {"majority-answer", "majority-by-type", "question-only"} == set(record["floors"])
        ceiling, reached = (one["accuracy"]["value"] for one in (record["ceilings"]["answer-space"], record["metrics"]))
        assert reached <= ceiling


def test_a_recipe_that_a_method_cannot_follow_is_refused_in_one_line(texts: Shell) -> None:
    result = texts("run", "--methods", "random", "--tasks", "vqa-rad", "--recipe", "motor", code=2)
    assert "random@resnet50" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_text_is_looked_for_in_an_image(texts: Shell) -> None:
    image = next((texts.folder / "data" / "covid-cxr" / "images").iterdir())
    command = ("explain", "--image", str(image), "--text", "left effusion", "--out", "maps")
    result = texts(*command, "motor")
    assert "the weights of motor@pretrain are generated" in result.stderr
    whole, tokens = (texts.folder / line for line in result.stdout.splitlines())
    with Image.open(whole) as first, Image.open(tokens) as second:
        assert first.size[0] == first.size[1]
        assert second.size > first.size
    other = texts.folder / texts(*command, "motor", "--target", "nll").stdout.splitlines()[0]
    assert other.read_bytes() != whole.read_bytes()
    assert "cannot explain" in texts(*command, "random", code=2).stderr
    assert "no such image" in texts("explain", "motor", "--image", "gone.png", "--text", "x", code=3).stderr


def test_broken_texts_are_told_and_cost_no_more_than_themselves(texts: Shell) -> None:
    data = texts.folder / "data"
    trainset = data / "vqa-rad" / "trainset.json"
    trainset.write_bytes(trainset.read_bytes()[:-30])
    result = texts("data", "prepare", "vqa-rad", code=3)
    assert "trainset.json" in result.stderr
    assert "Traceback" not in result.stderr
    report = sorted((data / "iu-xray" / "ecgen-radiology").glob("*.xml"))[0]
    bomb = '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><eCitation>&b;</eCitation>'
    report.write_text(bomb)
    result = texts("data", "prepare", "iu-xray", "--allow-incomplete")
    assert "bad-report" in result.stdout + result.stderr


@pytest.mark.slow
def test_the_published_ceilings_of_vqa_rad_follow_from_its_questions(texts: Shell, shared: Path) -> None:
    shutil.rmtree(texts.folder / "data" / "vqa-rad")
    (texts.folder / "data" / "vqa-rad").symlink_to(shared / "data" / "vqa-rad")
    texts("run", "--methods", "motor", "--tasks", "vqa-rad", "--recipe", "motor", "--set", "epochs=1")
    (record,) = records(texts).values()
    ceiling = {name: round(100 * one["value"], 2) for name, one in record["ceilings"]["answer-space"].items()}
    assert (ceiling["open-accuracy"], ceiling["closed-accuracy"], ceiling["accuracy"]) == (79.33, 95.96, 89.36)
    assert record["test_n"] == 451


@pytest.mark.slow
def test_real_notes_and_radiographs_find_each_other(texts: Shell, shared: Path) -> None:
    shutil.rmtree(texts.folder / "data" / "covid-cxr")
    (texts.folder / "data" / "covid-cxr").symlink_to(shared / "data" / "covid-cxr-nc")
    texts("run", "--methods", "motor,blip@retrieval-coco", "--tasks", "covid-cxr-retrieval")
    for record in records(texts).values():
        assert record["phantom"], "the weights are generated"
        assert record["test_n"] >= 30
        assert record["metrics"]["mean-recall"]["n"] > 60
        chance = record["floors"]["chance"]["mean-recall"]["value"]
        assert 0 < chance < 0.5
