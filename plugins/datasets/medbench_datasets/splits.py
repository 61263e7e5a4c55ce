"""Dividing ids into parts by scikit-learn's ``train_test_split``, as the published protocols do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SEED = 0
_FEWEST = 4


def held_out_count(total: int, official_total: int, official_held_out: int) -> int:
    """How many of ``total`` ids are held out: the official number on official data, else the nearest same share, from 2."""
    if total == official_total:
        return official_held_out
    return max(2, round(total * official_held_out / official_total))


def halve_held_out(ids: Sequence[str], held_out: float) -> dict[str, list[str]]:
    """Train, and a held-out part whose first half is test and second half is valid, in scikit-learn's order.

    ``held_out`` is a count (int) or a share (float); both draws use seed 0. This is the rule of the MGCA release for
    RSNA and SIIM. Fewer than four ids cannot be divided: all of them are then ``train``.
    """
    from sklearn.model_selection import train_test_split

    if len(ids) < _FEWEST:
        return {"train": list(ids), "valid": [], "test": []}
    train, rest = train_test_split(list(ids), test_size=held_out, random_state=SEED)
    test, valid = train_test_split(rest, test_size=0.5, random_state=SEED)
    return {"train": train, "valid": valid, "test": test}


def divide(ids: Sequence[str], *, valid: float, test: float) -> dict[str, list[str]]:
    """Train, valid and test by share of the whole: test is drawn first, valid from the rest, both with seed 0.

    Fewer than four ids cannot be divided: all of them are then ``train``.
    """
    from sklearn.model_selection import train_test_split

    if len(ids) < _FEWEST:
        return {"train": list(ids), "valid": [], "test": []}
    rest, tested = train_test_split(list(ids), test_size=test, random_state=SEED)
    train, validated = train_test_split(rest, test_size=valid / (1 - test), random_state=SEED)
    return {"train": train, "valid": validated, "test": tested}


def members_of(drawn: Mapping[str, Sequence[str]], group_of: Mapping[str, str]) -> dict[str, list[str]]:
    """The ids of each part's groups (patients, articles, images), in the order of ``group_of``; every group is drawn."""
    part_of = {group: part for part, groups in drawn.items() for group in groups}
    members: dict[str, list[str]] = {part: [] for part in drawn}
    for one, group in group_of.items():
        members[part_of[group]].append(one)
    return members


def draw_valid(ids: Sequence[str], share: float) -> dict[str, list[str]]:
    """``train`` and ``valid``, which is ``share`` of ``ids`` drawn with seed 0, in scikit-learn's order.

    For lists whose test part is given. Fewer than four ids cannot be divided: all of them are then ``train``.
    """
    from sklearn.model_selection import train_test_split

    if len(ids) < _FEWEST:
        return {"train": list(ids), "valid": []}
    train, valid = train_test_split(list(ids), test_size=share, random_state=SEED)
    return {"train": train, "valid": valid}
