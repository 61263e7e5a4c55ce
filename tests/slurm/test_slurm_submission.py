"""Options, the text that sbatch gets, the errors of a machine that is no cluster, and what squeue's answer means."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from medbench.errors import MedbenchError, PluginError, StoreError, UnknownNameError, UsageError
from medbench.executors import slurm_submit
from medbench.executors.orders import settings_from_text
from medbench.executors.slurm import SlurmExecutor
from medbench.executors.slurm_book import JobBook
from medbench.executors.slurm_options import options_of, submission_parameters
from medbench.executors.slurm_queue import JobState, how_it_ended, last_line, read_queue
from medbench.executors.slurm_submit import SubmissionError, Submitter
from medbench.plan import PlannedTrial
from medbench.registry import Registry
from medbench.settings import Settings
from tests.slurm.fake import decode


def with_options(settings: Settings, **options: Any) -> Settings:
    return dataclasses.replace(settings, executor="slurm", executors=MappingProxyType({"slurm": options}))


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on PATH with commands of Slurm that keep what they are told and answer as a cluster would."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {
        "sbatch": f'cp "$1" {folder}/script; env > {folder}/environment; echo "Submitted batch job 7"',
        "squeue": f'echo "$@" > {folder}/asked; cat {folder}/queue',
        "srun": "exit 1",
        "scontrol": "exit 1",
    }.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"partiton": "gpu"}, UnknownNameError, "did you mean 'partition'?"),
        ({"partition": 3}, UsageError, "partition is 3, a text is needed"),
        ({"mem_gb": "much"}, UsageError, "mem_gb is 'much', a number is needed"),
        ({"cpus_per_task": True}, UsageError, "cpus_per_task is True, a number is needed"),
        ({"time": "soon"}, UsageError, "time is 'soon' - write minutes, or days, hours and minutes"),
        ({"time": 0}, UsageError, "time is '0'"),
        ({"trials_per_job": 0}, UsageError, "trials_per_job is 0, at least 1"),
        ({"gpus_per_trial": -1}, UsageError, "gpus_per_trial is -1, it cannot be negative"),
        ({"extra": "exclusive"}, UsageError, "extra has 'exclusive' - write options as"),
        ({"extra": "--job-name=x"}, UsageError, "extra has '--job-name', which medbench sets itself"),
        ({"extra": "--comment='x"}, UsageError, "No closing quotation"),
    ],
)
def test_a_wrong_option_is_refused(
    settings: Settings, options: dict[str, Any], error: type[MedbenchError], message: str
) -> None:
    with pytest.raises(error) as raised:
        options_of(with_options(settings, **options))
    assert message in str(raised.value)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(("text", "minutes"), [(90, 90), ("90", 90), ("2:30", 150), ("1-12:00", 2160), ("0:20:00", 20)])
def test_times_as_slurm_writes_them(settings: Settings, text: object, minutes: int) -> None:
    assert options_of(with_options(settings, time=text)).minutes == minutes


@pytest.mark.parametrize(
    ("device", "processes", "option", "gpus"),
    [("cpu", 1, None, None), ("auto", 1, None, 1), ("cuda", 4, None, 4), ("cuda", 1, 2, 2), ("auto", 1, 0, None)],
)
def test_a_trial_gets_a_gpu_a_process_unless_told_otherwise(
    settings: Settings, device: str, processes: int, option: int | None, gpus: int | None
) -> None:
    told = {} if option is None else {"gpus_per_trial": option}
    chosen = dataclasses.replace(with_options(settings, **told), device=device, nproc_per_node=processes)
    assert submission_parameters(options_of(chosen), chosen).get("gpus_per_node") == gpus


def test_a_gpu_of_this_machine_cannot_be_asked_of_slurm(settings: Settings) -> None:
    with pytest.raises(UsageError, match="--device cuda:1 names a GPU of this machine"):
        options_of(dataclasses.replace(settings, device="cuda:1"))


def test_the_script_says_what_the_options_say_and_the_jobs_carry_the_trials(
    settings: Settings, trials: tuple[PlannedTrial, ...], tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit")
    from submitit.core.utils import DelayedSubmission

    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    monkeypatch.setenv("SLURM_CONF", "/somewhere")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in {"", str(Path.cwd())}])
    said: dict[str, Any] = {"partition": "gpu", "account": "me", "time": "1:00", "cpus_per_task": 4, "mem_gb": 1.5}
    chosen = with_options(
        settings, **said, extra="--constraint=a100 --exclusive", setup="module load cuda\nulimit -n 9"
    )
    chosen = dataclasses.replace(chosen, jobs=2)
    book = JobBook(settings.results / ".slurm")
    book.prepare()
    (jobs,) = Submitter(chosen, options_of(chosen), book).submit(trials)
    script = (tools / "script").read_text()
    for line in ("partition=gpu", "account=me", "time=60", "cpus-per-task=4", "mem=1536MB", "constraint=a100"):
        assert f"#SBATCH --{line}\n" in script
    for line in ("array=0-2%2", "exclusive", "requeue", "signal=USR2@90", f"job-name={jobs[0].name}"):
        assert f"#SBATCH --{line}\n" in script
    assert "\nexport PYTHONSAFEPATH=1\nmodule load cuda\nulimit -n 9\n" in script
    assert "--cpus-per-task=4" in script.partition("srun ")[2]
    assert sys.executable in script
    environment = (tools / "environment").read_text()
    assert "SLURM_CONF=/somewhere" in environment
    assert "SLURM_JOB_ID" not in environment and "SLURM_ARRAY_TASK_ID" not in environment
    assert os.environ["SLURM_JOB_ID"] == "1"
    assert [job.id for job in jobs] == ["7_0", "7_1", "7_2"]
    assert book.jobs() == tuple(jobs)
    kept = DelayedSubmission.load(book.logs / "7_1_submitted.pkl")
    settings_text, work_text = kept.args
    assert settings_from_text(settings_text).results == settings.results.absolute()
    assert [order.key for order in decode(work_text).orders] == [trials[1].key]
    assert b"toy" not in (book.logs / "7_1_submitted.pkl").read_bytes().replace(work_text.encode(), b"").replace(
        settings_text.encode(), b""
    )


def test_nobody_else_may_read_or_change_what_jobs_unpickle(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    book = JobBook(settings.results / ".slurm")
    book.prepare()
    book.logs.chmod(0o755)
    book.prepare()
    assert book.logs.stat().st_mode & 0o777 == 0o700
    theirs = os.getuid() + 1
    book.logs.rename(book.logs.with_name(f"jobs-{theirs}"))
    monkeypatch.setattr("medbench.executors.slurm_book.os.getuid", lambda: theirs)
    with pytest.raises(StoreError, match=f"jobs-{theirs} belongs to another user"):
        book.prepare()


def test_the_queue_is_asked_for_other_users_where_the_machine_knows_them(tools: Path) -> None:
    (tools / "queue").write_text("")
    read_queue({0, os.getuid(), 2**30})
    assert f"--user={','.join(map(str, sorted({0, os.getuid()})))} " in (tools / "asked").read_text()


def test_trials_that_share_a_job_are_neighbours_and_arrays_have_a_limit(
    settings: Settings, trials: tuple[PlannedTrial, ...], tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setattr(slurm_submit, "_ARRAY", 1)
    chosen = with_options(settings, trials_per_job=2)
    book = JobBook(settings.results / ".slurm")
    book.prepare()
    arrays = list(Submitter(chosen, options_of(chosen), book).submit(trials))
    keys = [str(planned.key) for planned in trials]
    assert [[job.keys for job in jobs] for jobs in arrays] == [[tuple(keys[:2])], [tuple(keys[2:])]]
    assert len(book.jobs()) == 2


def test_what_sbatch_says_is_in_the_error(
    settings: Settings, trials: tuple[PlannedTrial, ...], tools: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("submitit")
    (tools / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: Invalid account' >&2\nexit 1\n")
    chosen = with_options(settings)
    book = JobBook(settings.results / ".slurm")
    book.prepare()
    with pytest.raises(SubmissionError) as raised:
        list(Submitter(chosen, options_of(chosen), book).submit(trials))
    assert str(raised.value) == (
        "Slurm takes no jobs: sbatch: error: Invalid account - mend [executors.slurm] in the settings"
    )
    assert capfd.readouterr().err == ""


def test_a_machine_without_slurm_or_submitit_is_told_so(
    registry: Registry, settings: Settings, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SlurmExecutor(registry, settings)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PluginError, match=r"needs submitit - pip install 'medbench\[slurm\]'"):
        SlurmExecutor(registry, settings)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="no sbatch on this machine's PATH") as raised:
        SlurmExecutor(registry, settings)
    assert raised.value.exit_code == 2


def test_squeue_is_read_for_this_user_whatever_the_names_are(tools: Path) -> None:
    (tools / "queue").write_text("12_0|RUNNING|medbench-1|None\n13|PENDING|odd|name|launch failed requeued held\n")
    states = read_queue()
    assert states == {
        "12_0": JobState("RUNNING", "None", "medbench-1"),
        "13": JobState("PENDING", "launch failed requeued held", "odd|name"),
    }
    assert isinstance(states, dict) and states["13"].held and not states["12_0"].held
    assert f"--user={os.getuid()}" in (tools / "asked").read_text()


def test_squeue_without_an_answer_says_why(tools: Path) -> None:
    (tools / "squeue").write_text("#!/bin/sh\necho 'slurm_load_jobs error: Unable to contact' >&2\nexit 1\n")
    assert read_queue() == "slurm_load_jobs error: Unable to contact"


def test_the_last_line_of_a_log_is_not_slurms_own_if_there_is_another(tmp_path: Path) -> None:
    assert last_line("one\ntwo  words\n\nsrun: error: x\n") == "two words"
    assert last_line("slurmstepd: error: killed\n") == "slurmstepd: error: killed"
    assert last_line("\n") == ""
    (tmp_path / "3_0_log.out").write_bytes(b"\xff" * 9000 + b"\nlate\n")
    assert how_it_ended("3", JobState("TIMEOUT"), tmp_path) == (
        f"job 3 met its time limit, its log {tmp_path / '3_0_log.out'} ends with 'late'"
    )
