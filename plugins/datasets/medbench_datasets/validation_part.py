"""Drawing a validation part from a training list whose test part is given, by scikit-learn's ``train_test_split``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SEED = 0
_FEWEST = 4


def draw_valid(ids: Sequence[str], share: float) -> dict[str, list[str]]:
    """``train`` and ``valid``, which is ``share`` of ``ids`` drawn with seed 0, in scikit-learn's order.

    Fewer than four ids cannot be divided: all of them are then ``train``.
    """
    from sklearn.model_selection import train_test_split

    if len(ids) < _FEWEST:
        return {"train": list(ids), "valid": []}
    train, valid = train_test_split(list(ids), test_size=share, random_state=SEED)
    return {"train": train, "valid": valid}
