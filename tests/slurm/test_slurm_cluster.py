"""The Slurm executor against a real Slurm of one node: jobs and drivers are killed, and nothing is lost or done twice."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Shell, install
from tests.slurm.cluster import Cluster

pytestmark = pytest.mark.slow

RUN = ("run", "--executor", "slurm", "--methods", "toy", "--tasks", "toy-stops")
OPTIONS = "\n[executors.slurm]\npoll_s = 0.5\ntime = 60\n"
PATIENCE_S = 240.0


@pytest.fixture
def shell(tmp_path: Path, real_slurm: Cluster) -> Shell:
    """``medbench`` on the cluster's node, with the toy and its stopping task installed and the toy's phantom drawn."""
    site, home = tmp_path / "site", tmp_path / "home"
    install(site, "toy-plugin", "medbench_toy")
    install(site, "stopping-plugin", "medbench_stopping")
    home.mkdir()
    here = Path(__file__).parent
    environment = {
        "PYTHONPATH": os.pathsep.join(
            [str(site), str(here), str(here.parent / "toy"), os.environ.get("PYTHONPATH", "")]
        ),
        "XDG_CACHE_HOME": str(tmp_path / "xdg"),
        "SLURM_CONF": real_slurm.environment["SLURM_CONF"],
        "OMP_NUM_THREADS": "1",
        "MEDBENCH_DEVICE": "cpu",
    }
    ready = Shell(home, environment)
    ready("phantom", ".", "--datasets", "toy", "--methods", "toy", "--images", "24", "--side", "64")
    ready("data", "prepare", "toy")
    with (home / "medbench.toml").open("a") as file:
        file.write(OPTIONS)
    return ready


@pytest.fixture
def stops(tmp_path: Path) -> Path:
    """Where stopped trials leave their process ids."""
    folder = tmp_path / "stops"
    folder.mkdir()
    return folder


def test_killed_jobs_are_submitted_again(shell: Shell, real_slurm: Cluster, stops: Path) -> None:
    driver = shell.start(*RUN, "--seeds", "0,1", TOY_STOPS=str(stops))
    os.kill(_process(stops, 0, driver), signal.SIGKILL)
    _process(stops, 1, driver)
    real_slurm("scancel", "--signal=KILL", _job_of(shell, 1))
    output = _end(driver)
    assert driver.returncode == 0, output
    assert output.count("; it is submitted again") == 2
    assert len(_records(shell)) == 2
    assert "[3/" not in output


def test_a_trial_told_to_leave_its_node_goes_on_in_the_same_job(shell: Shell, real_slurm: Cluster, stops: Path) -> None:
    driver = shell.start(*RUN, "--seeds", "0", TOY_STOPS=str(stops))
    _process(stops, 0, driver)
    job = _job_of(shell, 0)
    real_slurm("scancel", "--signal=USR2", job)
    output = _end(driver)
    assert driver.returncode == 0, output
    assert f"job {job} waits in the queue again" in output
    assert output.count("submitted") == 1
    assert len(_records(shell)) == 1


def test_a_driver_started_again_takes_up_what_is_queued_and_running(
    shell: Shell, real_slurm: Cluster, stops: Path
) -> None:
    command = (*RUN, "--seeds", "0,1,2")
    first = shell.start(*command, TOY_STOPS=str(stops))
    _process(stops, 0, first)
    first.send_signal(signal.SIGINT)
    output = _end(first)
    assert "3 jobs stay in the queue; the same command takes them up again, scancel" in output
    second = shell.start(*command)
    _until(lambda: _said(second, "taken up"), "the second driver takes the jobs up")
    second.kill()
    second.wait()
    assert len(real_slurm("squeue", "--noheader", "--array", "--name", _name(shell)).splitlines()) == 3
    third = shell.start(*command)
    _until(lambda: _said(third, "3 jobs of an earlier run taken up"), "the third driver takes the jobs up")
    (stops / "go").touch()
    output = _end(third)
    assert third.returncode == 0, output
    assert "submitted" not in output
    assert len(_records(shell)) == 3


def test_a_job_that_cannot_start_is_a_line_with_the_end_of_its_log(shell: Shell) -> None:
    with (shell.folder / "medbench.toml").open("a") as file:
        file.write('setup = "export PYTHONHOME=/nowhere"\n')
    output = shell(*RUN, "--seeds", "0", code=1).stderr
    assert "FAILED toy@plain on toy-stops, 100 %, seed 0: its worker was lost 3 times" in output
    assert "_log.err ends with" in output
    assert "Traceback" not in output


def test_what_sbatch_refuses_is_one_line(shell: Shell) -> None:
    with (shell.folder / "medbench.toml").open("a") as file:
        file.write('partition = "nowhere"\n')
    output = shell(*RUN, "--seeds", "0,1", code=2).stderr
    assert re.search(r"error: Slurm takes no jobs: .*Invalid partition.* - mend \[executors.slurm\]", output)
    assert "Traceback" not in output


def _records(shell: Shell) -> list[Path]:
    return sorted((shell.folder / "results").glob("*/*/*.json"))


def _process(stops: Path, seed: int, driver: subprocess.Popen[str]) -> int:
    """The process that works on the stopped trial."""
    mark = stops / f"seed-{seed}"
    _until(lambda: mark.exists() or driver.poll() is not None, f"the trial of seed {seed} begins")
    assert driver.poll() is None, driver.communicate()[0]
    return int(mark.read_text())


def _job_of(shell: Shell, seed: int) -> str:
    """The id of the job that carries a trial out."""
    folder = shell.folder / "results" / ".slurm"
    for job in json.loads((folder / "jobs.json").read_text()):
        script = folder / f"jobs-{os.getuid()}" / f"{job['id']}_submitted.pkl"
        if f'\\"seed\\":{seed}'.encode() in script.read_bytes() or f'"seed":{seed}'.encode() in script.read_bytes():
            return str(job["id"])
    raise AssertionError(f"no job has seed {seed}")


def _name(shell: Shell) -> str:
    return str(json.loads((shell.folder / "results" / ".slurm" / "jobs.json").read_text())[0]["name"])


def _said(driver: subprocess.Popen[str], text: str) -> bool:
    assert driver.stdout is not None
    line = driver.stdout.readline()
    assert line, f"the driver ended without saying '{text}'"
    return text in line


def _end(driver: subprocess.Popen[str]) -> str:
    try:
        return driver.communicate(timeout=PATIENCE_S)[0]
    except subprocess.TimeoutExpired:
        driver.kill()
        raise AssertionError(f"the driver does not end:\n{driver.communicate()[0]}") from None


def _until(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.1)
