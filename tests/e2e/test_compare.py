"""``medbench compare`` as a user and a CI job run it, on record files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from defusedxml import ElementTree

from medbench.records import Record
from medbench.store import ResultStore
from tests.core.compare_toys import answers, flipped, record_of
from tests.e2e.conftest import Shell

BASE = [answers(0.7, seed) for seed in range(3)]
NOISE = [flipped(flipped(right, 12, 5), 11, 6, to=1.0) for right in BASE]
DROP = [flipped(right, 24 + seed) for seed, right in enumerate(BASE)]


def toy_record(right: Any, seed: int, **changes: Any) -> Record:
    """A record of the toy plugin's task."""
    named = {"task": "toy-bright", "method": "toy", "variant": "plain", "dataset": "toy", "task_version": 1}
    return record_of(right, metric="accuracy", seed=seed, **{**named, **changes})


def keep(folder: Path, sides: list[Any], **changes: Any) -> None:
    for seed, right in enumerate(sides):
        ResultStore(folder).write_record(toy_record(right, seed, **changes))


@pytest.fixture
def home(shell: Shell) -> Shell:
    """Folders ``base``, ``noise`` and ``drop`` of three seeds each."""
    for name, sides in (("base", BASE), ("noise", NOISE), ("drop", DROP)):
        keep(shell.folder / name, sides)
    return shell


def test_noise_passes_and_a_planted_drop_fails(home: Shell) -> None:
    passed = home("compare", "base", "noise", "--fail-on-regression")
    assert "passes: 1 within noise" in passed.stdout
    failed = home("compare", "base", "drop", "--fail-on-regression", code=1)
    assert "fails (1 regressed): 1 regressed" in failed.stdout
    assert failed.stderr.splitlines()[-1] == "error: the gate fails: 1 regressed"
    home("compare", "base", "drop", "--fail-on-regression", "--tolerance", "20")
    home("compare", "base", "drop", "--fail-on-regression", "--tolerance", "0.5", "--tolerance", "accuracy=20")


def test_revisions_are_compared_as_folders_are(home: Shell) -> None:
    def git(*arguments: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *arguments], cwd=home.folder, capture_output=True, check=True)

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "records")
    home("compare", "HEAD:base", "HEAD:noise", "--fail-on-regression")
    home("compare", "HEAD:base", "drop", "--fail-on-regression", code=1)
    assert "has no 'leaderboards/records' or 'results'" in home("compare", "HEAD", "drop", code=2).stderr


def test_every_output_of_a_failing_gate(home: Shell, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    result = home(
        *("compare", "base", "drop", "--fail-on-regression", "--github", "--junit", "junit.xml"),
        code=1,
        GITHUB_STEP_SUMMARY=str(summary),
    )
    assert "::error title=toy@plain on toy-bright (standard%2C 100 %25)%3A accuracy::regressed" in result.stdout
    assert "| toy-bright" in summary.read_text()
    suite = ElementTree.fromstring((home.folder / "junit.xml").read_bytes()).find("testsuite")
    assert suite.get("failures") == "1"
    document = json.loads(home("compare", "base", "drop", "--format", "json").stdout)
    assert document["counts"] == {"regressed": 1}


def test_other_weights_are_refused_until_they_are_allowed(home: Shell) -> None:
    keep(home.folder / "other", NOISE, checkpoint_sha256="f" * 64)
    refused = home("compare", "base", "other", "--fail-on-regression", code=2)
    assert "checkpoint cccccccc / ffffffff" in refused.stdout
    assert "error: the comparison is undecided: 1 refused" in refused.stderr
    home("compare", "base", "other", "--fail-on-regression", "--allow", "split,weights")


def test_a_drop_does_not_pass_where_the_old_records_lie_beside_it(home: Shell) -> None:
    keep(home.folder / "noise", DROP, checkpoint_sha256="f" * 64)
    gate = ("compare", "base", "noise", "--fail-on-regression", "--allow")
    assert "several sets of records fit" in home(*gate, "weights", code=2).stdout
    assert "1 new" in home(*gate, "extra").stdout


def test_missing_and_damaged_records(home: Shell) -> None:
    keep(home.folder / "base", BASE, variant="weighted")
    home("compare", "base", "noise", "--fail-on-regression")
    assert "1 missing in NEW" in home("compare", "base", "noise", "--fail-on-missing", code=1).stderr
    damaged = next((home.folder / "noise").rglob("*.json"))
    damaged.write_text(damaged.read_text()[:100])
    assert "warning: " in home("compare", "base", "noise").stderr
    assert "1 records cannot be read" in home("compare", "base", "noise", "--fail-on-regression", code=1).stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nothing", "noise"], "'nothing'"),
        (["--", "--help", "noise"], "'--help'"),
        (["base", "noise", "--metrics", "acuracy"], "did you mean 'accuracy'?"),
        (["base", "noise", "--tolerance", "much"], "the tolerance is 'much'"),
        (["base", "noise", "--tolerance", "1,2"], "two tolerances of percent"),
        (["base", "noise", "--tolerance", "acuracy=1"], "did you mean 'accuracy'?"),
        (["base", "noise", "--method-base", "toy", "--method-new", "none"], "nothing could be compared"),
    ],
)
def test_misuse_is_one_line_and_exit_two(home: Shell, arguments: list[str], told: str) -> None:
    result = home("compare", *arguments, code=2)
    assert told in result.stderr and len(result.stderr.splitlines()) == 1


@pytest.mark.slow
def test_runs_of_the_toy_are_compared(shell: Shell) -> None:
    """Its protocol keeps no replicates, so that its numbers are shown, and a gate that stands on them is undecided."""
    shell("phantom", "phantom", "--datasets", "toy", "--images", "96")
    for name, seeds in (("one", "0"), ("two", "1")):
        options = ["--methods", "toy", "--tasks", "toy-bright", "--seeds", seeds, "--results", name]
        shell("run", "--config", "phantom/medbench.toml", *options)
    assert "1 same" in shell("compare", "one", "one", "--fail-on-regression").stdout
    shown = shell("compare", "one", "two", "--format", "json")
    (line,) = json.loads(shown.stdout)["lines"]
    assert line["verdict"] in {"same", "not tested"} and line["change"] is not None


def test_comparing_loads_no_torch_and_numpy_only_to_pair(home: Shell) -> None:
    code = (
        "import sys\nfrom medbench.cli import main\nsys.argv = ['medbench', 'compare', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('LOADED', *[name for name in ('torch', 'numpy', 'pyarrow', 'scipy') if name in sys.modules])\n"
    )
    keep(home.folder / "gone", NOISE, variant="weighted")
    for new, loaded in (("gone", []), ("noise", ["numpy", "scipy"])):
        result = subprocess.run(
            [sys.executable, "-c", code, "base", new],
            cwd=home.folder,
            env=home.variables({}),
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stdout.splitlines()[-1].split()[1:] == loaded
