"""How many workers sit on a machine, and which GPUs and threads each has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from medbench.cli.run import restrict_devices
from medbench.errors import UsageError
from medbench.executors import seats
from medbench.executors.seats import check_devices, find_seats, gpus_listed, visible_gpus
from medbench.settings import Settings

LISTED = """GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-c3b1)
  MIG 3g.20gb     Device  0: (UUID: MIG-a)
  MIG 3g.20gb     Device  1: (UUID: MIG-b)
GPU 2: NVIDIA A100-SXM4-40GB (UUID: GPU-77)
"""


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,5")


def devices(settings: Settings, trials: int = 20) -> list[str]:
    return [seat.environment.get("CUDA_VISIBLE_DEVICES", "") for seat in find_seats(settings, trials)]


@pytest.mark.usefixtures("four_gpus")
def test_each_visible_gpu_has_a_worker() -> None:
    assert devices(Settings()) == ["0", "1", "2", "5"]
    assert devices(Settings(device="cuda"), trials=3) == ["0", "1", "2"]
    assert devices(Settings(jobs=2)) == ["0", "1"]
    assert [seat.name for seat in find_seats(Settings(), 2)] == ["1", "2"]


@pytest.mark.usefixtures("four_gpus")
def test_more_jobs_than_gpus_share_them_and_several_processes_take_several() -> None:
    assert devices(Settings(jobs=6)) == ["0", "1", "2", "5", "0", "1"]
    assert devices(Settings(nproc_per_node=2)) == ["0,1", "2,5"]
    with pytest.raises(UsageError, match=r"^3 jobs of 2 processes need 6 GPUs, 4 are visible - --jobs 2$"):
        find_seats(Settings(jobs=3, nproc_per_node=2), 20)
    assert devices(Settings(jobs=3, nproc_per_node=2), trials=2) == ["0,1", "2,5"]


@pytest.mark.usefixtures("four_gpus")
def test_one_job_runs_in_this_process() -> None:
    for settings in (
        Settings(jobs=1),
        Settings(device="cuda:2"),
        Settings(device="cpu"),
        Settings(nproc_per_node=3),
        Settings(nproc_per_node=4),
    ):
        assert find_seats(settings, 20) == ()
    assert find_seats(Settings(), 1) == ()


def test_on_the_cpu_as_many_as_are_asked_for_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(seats.os, "sched_getaffinity", lambda process: set(range(9)))
    settings = Settings(device="cpu", jobs=2)
    assert [seat.environment["OMP_NUM_THREADS"] for seat in find_seats(settings, 3)] == ["4", "4"]
    assert find_seats(Settings(device="cpu", jobs=64), 64)[0].environment["MKL_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "7")  # somebody meant it
    environment = find_seats(settings, 3)[0].environment
    assert "OMP_NUM_THREADS" not in environment and "CUDA_VISIBLE_DEVICES" not in environment


def test_parts_of_a_gpu_stand_in_its_place() -> None:
    assert gpus_listed(LISTED) == ("0", "MIG-a", "MIG-b", "2")
    assert gpus_listed("No devices found.\n") == ()


def test_gpus_are_counted_without_loading_torch_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": ""}) == ()
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "3, GPU-c3b1,-1,2"}) == ("3", "GPU-c3b1")
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<END\n{LISTED}END\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert visible_gpus({}) == ("0", "MIG-a", "MIG-b", "2")
    program.write_text("#!/bin/sh\necho 'no driver' >&2; exit 9\n")
    monkeypatch.setattr(seats, "_DRIVER_FILES", ())
    assert visible_gpus({}) == ()
    monkeypatch.setattr(seats, "_DRIVER_FILES", ("null",))
    monkeypatch.setattr(seats.sys, "executable", str(tmp_path / "python"))
    (tmp_path / "python").write_text("#!/bin/sh\necho 2\n")
    (tmp_path / "python").chmod(0o755)
    assert visible_gpus({}) == ("0", "1")


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        (Settings(device="cuda:1", jobs=2), "--jobs 2"),
        (Settings(device="cuda:1", nproc_per_node=2), "--nproc-per-node 2"),
        (Settings(device="cuda:1", executor="ray"), "--executor ray"),
    ],
)
def test_one_named_gpu_and_several_workers_contradict_each_other(settings: Settings, option: str) -> None:
    with pytest.raises(UsageError, match=f"{option} asks for more - use --device cuda"):
        check_devices(settings)


def test_options_that_nothing_reads_are_refused() -> None:
    settings = Settings(executors={"local": {"gpus": 2}, "ray": {"address": "auto"}})
    with pytest.raises(UsageError, match=r"unknown key in \[executors.local\] 'gpus'"):
        check_devices(settings)


def test_one_named_gpu_alone_is_well() -> None:
    check_devices(Settings(device="cuda:1", jobs=1))
    check_devices(Settings(device="cuda", jobs=4, nproc_per_node=2, executor="slurm"))


@pytest.mark.usefixtures("four_gpus")
@pytest.mark.parametrize("jobs", [0, 1, 2])
def test_a_trial_for_which_the_gpus_are_too_few_is_refused_at_once(jobs: int) -> None:
    wanted = Settings(nproc_per_node=8, jobs=jobs)
    with pytest.raises(UsageError, match="a trial of 8 processes needs 8 GPUs, 4 are visible - lower --nproc-per-node"):
        check_devices(wanted)
    check_devices(Settings(nproc_per_node=8, device="cpu"))
    check_devices(Settings(nproc_per_node=8, executor="slurm"))


@pytest.mark.parametrize(
    ("visible", "device", "left"),
    [
        (None, "cuda:1", "1"),
        ("3, 5", "cuda:1", "5"),
        ("GPU-a,GPU-b", "cuda:0", "GPU-a"),
        ("", "cuda:0", None),
        ("-1", "cuda:0", None),
        ("0,-1,2", "cuda:2", None),
    ],
)
def test_a_named_gpu_is_one_of_the_visible_ones(
    visible: str | None, device: str, left: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible or "")
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    if left is None:
        with pytest.raises(UsageError, match=f"{device} is not among the visible GPUs"):
            restrict_devices(Settings(device=device))
    else:
        restrict_devices(Settings(device=device))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == (visible if left is None else left)
