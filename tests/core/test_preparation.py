"""Raw files become a manifest; what is wrong is reported and passed over, and only the hopeless is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from PIL import Image

from medbench import preparation
from medbench.checkpoints import sha256_of
from medbench.datasets import DatasetFiles, locate
from medbench.errors import MissingDataError
from medbench.images import read_grey
from medbench.manifest import ImageFacts
from medbench.masks import empty_mask
from medbench.progress import Reporter
from medbench.registry import Registry
from medbench.samples import Box, Problem, RawDataset, Region, Sample
from medbench.settings import Settings
from medbench.specs import ExpectedFile


@pytest.fixture
def files(registry: Registry, settings: Settings, toy_data: Path) -> DatasetFiles:
    return locate(registry.dataset("toy"), settings)


def kinds(info: object) -> dict[str, int]:
    return {group.kind: group.count for group in info.problems}


def test_a_whole_dataset(files: DatasetFiles) -> None:
    info = preparation.prepare(files, Reporter())
    manifest = preparation.load(files, info)
    assert info.parts == {"main": {"train": 8, "valid": 8, "test": 8}}
    assert len(manifest.part("main", "train")) == 8
    row = manifest.part("main", "test").row(0)
    assert (row.height, row.width) == (16, 16)
    assert row.pixels().shape == (16, 16)
    assert kinds(info)["count"] == 1, "8 in train, 4 published"
    assert kinds(info)["shared-patient"] == 12, "two neighbouring rows share a patient"


def test_preparing_twice_gives_the_same_hash_and_is_remembered(files: DatasetFiles) -> None:
    assert files.info() is None
    first = preparation.prepare(files, Reporter())
    assert files.info() == first
    assert preparation.prepare(files, Reporter()).sha256 == first.sha256


def test_a_change_of_the_raw_files_is_noticed(files: DatasetFiles) -> None:
    before = preparation.prepare(files, Reporter())
    text = (files.root / "labels.csv").read_text()
    (files.root / "labels.csv").write_text(text + "t000x,p9,1\n")
    assert files.info() is None
    after = preparation.prepare(files, Reporter())
    assert kinds(after)["missing-image"] == 1
    assert after.sha256 == before.sha256, "a row without an image adds nothing"


def test_one_truncated_image_among_good_ones_is_reported(files: DatasetFiles) -> None:
    path = files.root / "images" / "t003.png"
    path.write_bytes(path.read_bytes()[:40])
    info = preparation.prepare(files, Reporter())
    assert kinds(info)["unreadable-image"] == 1
    assert info.samples == info.expected_samples - 1


def test_half_of_the_images_missing_is_refused_unless_allowed(files: DatasetFiles) -> None:
    for number in range(12):
        (files.root / "images" / f"t{number:03}.png").unlink()
    with pytest.raises(MissingDataError, match=r"12 of 24 samples cannot be used .*--allow-incomplete"):
        preparation.prepare(files, Reporter())
    assert preparation.prepare(files, Reporter(), allow_incomplete=True).samples == 12


def test_a_part_that_loses_too_much_is_refused_although_the_whole_does_not() -> None:
    ids = [f"s{number}" for number in range(200)]
    raw = RawDataset(
        samples=tuple(Sample(sample_id=one, patient_id=one, image=one) for one in ids),
        splits={"main": {"train": ids[:190], "test": ids[190:]}},
    )
    checked = preparation.Checked(raw.samples[:195], (), (Problem("missing-image", "s195", "the file does not exist"),))
    with pytest.raises(MissingDataError, match=r"5 of 10 samples of main/test cannot be used \(first: s195"):
        preparation.check_losses(raw, checked, "toy", "data/toy", allow_incomplete=False)
    preparation.check_losses(raw, checked, "toy", "data/toy", allow_incomplete=True)
    one_lost = preparation.Checked(raw.samples[:199], (), checked.problems)
    preparation.check_losses(raw, one_lost, "toy", "data/toy", allow_incomplete=False)


def test_rows_that_the_reader_left_out_count_as_lost() -> None:
    samples = tuple(Sample(sample_id=str(number), patient_id="p", image="x") for number in range(50))
    raw = RawDataset(samples=samples, splits={}, listed=100)
    with pytest.raises(MissingDataError, match="50 of 100 samples cannot be used"):
        preparation.check_losses(raw, preparation.Checked(samples, (), ()), "toy", "data/toy", allow_incomplete=False)


def test_the_signature_follows_links_and_passes_over_hidden_and_dangling_entries(
    files: DatasetFiles, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (files.root / "images" / "linked").symlink_to(elsewhere)
    before = files.signature()
    (files.root / "images" / ".DS_Store").write_text("x")
    (files.root / ".#labels.csv").symlink_to("user@host.1:2")
    assert files.signature() == before
    (elsewhere / "new.png").write_text("x")
    linked = files.signature()
    assert linked != before
    (elsewhere / "loop").symlink_to(files.root / "images")
    (files.root / "images" / "gone").symlink_to(tmp_path / "nowhere")
    assert files.signature() not in {before, linked}


@pytest.mark.parametrize(("name", "told"), [("1.xml", True), ("boxes.JSON", True), ("1.png", False)])
def test_texts_inside_folders_are_watched_and_images_are_known_by_name(
    files: DatasetFiles, name: str, told: bool
) -> None:
    path = files.root / "images" / name
    path.write_text("first")
    before = files.signature()
    path.write_text("second")
    assert (files.signature() != before) is told


def test_a_name_too_long_for_a_file_is_a_problem(tmp_path: Path) -> None:
    sample = Sample(sample_id="s", patient_id="p", image="x" * 300 + ".png")
    checked = preparation.check_images([sample], tmp_path, Reporter())
    assert [problem.kind for problem in checked.problems] == ["missing-image"]


def test_an_expected_folder_is_found_behind_a_link(registry: Registry, settings: Settings, tmp_path: Path) -> None:
    spec = dataclasses.replace(
        registry.dataset("toy"), files=(ExpectedFile(path="**/train/sick", purpose="images", kind="folder"),)
    )
    (tmp_path / "disk" / "train" / "sick").mkdir(parents=True)
    root = settings.dataset_root("toy")
    root.mkdir(parents=True, exist_ok=True)
    assert locate(spec, settings).missing
    (root / "chest_xray").symlink_to(tmp_path / "disk")
    assert not locate(spec, settings).missing


def test_absent_files_are_named(files: DatasetFiles, registry: Registry, settings: Settings, tmp_path: Path) -> None:
    (files.root / "labels.csv").unlink()
    with pytest.raises(MissingDataError, match=r"lacks labels.csv - medbench show toy"):
        locate(registry.dataset("toy"), settings).require()
    elsewhere = Settings(data=tmp_path / "nowhere")
    with pytest.raises(MissingDataError, match=r"does not exist - get it from https://example.org/toy"):
        locate(registry.dataset("toy"), elsewhere).require()


def test_a_damaged_manifest_is_refused(files: DatasetFiles) -> None:
    info = preparation.prepare(files, Reporter())
    data = bytearray(files.table_path.read_bytes())
    files.table_path.write_bytes(data[: len(data) // 2])
    with pytest.raises(MissingDataError, match="damaged"):
        preparation.load(files, info)


@pytest.mark.parametrize(
    ("box", "kept", "kind"),
    [
        (Box(0, 2, 3, 4, 5), Box(0, 2, 3, 4, 5), None),
        (Box(0, 12, 3, 8, 5), Box(0, 12, 3, 4, 5), "box-clipped"),
        (Box(0, -2, -2, 4, 5), Box(0, 0, 0, 2, 3), "box-clipped"),
        (Box(0, 20, 3, 8, 5), None, "box-outside"),
        (Box(0, 2, 3, 0, 5), None, "box-outside"),
        (Box(0, 2, 3, -1, 5), None, "box-outside"),
        (Box(0, float("nan"), 3, 4, 5), None, "box-outside"),
    ],
)
def test_boxes_are_fitted_to_the_image(files: DatasetFiles, box: Box, kept: Box | None, kind: str | None) -> None:
    sample = Sample(sample_id="a", patient_id="p", image="images/t000.png", boxes=(box,))
    checked = preparation.check_images([sample], files.root, Reporter())
    assert checked.samples[0].boxes == (() if kept is None else (kept,))
    assert [problem.kind for problem in checked.problems] == ([] if kind is None else [kind])


def test_a_mask_of_another_size_leaves_its_sample_out(files: DatasetFiles) -> None:
    sample = Sample(sample_id="a", patient_id="p", image="images/t000.png", mask=empty_mask(16, 15))
    checked = preparation.check_images([sample], files.root, Reporter())
    assert checked.samples == ()
    assert checked.problems[0].kind == "mask-size"


def test_problems_are_grouped_with_a_few_examples() -> None:
    groups = preparation.group_problems(
        [Problem("a", str(number), "x") for number in range(9)] + [Problem("b", "1", "y")]
    )
    assert [(group.kind, group.count, len(group.examples)) for group in groups] == [("a", 9, 5), ("b", 1, 1)]


def test_facts_hold_the_files_digest(files: DatasetFiles) -> None:
    sample = Sample(sample_id="a", patient_id="p", image="images/t000.png")
    fact = preparation.check_images([sample], files.root, Reporter()).facts[0]
    assert isinstance(fact, ImageFacts)
    assert len(fact.sha256) == 64


def test_a_study_has_the_digests_of_all_its_images_and_each_is_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, level in (("a", 10), ("b", 20), ("c", 30)):
        Image.new("L", (8, 6), level).save(tmp_path / f"{name}.png")
    decoded: list[str] = []
    monkeypatch.setattr("medbench.pixels.decoding.read_grey", lambda path: decoded.append(path.name) or read_grey(path))
    study = Sample(sample_id="s", patient_id="p", image="a.png", previous="b.png", others=("c.png", "a.png"))
    checked = preparation.check_images([study, dataclasses.replace(study, sample_id="t")], tmp_path, Reporter())
    own, earlier, *others = (sha256_of(tmp_path / f"{name}.png") for name in "abca")
    assert {(fact.sha256, fact.previous_sha256, fact.others_sha256) for fact in checked.facts} == {
        (own, earlier, tuple(others))
    }
    assert sorted(decoded) == ["a.png", "b.png", "c.png"]


def test_a_study_without_one_of_its_images_is_left_out(tmp_path: Path) -> None:
    Image.new("L", (8, 6)).save(tmp_path / "a.png")
    study = Sample(sample_id="s", patient_id="p", image="a.png", others=("gone.png",))
    checked = preparation.check_images([study], tmp_path, Reporter())
    assert (checked.samples, [problem.kind for problem in checked.problems]) == ((), ["missing-image"])


@pytest.mark.parametrize(
    ("region", "kept"),
    [((0, 0, 8, 6), (0, 0, 8, 6)), ((-2, 3, 5, 9), (0, 3, 3, 3)), ((8, 0, 2, 2), None), ((0, 0, 0, 3), None)],
)
def test_regions_are_fitted_to_the_image(
    tmp_path: Path, region: tuple[int, int, int, int], kept: tuple[int, int, int, int] | None
) -> None:
    Image.new("L", (8, 6)).save(tmp_path / "a.png")
    sample = Sample(sample_id="s", patient_id="p", image="a.png", region=Region(*region))
    checked = preparation.check_images([sample], tmp_path, Reporter())
    assert [tuple(one.region or ()) for one in checked.samples] == ([] if kept is None else [kept])
    kind = [] if kept == region else ["region-clipped" if kept else "region-outside"]
    assert [problem.kind for problem in checked.problems] == kind
