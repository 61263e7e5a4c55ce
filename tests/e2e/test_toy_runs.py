"""A user's whole path with the toy plugin: phantom, plan, run, again, killed, leaderboard, rescore, bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import Shell, install

RUN = ("run", "--methods", "toy", "--tasks", "toy-bright")


@pytest.fixture
def ready(shell: Shell) -> Shell:
    """A folder with the toy's phantom, whose settings every command finds by itself."""
    shell("phantom", ".", "--datasets", "toy", "--methods", "toy", "--images", "24", "--side", "64")
    return shell


def records(shell: Shell) -> list[Path]:
    return sorted((shell.folder / "results").glob("*/*/*.json"))


def test_run_prepares_runs_and_prints_a_leaderboard_then_does_nothing_twice(ready: Shell) -> None:
    first = ready(*RUN)
    assert "toy (phantom): 24 of 24 samples usable; main 8/8/8" in first.stderr
    assert "toy@plain" in first.stdout
    assert len(records(ready)) == 1
    before = {path: path.stat().st_mtime_ns for path in records(ready)}
    again = ready(*RUN)
    assert "1 trials: 1 done" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in records(ready)} == before


def test_a_part_that_is_found_missing_only_by_preparing_blocks_and_is_said_once(ready: Shell) -> None:
    """With two rows the toy has no third part; before the preparation nobody can know."""
    table = next(ready.folder.rglob("labels.csv"))
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:3]))
    done = ready(*RUN, code=3)
    told = "blocked: toy has no readable sample in the test part of split 'main' (there are: main/train, main/valid)"
    assert done.stderr.count(told) == 1 and "1 trials: 1 blocked" in done.stderr
    assert records(ready) == []
    assert told.removeprefix("blocked: ") in ready(*RUN, "--strict", code=3).stderr


def test_plan_json_and_dry_run_agree(ready: Shell) -> None:
    planned = json.loads(ready("plan", *RUN[1:], "--json").stdout)
    assert planned == json.loads(ready(*RUN, "--dry-run", "--json").stdout)
    assert (planned[0]["state"], planned[0]["reason"]) == ("ready", "toy will be prepared first")


def test_killed_in_the_middle_then_finished_without_loss_or_double(ready: Shell) -> None:
    ready(*RUN, "--seeds", "0")
    marker = ready.folder / "marker"
    process = ready.start(*RUN, "--seeds", "0,1,2", TOY_STOP_AT=str(marker))
    _wait_for(marker, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(records(ready)) == 1
    ready(*RUN, "--seeds", "0,1,2")
    assert len(records(ready)) == 3
    assert len(list((ready.folder / "results").rglob("*.parquet"))) == 3
    assert list((ready.folder / "results").rglob(".partial-*")) == []


def test_two_processes_share_a_folder_without_doing_a_trial_twice(ready: Shell) -> None:
    ready("data", "prepare", "toy")
    arguments = (*RUN, "--seeds", "0,1,2,3", "--json")
    both = [ready.start(*arguments), ready.start(*arguments)]
    outputs = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    events = [json.loads(line) for output in outputs for line in output.splitlines() if line.startswith("{")]
    started = [event["trial"] for event in events if event["event"] == "trial_started"]
    assert sorted(started) == sorted(set(started))
    assert len(started) == 4
    assert len(records(ready)) == 4


def test_a_full_disk_is_one_line_and_nothing_is_lost(ready: Shell) -> None:
    ready(*RUN)
    small = ready.folder / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k", "none", str(small)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here; the unit test with a failing write covers the path")
    try:
        result = ready(*RUN, "--results", str(small), code=1)
        assert "No space left on device - free some space" in result.stderr
        assert "Traceback" not in result.stderr
        assert list(small.rglob("*.json")) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert len(records(ready)) == 1


def test_leaderboard_build_check_and_stale(ready: Shell) -> None:
    ready(*RUN)
    ready("leaderboard", "build")
    pages = {path.name: path.read_bytes() for path in (ready.folder / "leaderboards").glob("*.md")}
    assert "toy-bright.md" in pages
    assert ready("leaderboard", "check").stdout.strip() == "the leaderboard is fresh"
    ready(*RUN, "--seeds", "1")
    stale = ready("leaderboard", "check", code=1)
    assert "error: the leaderboard is stale: " in stale.stderr
    assert "medbench leaderboard build" in stale.stderr


def test_rescore_gives_the_same_numbers_and_names_what_it_cannot(ready: Shell) -> None:
    ready(*RUN)
    assert "0 records changed, 1 unchanged, 0 failed" in ready("rescore").stdout
    records(ready)[0].with_suffix(".parquet").write_bytes(b"PAR1")
    failed = ready("rescore", code=1)
    assert "are absent or damaged" in failed.stderr
    assert len(records(ready)) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("run", "--methods", "tyo", "--tasks", "toy-bright"), 2, "unknown method 'tyo' - did you mean 'toy'?"),
        (("run", "--methods", "toy", "--tasks", "toy-brihgt"), 2, "did you mean 'toy-bright'?"),
        (("run", "--methods", "toy"), 2, "Missing option '--tasks'"),
        ((*RUN, "--recipe", "mgca"), 2, "unknown recipe of toy-bright 'mgca'"),
        ((*RUN, "--fractions", "ten"), 2, "--fractions is 'ten'"),
        ((*RUN, "--fractions", "7"), 2, "outside (0, 1]"),
        ((*RUN, "--set", "steps"), 2, "write --set FIELD=VALUE"),
        ((*RUN, "--set", "stpes=1"), 2, "did you mean 'steps'?"),
        ((*RUN, "--precision", "fp8"), 2, "unknown precision"),
        (("run", "--methods", "toy@weighted", "--tasks", "toy-bright"), 3, "no checkpoint for toy@weighted at"),
        ((*RUN, "--data", "nowhere"), 3, "no data for toy: nowhere/toy does not exist"),
        ((*RUN, "--config", "nowhere.toml"), 2, "no settings file at nowhere.toml"),
        (("shwo", "toy"), 2, "unknown command 'shwo' - did you mean 'show'?"),
        (("show", "nothing"), 2, "unknown method, dataset or task 'nothing'"),
        (("leaderboard", "check", "--results", "nowhere"), 2, "no results folder at nowhere"),
        (("data", "prepare", "toy", "--data", "nowhere"), 3, "does not exist"),
    ],
)
def test_bad_input_is_one_line_with_its_exit_code(
    ready: Shell, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = ready(*arguments, code=code)
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_strict_run_runs_nothing_when_something_is_missing(ready: Shell) -> None:
    mixed = ("run", "--methods", "toy@plain,toy@weighted", "--tasks", "toy-bright")
    ready(*mixed, "--strict", code=3)
    assert records(ready) == []
    ready(*mixed, code=3)
    assert len(records(ready)) == 1


def test_a_checkpoint_that_would_run_code_does_not(ready: Shell) -> None:
    import pickle

    path = ready.folder / "checkpoints" / "toy" / "weighted.safetensors"
    path.parent.mkdir(parents=True)
    code = f"open({str(ready.folder / 'ran')!r}, 'w')"
    path.write_bytes(pickle.dumps(_Runs(code)))
    for name in ("weighted.safetensors", "weighted.ckpt"):
        moved = path.with_name(name)
        path.replace(moved)
        settings = ready.folder / "medbench.toml"
        base = settings.read_text().split("[checkpoints]")[0]
        settings.write_text(f'{base}[checkpoints]\n"toy@weighted" = "{moved}"\n')
        result = ready("run", "--methods", "toy@weighted", "--tasks", "toy-bright", code=3)
        assert "FAILED toy@weighted" in result.stderr
        path = moved
    assert not (ready.folder / "ran").exists()


def test_broken_and_contesting_plugins_are_named_and_the_rest_runs(ready: Shell, tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(site, "broken-plugin", "broken_plugin", "raise ImportError('half installed')\n")
    result = ready(*RUN)
    assert "warning: plugin broken-plugin (broken-plugin 1.0): ImportError: half installed" in result.stderr
    again = "import medbench_toy\nfrom medbench.hookspecs import hookimpl\n"
    again += "@hookimpl\ndef medbench_methods():\n    return [medbench_toy.METHOD]\n"
    install(site, "copy-plugin", "copy_plugin", again)
    contested = ready(*RUN, code=2)
    assert "error: method 'toy' is claimed by" in contested.stderr
    states = {one["name"]: one["state"] for one in json.loads(ready("plugins", "--json").stdout)}
    assert states["broken-plugin"] == "broken"
    assert states["copy-plugin"] == "broken"
    assert states["toy-plugin"] == "partly"


def test_doctor_says_what_works_and_names_what_is_broken(ready: Shell, tmp_path: Path) -> None:
    install(tmp_path / "site", "broken-plugin", "broken_plugin", "raise ImportError('half installed')\n")
    findings = {one["subject"]: one for one in json.loads(ready("doctor", "--json", code=1).stdout)}
    assert findings["plugin broken-plugin (broken-plugin 1.0)"]["state"] == "broken"
    assert findings["mmcv ops"]["state"] == "ok"
    assert findings["weights toy@plain"]["detail"] == "none needed"
    missing = findings["weights toy@weighted"]
    assert (missing["state"], "https://example.org/w" in missing["mend"]) == ("absent", True)


def test_show_list_and_status_speak_of_the_toy(ready: Shell) -> None:
    assert "toy-bright" in ready("list", "tasks").stdout
    shown = ready("show", "toy-bright").stdout
    assert "task toy-bright" in shown
    assert "ToyRecipe" not in shown
    assert json.loads(ready("show", "toy", "--json").stdout)["dataset"]["licence"] == "CC0-1.0"
    assert "not prepared (phantom)" in ready("data", "status", "toy").stdout


def test_verify_notices_a_changed_image(ready: Shell) -> None:
    ready("data", "prepare", "toy")
    image = ready.folder / "data" / "toy" / "images" / "t001.png"
    image.write_bytes((ready.folder / "data" / "toy" / "images" / "t002.png").read_bytes())
    result = ready("data", "verify", "toy", code=3)
    assert "the content has changed since it was prepared" in result.stderr
    assert "prepared" in ready("data", "status", "toy").stdout


def test_phantom_refuses_a_folder_with_real_files(shell: Shell) -> None:
    real = shell.folder / "data" / "toy"
    real.mkdir(parents=True)
    (real / "labels.csv").write_text("mine")
    result = shell("phantom", ".", "--datasets", "toy", code=2)
    assert "holds files that are not a phantom" in result.stderr
    assert (real / "labels.csv").read_text() == "mine"


def test_phantom_refuses_to_replace_settings_or_weights_of_a_person(shell: Shell) -> None:
    (shell.folder / "medbench.toml").write_text("[compute]\nworkers = 2\n")
    refused = shell("phantom", ".", "--datasets", "toy", "--methods", "toy", code=2)
    assert "was not written by medbench phantom" in refused.stderr
    (shell.folder / "medbench.toml").unlink()
    weights = shell.folder / "checkpoints" / "mgca" / "resnet_50.ckpt"
    weights.parent.mkdir(parents=True)
    weights.write_text("downloaded for hours")
    assert "is not a phantom" in shell("phantom", ".", "--datasets", "toy", "--methods", "mgca", code=2).stderr
    assert weights.read_text() == "downloaded for hours"
    assert not (shell.folder / "data").exists()


def test_phantom_twice_is_the_same_phantom(ready: Shell) -> None:
    ready(*RUN)
    ready("phantom", ".", "--datasets", "toy", "--methods", "toy", "--images", "24", "--side", "64")
    assert "1 trials: 1 done" in ready(*RUN).stderr


class _Runs:
    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (self.code,)


def _wait_for(marker: Path, process: subprocess.Popen[str]) -> None:
    for _ in range(600):
        if marker.exists():
            return
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    raise AssertionError("the trial never began")
