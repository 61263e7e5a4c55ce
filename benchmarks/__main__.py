"""Print every benchmark as a table; exit 1 where a target is missed. ``python -m benchmarks [NAME ...]`` for some."""

from __future__ import annotations

import importlib
import sys
from typing import NamedTuple

from tabulate import tabulate


class Result(NamedTuple):
    """A benchmark's table and whether it met its target."""

    heading: str
    rows: list[list[str]]
    met: bool


def _startup() -> Result:
    startup = importlib.import_module("benchmarks.startup")
    found = startup.measure()
    rows = [
        ["python -c 'import click, pluggy, rich'", f"{found.baseline_s:.3f}", "1.00", ""],
        ["medbench list methods", f"{found.command_s:.3f}", f"{found.ratio:.2f}", f"at most {startup.TARGET}"],
    ]
    return Result("seconds (best)", rows, found.ratio <= startup.TARGET)


def _bootstrap() -> Result:
    bootstrap = importlib.import_module("benchmarks.bootstrap")
    found = bootstrap.compare()
    return Result("seconds", found.rows, found.ratio >= bootstrap.TARGET)


def _encoding() -> Result:
    encoding = importlib.import_module("benchmarks.encoding")
    found = encoding.compare()
    return Result("images / s", found.rows, found.ratio >= encoding.TARGET)


def _sharing() -> Result:
    sharing = importlib.import_module("benchmarks.sharing")
    found = sharing.compare()
    return Result("seconds", found.rows, found.ratio <= sharing.TARGET)


def _linear_probe() -> Result:
    linear = importlib.import_module("benchmarks.linear_probe")
    found = linear.compare()
    rows = [
        row
        for sweep in found
        for row in (
            [
                f"{sweep.name}: scikit-learn (from {sweep.fits} of {sweep.problems} fits)",
                f"{sweep.sklearn_s:.1f}",
                "1.0",
                "",
            ],
            [f"{sweep.name}: medbench", f"{sweep.sweep_s:.2f}", f"{sweep.ratio:.1f}", f"at least {linear.TARGET:g}"],
        )
    ]
    return Result("seconds", rows, all(sweep.ratio >= linear.TARGET for sweep in found))


def _retrieval() -> Result:
    retrieval = importlib.import_module("benchmarks.retrieval")
    found = retrieval.compare()
    return Result("time, peak memory", found.rows, found.met)


def _report_metrics() -> Result:
    metrics = importlib.import_module("benchmarks.report_metrics")
    found = metrics.compare()
    return Result("seconds", found.rows, found.ratio >= metrics.TARGET)


def _pages() -> Result:
    pages = importlib.import_module("benchmarks.pages")
    found = pages.measure()
    return Result("seconds, peak memory", found.rows, found.met)


BENCHMARKS = {
    "startup": _startup,
    "encoding": _encoding,
    "sharing": _sharing,
    "bootstrap": _bootstrap,
    "linear-probe": _linear_probe,
    "retrieval": _retrieval,
    "report-metrics": _report_metrics,
    "pages": _pages,
}


def main(names: list[str]) -> int:
    """Measure and print those of that name, or all."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark is called {unknown[0]}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    missed = []
    for name in names or BENCHMARKS:
        result = BENCHMARKS[name]()
        print(tabulate(result.rows, headers=[name, result.heading, "ratio", "target"], disable_numparse=True), "\n")
        if not result.met:
            missed.append(name)
    if missed:
        print(f"target missed: {', '.join(missed)}", file=sys.stderr)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
