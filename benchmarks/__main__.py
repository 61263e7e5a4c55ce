"""Print every benchmark as a table; exit 1 where a target is missed. ``python -m benchmarks [NAME ...]`` for some.

Each is a module with ``compare()``, whose answer has ``rows`` (what, figure, ratio, target) and says whether its target is
``met``; both sides of a ratio are measured in the same run.
"""

from __future__ import annotations

import importlib
import sys

from tabulate import tabulate

FIGURES = {
    "startup": "seconds (best)",
    "planning": "seconds (best)",
    "encoding": "images / s",
    "pixels": "images / CPU s",
    "sharing": "seconds",
    "memory": "peak memory",
    "bootstrap": "seconds",
    "linear_probe": "seconds",
    "retrieval": "time, peak memory",
    "detection_metric": "seconds (best)",
    "report_metrics": "seconds",
    "pages": "seconds, peak memory",
    "scaling": "seconds",
}
"""By module: what the figures in its table are."""


def main(names: list[str]) -> int:
    """Measure and print those of that name, or all."""
    unknown = [name for name in names if name.replace("-", "_") not in FIGURES]
    if unknown:
        known = ", ".join(FIGURES).replace("_", "-")
        print(f"no benchmark is called {unknown[0]}; there are {known}", file=sys.stderr)
        return 2
    missed = []
    for name in [one.replace("-", "_") for one in names] or FIGURES:
        found = importlib.import_module(f"benchmarks.{name}").compare()
        shown = name.replace("_", "-")
        headers = [shown, FIGURES[name], "ratio", "target"]
        print(tabulate(found.rows, headers=headers, disable_numparse=True), "\n", flush=True)
        if not found.met:
            missed.append(shown)
    if missed:
        print(f"target missed: {', '.join(missed)}", file=sys.stderr)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
