"""A trial that a group of processes shares: started, told of, recorded once, and never left behind."""

from __future__ import annotations

import dataclasses
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from medbench.errors import MissingDataError, UsageError
from medbench.executors import group, seats
from medbench.executors.events import Phase, Steps, to_bytes
from medbench.executors.group import GroupError, carry_out
from medbench.executors.ranks import FAILED, Failed
from medbench.plan import PlannedTrial, Request, build_plan
from medbench.preparation import prepare
from medbench.progress import Reporter
from medbench.registry import Registry
from medbench.runner import Manifests, run_trial
from medbench.samples import PhantomSize
from medbench.settings import Settings
from medbench.store import ResultStore

HERE = Path(__file__).parent
TOYS = HERE.parent / "toy"
PLUGINS = {"toy-plugin": "medbench_toy", "sharer": "sharer"}


class Phases:
    """Remembers phases and steps."""

    def __init__(self) -> None:
        self.phases: list[str] = []
        self.steps = 0

    def phase(self, name: str, total: int | None = None) -> None:
        self.phases.append(name)

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.steps += steps

    def track(self, items: Any, name: str, total: int | None = None) -> Any:
        self.phase(name, total)
        for item in items:
            yield item
            self.advance()


@pytest.fixture
def manifests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manifests]:
    """Prepared toy data, for two processes that know the sharer as an installed plugin."""
    info = tmp_path / "site" / "sharers-1.0.dist-info"
    info.mkdir(parents=True)
    points = "".join(f"{name} = {module}\n" for name, module in PLUGINS.items())
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sharers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[medbench]\n{points}")
    places = [str(info.parent), str(TOYS), str(HERE)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*places, *filter(None, [os.environ.get("PYTHONPATH")])]))
    monkeypatch.setenv("SHARER", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(sys, "path", [*places, *sys.path])
    import medbench_toy

    settings = Settings(
        data=tmp_path / "data",
        checkpoints=tmp_path / "checkpoints",
        results=tmp_path / "results",
        cache=tmp_path / "cache",
        device="cpu",
        nproc_per_node=2,
    )
    settings.results.mkdir()
    medbench_toy.write_phantom(settings.dataset_root("toy"), PhantomSize(images=24, side=16, seed=0))
    yield Manifests(Registry.load(), settings)
    for name in PLUGINS.values():
        sys.modules.pop(name, None)


def planned_in(manifests: Manifests, task: str = "toy-shared", **overrides: str) -> PlannedTrial:
    request = Request(methods="toy", tasks=task, seeds=(0,), overrides=overrides)
    for files in build_plan(request, manifests.registry, manifests.settings).unprepared:
        prepare(files, Reporter())
    (planned,) = build_plan(request, manifests.registry, manifests.settings).trials
    assert planned.state == "ready", planned.reason
    return planned


def ranks_in(folder: Path) -> list[int]:
    return [int(path.read_text()) for path in sorted(folder.glob("rank-*")) if path.read_text()]


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_group_gives_the_record_of_one_process(manifests: Manifests, tmp_path: Path) -> None:
    phases, planned = Phases(), planned_in(manifests)
    record = carry_out(planned, manifests, phases)
    assert record.notes["processes"] == 2
    assert record == ResultStore(manifests.settings.results).read("toy-shared", "toy@plain", record.key)
    assert phases.phases[0] == "load" and {"train", "score"} <= set(phases.phases)
    assert phases.steps == 3
    ranks = ranks_in(tmp_path)
    assert len(ranks) == 2 and not any(alive(one) for one in ranks)
    single = dataclasses.replace(manifests.settings, nproc_per_node=1)
    alone = carry_out(planned, Manifests(manifests.registry, single), Phases())
    assert (alone.key, alone.metrics, alone.replicates) == (record.key, record.metrics, record.replicates)
    assert "processes" not in alone.notes


def test_a_task_that_cannot_be_shared_runs_here(manifests: Manifests, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "_torchrun", None)
    record = carry_out(planned_in(manifests, "toy-bright"), manifests, Phases())
    assert "processes" not in record.notes


def test_a_batch_that_cannot_be_divided_is_refused_before_anything_starts(
    manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "_torchrun", None)
    with pytest.raises(UsageError, match="a batch of 5 cannot be divided over 2 processes - choose an --nproc"):
        carry_out(planned_in(manifests, batch_size="5"), manifests, Phases())


def test_half_a_line_waits_for_its_end() -> None:
    whole = to_bytes(Phase("k", "train", 9)) + b"\n" + to_bytes(Steps("k", 4, "")) + b"\n"
    phases, file = Phases(), io.BytesIO(whole[:-7])
    group._retell(file, phases)
    assert (phases.phases, phases.steps) == (["train"], 0)
    here = file.tell()
    file.seek(0, io.SEEK_END)
    file.write(whole[-7:])
    file.seek(here)
    group._retell(file, phases)
    assert phases.steps == 4


def test_what_a_user_can_mend_is_told_before_what_it_made_of_the_others(tmp_path: Path) -> None:
    (tmp_path / group.LOG).write_text("the log")
    tell(tmp_path, 0, Failed("RuntimeError: Connection closed by peer", 1, defect=True))
    defect = group._why(tmp_path, 1)
    assert isinstance(defect, GroupError)
    assert (str(defect), defect.__notes__) == ("RuntimeError: Connection closed by peer", ["the log"])
    tell(tmp_path, 1, Failed("no room - free some", 3, defect=False))
    mendable = group._why(tmp_path, 1)
    assert isinstance(mendable, MissingDataError)
    assert (str(mendable), mendable.exit_code) == ("no room - free some", 3)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (
            "E failed (exitcode: -9) local_rank: 0 (pid: 1)\n====\n",
            "a process of the group was killed by signal 9 (out of memory?)",
        ),
        ("E failed (exitcode: 3) local_rank: 1 (pid: 1)\n====\n", "a process of the group ended with exit code 3"),
        ("Traceback\nImportError: no name\n\n", "torchrun ended with exit code 1: ImportError: no name"),
        ("", "torchrun ended with exit code 1"),
    ],
)
def test_what_ended_a_group_that_told_nothing_is_in_its_log(tmp_path: Path, log: str, said: str) -> None:
    (tmp_path / group.LOG).write_text(log)
    assert str(group._why(tmp_path, 1)).startswith(said)


def test_a_record_counts_though_a_process_dies_on_its_way_out(
    manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = planned_in(manifests)

    @contextmanager
    def torchrun(folder: Path, processes: int, log: Any) -> Iterator[Any]:
        single = dataclasses.replace(manifests.settings, nproc_per_node=1)
        run_trial(planned, Manifests(manifests.registry, single), Phases())
        yield SimpleNamespace(poll=lambda: -11, returncode=-11)

    monkeypatch.setattr(group, "_torchrun", torchrun)
    assert carry_out(planned, manifests, Phases()).key == planned.key


@pytest.mark.parametrize("given", [None, "3"])
def test_a_group_shares_the_cores_and_takes_no_modules_from_the_folder_it_is_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nenv\n")
    python.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(group.sys, "executable", str(python))
    monkeypatch.setattr(seats.os, "sched_getaffinity", lambda process: set(range(8)))
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in {"", str(tmp_path)}])
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    with (tmp_path / "log").open("wb") as log, group._torchrun(tmp_path, 2, log) as process:
        process.wait(60)
    said = (tmp_path / "log").read_text().splitlines()
    assert {"PYTHONSAFEPATH=1", f"OMP_NUM_THREADS={given or 4}"} <= set(said)


def tell(folder: Path, rank: int, failed: Failed) -> None:
    (folder / FAILED.format(rank)).write_bytes(msgspec.json.encode(failed))


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_fails_ends_the_others(manifests: Manifests, tmp_path: Path, rank: int) -> None:
    (tmp_path / f"error-{rank}").touch()
    with pytest.raises(MissingDataError, match="a file is gone - fetch it"):
        carry_out(planned_in(manifests), manifests, Phases())
    (tmp_path / f"error-{rank}").rename(tmp_path / f"defect-{rank}")
    with pytest.raises(GroupError) as caught:
        carry_out(planned_in(manifests), manifests, Phases())
    assert "ZeroDivisionError: nothing to divide by" in "".join(caught.value.__notes__)
    assert not any(alive(one) for one in ranks_in(tmp_path))
    assert not ResultStore(manifests.settings.results).read_all().records


_DRIVER = """
import sys
from tests.executors import test_group
from medbench.executors.orders import settings_from_text
from medbench.registry import Registry
from medbench.runner import Manifests
manifests = Manifests(Registry.load(), settings_from_text(sys.argv[1]))
test_group.carry_out(test_group.planned_in(manifests), manifests, test_group.Phases())
"""


@pytest.mark.slow
def test_no_process_outlives_the_one_that_holds_the_claim(manifests: Manifests, tmp_path: Path) -> None:
    from medbench.executors.orders import settings_to_text

    (tmp_path / "hang").touch()
    driver = subprocess.Popen(
        [sys.executable, "-c", _DRIVER, settings_to_text(manifests.settings)], cwd=HERE.parents[1]
    )
    try:
        until(lambda: len(ranks_in(tmp_path)) == 2 or driver.poll() is not None)
        ranks = ranks_in(tmp_path)
        assert len(ranks) == 2 and all(alive(one) for one in ranks)
    finally:
        driver.kill()
        driver.wait()
    until(lambda: not any(alive(one) for one in ranks))


def until(holds: Any, seconds: float = 180.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)


def test_other_ranks_help_and_write_nothing(manifests: Manifests) -> None:
    from medbench.runner import help_trial

    planned = planned_in(manifests, "toy-bright")
    help_trial(planned, manifests, Phases())
    assert not ResultStore(manifests.settings.results).read_all().records
    assert run_trial(planned, manifests, Phases()).key == planned.key
