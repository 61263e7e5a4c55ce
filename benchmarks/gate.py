"""How often `medbench compare` calls a difference that is none a regression, and how often it sees a drop that is there.

``python -m benchmarks.gate [PAIRS]`` prints the rates over simulated pairs: 200 patients of different difficulty, a little
better or worse with every training (in points of percent, standard deviation), tolerance 0. Level 0.05.
"""

from __future__ import annotations

import sys

from tabulate import tabulate
from tests.core.compare_toys import alarm_rates

LEVEL = 0.05
CASES = (
    ("one seed", (range(1), range(1)), 0.0),
    ("two seeds, training noise 4", (range(2), range(2)), 0.15),
    ("three seeds, training noise 4", (range(3), range(3)), 0.15),
    ("three seeds, training noise 12", (range(3), range(3)), 0.5),
    ("three other seeds, training noise 4", (range(3), range(10, 13)), 0.15),
    ("five seeds, training noise 4", (range(5), range(5)), 0.15),
)
DROP = 0.5
"""Of skill: about 14 points of accuracy."""


def main(pairs: int) -> int:
    """Print a row a case; exit 1 where more null pairs regressed than the level allows."""
    rows, met = [], True
    for name, seeds, noise in CASES:
        regressed, significant = alarm_rates(pairs, seeds, noise)
        seen, _ = alarm_rates(pairs, seeds, noise, drop=DROP)
        met = met and regressed <= LEVEL
        rows.append([name, f"{regressed:.3f}", f"{significant:.3f}", f"{seen:.3f}"])
    header = [f"{pairs} pairs", "false regressions", "false changes, both ways", "drop of 14 points seen"]
    print(tabulate(rows, headers=header, disable_numparse=True))
    return int(not met)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
