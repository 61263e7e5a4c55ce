"""``leaderboard build`` (every format) and ``report`` over 10,000 records: seconds by the clock, and peak memory.

100 tasks, 20 methods, 5 trials each, with replicates of three metrics and no predictions. Each command runs in a process of
its own, as a user types it. Beside them stands what any program must do first: read the files and parse their JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.many_records import install_plugin, write_many

SECONDS, MIB = 10.0, 1024.0
COMMANDS = {
    "leaderboard build, every format": "leaderboard build --results results --out pages --format markdown,csv,json,latex",
    "report": "report results --no-predictions",
}
_CODE = """
import resource, sys
from medbench.cli import main
try:
    main()
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, file=sys.stderr)
"""


class Spent(NamedTuple):
    """What a command took: seconds by the clock, seconds of the processor, peak MiB."""

    command: str
    seconds: float
    processor_s: float
    mib: float


class Measured(NamedTuple):
    """The commands, the number of records, and the seconds of reading them alone."""

    spent: Sequence[Spent]
    records: int
    reading_s: float

    @property
    def met(self) -> bool:
        return all(one.seconds < SECONDS and one.mib < MIB for one in self.spent)

    @property
    def rows(self) -> list[list[str]]:
        """For a table: what, seconds and memory, ratio, target."""
        rows = [[f"read and parse {self.records:,} JSON files", f"{self.reading_s:.1f} s", "1.0", ""]]
        for one in self.spent:
            took = f"{one.seconds:.1f} s ({one.processor_s:.1f} s of the processor), {one.mib:.0f} MiB"
            rows.append(
                [one.command, took, f"{one.seconds / self.reading_s:.1f}", f"under {SECONDS:g} s and {MIB:g} MiB"]
            )
        return rows


def compare() -> Measured:
    """Write the records, then run each command. Raises `CalledProcessError` where one fails."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records = write_many(folder / "results")
        install_plugin(folder / "site")
        begin = time.perf_counter()
        for path in sorted((folder / "results").glob("*/*/*.json")):
            json.loads(path.read_bytes())
        reading = time.perf_counter() - begin
        return Measured([_spent(name, line, folder) for name, line in COMMANDS.items()], records, reading)


def _spent(name: str, line: str, folder: Path) -> Spent:
    paths = [str(folder / "site"), str(Path(__file__).resolve().parents[1])]
    begin = time.perf_counter()
    told = subprocess.run(
        [sys.executable, "-c", _CODE, *line.split()],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - begin
    processor, mib = map(float, told.stderr.splitlines()[-1].split())
    return Spent(name, seconds, processor, mib)
