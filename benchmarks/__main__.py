"""Print every benchmark as a table; exit 1 where a target is missed."""

from __future__ import annotations

import sys

from tabulate import tabulate

from benchmarks import startup


def main() -> int:
    """Measure and print."""
    found = startup.measure()
    rows = [
        ["python -c 'import click, pluggy, rich'", f"{found.baseline_s:.3f}", "1.00", ""],
        ["medbench list methods", f"{found.command_s:.3f}", f"{found.ratio:.2f}", f"at most {startup.TARGET}"],
    ]
    print(tabulate(rows, headers=["start-up", "seconds (best)", "ratio", "target"], disable_numparse=True))
    return int(found.ratio > startup.TARGET)


if __name__ == "__main__":
    sys.exit(main())
