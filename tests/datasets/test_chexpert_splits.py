"""CheXpert's divisions: against the released rule written in pandas, and at a size where the published numbers hold."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from medbench.samples import UNCERTAIN, Problem, Sample
from medbench_datasets import chexpert
from medbench_datasets.chexpert_splits import COMPETITION, EACH, HELD_OUT, Entry, divide_tables

OTHERS = [name for name in chexpert.LABELS if name != "No Finding"]


def _entry(index: int, patient: int, labels: dict[str, int], *, frontal: bool = True) -> Entry:
    return Entry(Sample(sample_id=f"{index:06d}", patient_id=f"patient{patient:05d}", labels=labels), frontal)


def _random_tables(rows: int) -> tuple[list[Entry], list[Entry]]:
    rng = np.random.default_rng(3)
    train = []
    for index in range(rows):
        labels = {name: 0 for name in chexpert.LABELS if rng.random() < 0.3}
        labels |= {str(name): 1 for name in rng.choice(COMPETITION, rng.integers(0, 3), replace=False)}
        labels |= {"Fracture": UNCERTAIN} if rng.random() < 0.1 else {}
        labels |= {"No Finding": 1} if rng.random() < 0.2 else {}
        train.append(_entry(index, index // 3, labels, frontal=bool(rng.random() < 0.8)))
    return train, [_entry(rows + index, rows + index, {}) for index in range(5)]


def _frame(entries: list[Entry]) -> pd.DataFrame:
    rows = [{"id": one.sample.sample_id, "frontal": one.frontal, **one.sample.labels} for one in entries if one.sample]
    return pd.DataFrame(rows, columns=["id", "frontal", *chexpert.LABELS]).fillna(0)


def test_5x200_and_the_released_split_are_those_of_the_rule_in_pandas() -> None:
    train, valid = _random_tables(800)
    splits = divide_tables(train, valid, [])
    frame = _frame(train)
    frontal = frame[frame["frontal"]]
    alone = {
        name: frontal[(frontal[name] == 1) & (frontal[[one for one in OTHERS if one != name]] == 0).all(axis=1)]
        for name in COMPETITION
    }
    count = (min(map(len, alone.values())) + 1) // 2
    assert count > 5
    five = [one for rows in alone.values() for one in rows.sample(n=count, random_state=0)["id"]]
    assert splits["5x200"] == {"test": five}

    rest = frame[~frame["id"].isin(five)]
    np.random.seed(0)
    positions = np.random.choice(len(rest), size=len(rest) // 5, replace=False)
    held = rest.iloc[positions]
    kept = rest.drop(positions, errors="ignore")
    assert splits["as-released"]["valid"] == held[held["frontal"]]["id"].tolist()
    assert splits["as-released"]["train"] == kept[kept["frontal"]]["id"].tolist()
    assert set(splits["as-released"]["train"]) & set(splits["as-released"]["valid"])
    assert splits["as-released"]["test"] == splits["patient"]["test"] == [f"{800 + index:06d}" for index in range(5)]


def test_published_sizes_hold_where_there_are_images_enough() -> None:
    singles = [{name: 1} for name in COMPETITION for _ in range(EACH + 10)]
    train = [_entry(index, index // 3, labels) for index, labels in enumerate([*singles, *[{}] * 29_000])]
    patient_of = {one.sample.sample_id: one.sample.patient_id for one in train if one.sample}
    problems: list[Problem] = []
    splits = divide_tables(train, [], problems)
    assert problems == []
    label_of = {one.sample.sample_id: next(iter(one.sample.labels), "") for one in train if one.sample}
    assert Counter(label_of[one] for one in splits["5x200"]["test"]) == dict.fromkeys(COMPETITION, EACH)
    parts = splits["patient"]
    assert len(parts["valid"]) == pytest.approx(HELD_OUT, abs=3)
    assert not {patient_of[one] for one in parts["train"]} & {patient_of[one] for one in parts["valid"]}
    assert sorted(parts["train"] + parts["valid"] + splits["5x200"]["test"]) == sorted(patient_of)
    released = splits["as-released"]
    assert len(released["valid"]) == HELD_OUT
    assert len(set(released["train"]) & set(released["valid"])) > 0.7 * HELD_OUT


def test_without_one_of_the_five_findings_there_is_no_5x200() -> None:
    train = [_entry(index, index, {COMPETITION[index % 4]: 1}) for index in range(20)]
    problems: list[Problem] = []
    splits = divide_tables(train, [], problems)
    assert splits["5x200"] == {"test": []}
    assert [problem.kind for problem in problems] == ["count"]
    assert len(splits["patient"]["train"]) + len(splits["patient"]["valid"]) == len(train)
