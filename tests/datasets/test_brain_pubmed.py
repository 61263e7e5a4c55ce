"""Brain figures with captions: the forms of the lists, splits that keep figures apart, and bad input."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from medbench.errors import MissingDataError
from medbench.samples import PhantomSize
from medbench_datasets import brain_pubmed, brain_pubmed_phantom
from medbench_datasets.brain_pubmed_rows import plain
from tests.datasets.tampering import kinds

if TYPE_CHECKING:
    from pathlib import Path

SIZE = PhantomSize(images=24, side=40, seed=1)
FIGURES = {figure.name: figure for figure in brain_pubmed_phantom.draw_figures(SIZE)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    brain_pubmed_phantom.write_figures(tmp_path, SIZE)
    return tmp_path


def write(root: Path, **lists: list[Any]) -> None:
    for name in ("train", "val", "test"):
        (root / f"{name}.json").write_text(json.dumps(lists.get(name, [])), encoding="utf-8")


def test_the_phantom_reads_back_as_it_was_drawn(root: Path) -> None:
    raw = brain_pubmed.read(root)
    assert raw.problems == ()
    assert len(raw.samples) == raw.listed == SIZE.images
    for sample in raw.samples:
        figure = FIGURES[sample.image.removeprefix("images/")]
        assert sample.texts == (brain_pubmed_phantom.whole_caption(figure),)
        assert sample.patient_id == figure.article
        assert sample.region is None
        assert (root / sample.image).is_file()
    assert {part: len(ids) for part, ids in raw.splits["as-released"].items()} == {"train": 18, "valid": 3, "test": 3}


def test_articles_lie_in_one_part_of_the_figure_split_and_every_row_in_some(root: Path) -> None:
    raw = brain_pubmed.read(root)
    by_id = {sample.sample_id: sample.patient_id for sample in raw.samples}
    articles = {part: {by_id[one] for one in ids} for part, ids in raw.splits["figure"].items()}
    assert sum(map(len, articles.values())) == len(set(by_id.values())) < len(by_id)
    assert sorted(one for ids in raw.splits["figure"].values() for one in ids) == sorted(by_id)
    assert all(articles.values())


def test_the_authors_prefix_of_51_characters_is_cut_off(root: Path) -> None:
    assert len(brain_pubmed_phantom.PREFIX) == 51
    row = json.loads((root / "train.json").read_text())[0]
    assert row["image"].startswith(brain_pubmed_phantom.PREFIX)
    assert brain_pubmed.read(root).samples[0].image == f"images/{row['image'][51:]}"


def test_lists_of_captions_and_sub_folders_as_in_coco_are_read(root: Path) -> None:
    (root / "images" / "val2014").mkdir()
    (root / "images" / "0.png").rename(root / "images" / "val2014" / "0.png")
    write(
        root,
        train=[{"image": "1.png", "caption": "one", "image_id": 7}],
        test=[{"image": "val2014/0.png", "caption": ["one", " ", "another"]}, {"image": "train/2.png", "caption": "x"}],
    )
    raw = brain_pubmed.read(root)
    assert [(one.sample_id, one.image, one.texts) for one in raw.samples] == [
        ("train-0", "images/1.png", ("one",)),
        ("test-0", "images/val2014/0.png", ("one", "another")),
        ("test-1", "images/2.png", ("x",)),
    ]
    assert raw.samples[0].details == {"caption_plain": "one", "image_id": "7"}
    assert raw.samples[1].patient_id == "val2014/0"


def test_the_collectors_undivided_list_gives_the_figure_split_alone(root: Path) -> None:
    rows = [row for name in ("train", "val", "test") for row in json.loads((root / f"{name}.json").read_text())]
    listed = [{"caption": row["caption"], "img_file": row["image"][51:], "img_url": row["img_url"]} for row in rows]
    for name in ("train", "val", "test"):
        (root / f"{name}.json").unlink()
    (root / "caption2.json").write_text(json.dumps(listed), encoding="utf-8")
    raw = brain_pubmed.read(root)
    assert list(raw.splits) == ["figure"]
    assert [one.sample_id for one in raw.samples[:2]] == ["0", "1"]
    assert {one.patient_id for one in raw.samples} == {figure.article for figure in FIGURES.values()}


def test_a_figure_whose_article_one_row_tells_is_of_it_in_all(root: Path) -> None:
    url = "https://host/imgs/512/1/5265908/PMC5265908_f1.png"
    rows = [{"image": "0.png", "caption": "a"}, {"image": "0.png", "caption": "b", "img_url": url}]
    write(root, train=rows, test=[{"image": "1.png", "caption": "c"}])
    assert [one.patient_id for one in brain_pubmed.read(root).samples] == ["PMC5265908", "PMC5265908", "1"]


def test_bad_captions_and_images_are_passed_over_and_odd_texts_are_taken(root: Path) -> None:
    long = "hemorrhage " * 5000
    rows = [
        {"image": "0.png", "caption": ""},
        {"image": "0.png", "caption": 5},
        {"image": "0.png", "caption": ["fine", 5]},
        {"image": "0.png"},
        {"caption": "no image"},
        {"image": 3, "caption": "x"},
        {"image": "..", "caption": "x"},
        "no row",
        {"image": "../../../etc/0.png", "caption": "脑出血"},
        {"image": "C:\\figs\\0.png", "caption": long},
        {"image": "0.png", "caption": "脑出血"},
    ]
    write(root, train=rows)
    raw = brain_pubmed.read(root)
    assert Counter(kinds(raw)) == {"bad-row": 8}
    assert raw.listed == len(rows)
    assert {one.image for one in raw.samples} == {"images/0.png"}
    assert [one.texts[0] for one in raw.samples] == ["脑出血", long.strip(), "脑出血"]
    assert [one.sample_id for one in raw.samples] == ["train-8", "train-9", "train-10"]


def test_halves_of_characters_are_replaced_and_long_names_are_passed_over(root: Path) -> None:
    rows = [
        {"image": "0.png", "caption": "left\t\ud800", "image_id": "\ud800"},
        {"image": f"{'x' * 300}.png", "caption": "a"},
        {"image": f"folder/{'x' * 300}.png", "caption": "b"},
        {"image": "\ud800.png", "caption": "c"},
    ]
    write(root, train=rows)
    raw = brain_pubmed.read(root)
    assert kinds(raw) == ["encoding", "bad-row", "bad-row", "bad-row"]
    (sample,) = raw.samples
    assert (sample.texts, sample.details["image_id"]) == (("left\t\ufffd",), "\ufffd")


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("<b>Brain</b> CT &amp; MR", "Brain CT & MR"),
        ("p&nbsp;&lt; 0.05", "p < 0.05"),
        ("size < 3 cm and > 1 cm", "size < 3 cm and > 1 cm"),
        ("H<sub>2</sub>O<br/>\n next <span class='x'>word</span>", "H2O next word"),
    ],
)
def test_plain_captions_have_no_markup(caption: str, expected: str) -> None:
    assert plain(caption) == expected


@pytest.mark.parametrize("content", ['[{"image": "0.png", "capt', '{"train": []}'])
def test_lists_cut_short_or_of_another_form_are_one_error(root: Path, content: str) -> None:
    (root / "val.json").write_text(content, encoding="utf-8")
    with pytest.raises(MissingDataError, match=r"val\.json"):
        brain_pubmed.read(root)


def test_absent_lists_are_named_in_one_error(root: Path) -> None:
    (root / "val.json").unlink()
    with pytest.raises(MissingDataError, match=r"has no val\.json"):
        brain_pubmed.read(root)
    for name in ("train", "test"):
        (root / f"{name}.json").unlink()
    with pytest.raises(MissingDataError, match=r"train\.json, val\.json, test\.json - .*caption2\.json"):
        brain_pubmed.read(root)
