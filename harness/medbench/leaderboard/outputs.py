"""Every file of a leaderboard's folder, in memory: which formats there are, and what each makes of the records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from medbench.errors import UsageError
from medbench.leaderboard.csv_export import CSV_NAME, leaderboard_csv
from medbench.leaderboard.json_export import JSON_NAME, leaderboard_json
from medbench.leaderboard.latex_export import latex_files
from medbench.leaderboard.pages import pages_of
from medbench.leaderboard.table import Specs, build_tables, reported_tables
from medbench.records import Record

Format = Literal["markdown", "csv", "json", "latex"]
FORMATS: tuple[Format, ...] = get_args(Format)


def formats_of(text: str) -> tuple[Format, ...]:
    """``markdown,csv`` as formats, each once. Raises `UsageError`."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        found = f"no format '{unknown[0]}'" if unknown else "no format named"
        raise UsageError(f"{found} in --format", fix=f"name some of {', '.join(FORMATS)}")
    return tuple(one for one in FORMATS if one in names)


def build_files(records: Iterable[Record], specs: Specs, formats: Iterable[Format]) -> dict[str, bytes]:
    """Relative path -> content; the same records give the same bytes."""
    tables = build_tables(records, specs)
    reported = reported_tables(tables, specs)
    wanted = set(formats)
    files: dict[str, bytes] = {}
    if "markdown" in wanted:
        files |= {name: text.encode() for name, text in pages_of(tables, reported, specs).items()}
    if "csv" in wanted:
        files[CSV_NAME] = leaderboard_csv([*tables, *reported])
    if "json" in wanted:
        files[JSON_NAME] = leaderboard_json([*tables, *reported])
    if "latex" in wanted:
        latex = latex_files([*tables, *reported], specs.tasks)
        files |= {name: text.encode() for name, text in latex.items()}
    return files
