"""What preparation says of a dataset as a whole: leaks, repetitions, flat images, labels and intensities."""

from __future__ import annotations

import dataclasses

from medbench.audit import audit, intensity, label_counts, part_sizes
from medbench.manifest import SCHEMA, ImageFacts, build_table
from medbench.samples import UNCERTAIN, Sample
from medbench.specs import DatasetSpec, ExpectedFile, SplitSpec

SPEC = DatasetSpec(
    id="toy",
    title="Toy",
    modality="none",
    access="open",
    licence="CC0-1.0",
    url="https://example.org",
    files=(ExpectedFile(path="x", purpose="x"),),
    supervision=frozenset({"labels"}),
    label_names=("sick",),
    splits=(SplitSpec(name="main", rule="none", source="none", sizes={"train": 2}),),
    reader="toy:read",
)
FACT = ImageFacts(4, 4, "file", pixels="p", low=0, high=200, mean=100.0)


def table_of(rows: list[tuple[str, str, str, list[str]]], facts: list[ImageFacts]):
    """Rows of (sample, patient, image, splits)."""
    samples = [Sample(sample_id=one, patient_id=patient, image=image) for one, patient, image, _ in rows]
    table = build_table(samples, ("sick",), facts)
    import pyarrow as pa

    column = pa.array([splits for *_, splits in rows], pa.list_(pa.string()))
    return table.set_column(table.schema.get_field_index("splits"), SCHEMA.field("splits"), column)


def kinds(rows, facts) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for problem in audit(SPEC, table_of(rows, facts), facts):
        found.setdefault(problem.kind, []).append(f"{problem.where}: {problem.detail}")
    return found


def distinct(count: int) -> list[ImageFacts]:
    return [dataclasses.replace(FACT, pixels=str(index)) for index in range(count)]


def test_a_sound_dataset_has_nothing_to_say():
    rows = [
        ("a", "1", "a.png", ["main/train"]),
        ("b", "2", "b.png", ["main/train"]),
        ("c", "3", "c.png", ["main/test"]),
    ]
    assert kinds(rows, distinct(3)) == {}


def test_a_patient_in_two_parts_is_named_with_them():
    rows = [
        ("a", "1", "a.png", ["main/train"]),
        ("b", "1", "b.png", ["main/test"]),
        ("c", "2", "c.png", ["main/train"]),
    ]
    assert kinds(rows, distinct(3)) == {"shared-patient": ["split main: patient 1 is in test, train"]}


def test_equal_pixels_are_told_and_a_leak_between_parts_apart():
    rows = [
        ("a", "1", "a.png", ["main/train"]),
        ("b", "2", "b.png", ["main/test"]),
        ("c", "3", "c.png", ["main/train"]),
    ]
    facts = [FACT, FACT, dataclasses.replace(FACT, pixels="q")]
    assert kinds(rows, facts) == {
        "duplicate-pixels": ["b: the same pixels as a"],
        "shared-pixels": ["split main: an image (a) is in test, train"],
    }


def test_one_file_under_two_samples_is_no_repetition():
    rows = [("a", "1", "x.png", ["main/train"]), ("b", "1", "x.png", ["main/train"])]
    assert kinds(rows, [FACT, FACT]) == {}


def test_an_image_of_one_value_is_flat():
    rows = [("a", "1", "a.png", ["main/train"]), ("b", "2", "b.png", ["main/train"])]
    black = dataclasses.replace(FACT, pixels="0", high=0, mean=0.0)
    assert kinds(rows, [FACT, black]) == {"flat-image": ["b: every pixel is 0"]}


def test_names_that_differ_in_case_alone_collide():
    rows = [("a", "1", "dir/A.png", ["main/train"]), ("b", "2", "dir/a.png", ["main/train"])]
    assert kinds(rows, distinct(2)) == {"colliding-name": ["dir/a.png: differs from dir/A.png in case alone"]}


def test_sizes_other_than_published_are_counted():
    assert kinds([("a", "1", "a.png", ["main/train"])], distinct(1)) == {
        "count": ["main/train: 1 samples, published 2"]
    }


def test_labels_are_counted_by_part_and_value():
    samples = [
        Sample(sample_id=str(index), patient_id=str(index), image=f"{index}.png", labels=labels)
        for index, labels in enumerate([{"sick": 1}, {"sick": 0}, {"sick": UNCERTAIN}, {}, {"sick": 1}])
    ]
    table = build_table(samples, ("sick",), distinct(5))
    import pyarrow as pa

    splits = pa.array([["main/train"]] * 4 + [["main/test"]], pa.list_(pa.string()))
    table = table.set_column(table.schema.get_field_index("splits"), SCHEMA.field("splits"), splits)
    assert part_sizes(table) == {"main": {"train": 4, "test": 1}}
    counts = label_counts(table, ("sick",), ("absent", "present"))
    (train,) = counts["main/train"]
    assert (train.values, train.uncertain, train.unknown) == ({"absent": 1, "present": 1}, 1, 1)
    assert counts["main/test"][0].values == {"absent": 0, "present": 1}


def test_intensity_is_over_all_images_and_absent_for_texts():
    found = intensity([FACT, dataclasses.replace(FACT, low=5, high=255, mean=50.0)])
    assert (found.lowest, found.highest, found.mean) == (0, 255, 75.0)
    assert intensity([ImageFacts(0, 0, "")]) is None
