"""``medbench report`` of 10,000 records (100 tasks, 20 methods, 5 trials each, with replicates): seconds and peak memory.

The command runs in a process of its own, as a user types it, without predictions. Seconds are of the processor, since the
machine may be shared: all is done in one thread. Beside it stands what any program must do first: read the files and parse
their JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.many_records import install_plugin, write_many

SECONDS, MIB = 10.0, 1024.0
_COMMAND = """
import resource, sys, time
from medbench.cli import main
try:
    main()
finally:
    print(time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, file=sys.stderr)
"""


class Measured(NamedTuple):
    """Seconds and MiB of the report, seconds of reading alone, the number of records and the size of the page in MB."""

    seconds: float
    mib: float
    reading_s: float
    records: int
    page_mb: float

    @property
    def met(self) -> bool:
        return self.seconds < SECONDS and self.mib < MIB

    @property
    def rows(self) -> list[list[str]]:
        """For a table: what, seconds and memory, ratio, target."""
        spent = f"{self.seconds:.1f} s, {self.mib:.0f} MiB"
        ratio = f"{self.seconds / self.reading_s:.1f}"
        return [
            [f"read and parse {self.records:,} JSON files", f"{self.reading_s:.1f} s", "1.0", ""],
            [f"report, {self.page_mb:.1f} MB of HTML", spent, ratio, f"under {SECONDS:g} s and {MIB:g} MiB"],
        ]


def measure() -> Measured:
    """Write the records, then make the report of them. Raises `CalledProcessError` where that fails."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records = write_many(folder / "results")
        install_plugin(folder / "site")
        begin = time.process_time()
        for path in sorted((folder / "results").glob("*/*/*.json")):
            json.loads(path.read_bytes())
        reading = time.process_time() - begin
        paths = [str(folder / "site"), str(Path(__file__).resolve().parents[1])]
        told = subprocess.run(
            [sys.executable, "-c", _COMMAND, "report", "results", "--no-predictions"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            capture_output=True,
            text=True,
            check=True,
        )
        seconds, mib = map(float, told.stderr.splitlines()[-1].split())
        return Measured(seconds, mib, reading, records, (folder / "report.html").stat().st_size / 1e6)
