"""What is settled about a cluster before the first trial, without a Ray."""

from __future__ import annotations

import dataclasses
import os
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from medbench.errors import PluginError, UnknownNameError, UsageError
from medbench.executors import ray, ray_cluster, ray_encode
from medbench.executors.ledger import Ledger
from medbench.executors.ray import RayExecutor
from medbench.executors.ray_cluster import Cluster, Demand, RayOptions, connected, options_of
from medbench.executors.ray_worker import Post, _share_threads, unseen
from medbench.progress import Reporter
from medbench.registry import Registry
from medbench.settings import Settings
from tests.core.test_ledger import planned_trial

CPUS = {"Alive": True, "Resources": {"CPU": 8.0}}
GPUS = {"Alive": True, "Resources": {"CPU": 16.0, "GPU": 4.0}}
DEAD = {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 64.0}}


def cluster(*nodes: dict[str, Any], own: bool = False, options: RayOptions | None = None, **changed: Any) -> Cluster:
    settings = dataclasses.replace(Settings(), **changed)
    return Cluster(SimpleNamespace(nodes=lambda: list(nodes)), own, options or RayOptions(), settings)


def task(*, distributed: bool) -> Any:
    return SimpleNamespace(distributed=distributed)


def with_options(**options: Any) -> Settings:
    return Settings(executors={"ray": options})


def test_options_have_defaults_and_kinds() -> None:
    assert options_of(Settings()) == RayOptions(address="", num_cpus=1, num_gpus=None, encode_rows=20_000)
    assert options_of(with_options(num_gpus=0.5)).num_gpus == 0.5
    with pytest.raises(
        UnknownNameError, match=r"unknown option in \[executors.ray\] 'num_gpu' - did you mean 'num_gpus'"
    ):
        options_of(with_options(num_gpu=1))
    for wrong in ({"num_cpus": "two"}, {"num_gpus": 0}, {"encode_rows": 1.5}, {"address": 1}):
        with pytest.raises(UsageError, match=rf"\[executors.ray\]: .*{next(iter(wrong))}"):
            options_of(with_options(**wrong))


def test_every_option_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "howto" / "ray.md").read_text()
    for name in RayOptions.__struct_fields__:
        assert f"| `{name}` |" in page


def test_trials_use_the_gpus_that_there_are() -> None:
    assert not cluster(CPUS, DEAD).gpus
    assert cluster(CPUS, GPUS).gpus
    assert not cluster(GPUS, device="cpu").gpus
    with pytest.raises(UsageError, match="the Ray cluster has no GPU - use --device cpu"):
        _ = cluster(CPUS, DEAD, device="cuda").gpus


def test_a_trial_reserves_for_each_of_its_processes() -> None:
    several = cluster(GPUS, nproc_per_node=2)
    assert several.demand(task(distributed=True), gpus=True) == Demand(2, 2)
    assert several.demand(task(distributed=False), gpus=True) == Demand(1, 1)
    assert several.demand(task(distributed=True), gpus=False) == Demand(2, 0)
    half = cluster(GPUS, options=RayOptions(num_cpus=4, num_gpus=0.5))
    assert half.demand(task(distributed=False), gpus=True) == Demand(4, 0.5)


def test_slots_are_counted_on_living_nodes() -> None:
    assert cluster(CPUS, GPUS, DEAD).slots(Demand(1, 1)) == 4
    assert cluster(CPUS, GPUS, DEAD).slots(Demand(8, 1)) == 2
    assert cluster(CPUS, GPUS, DEAD).slots(Demand(1, 0)) == 24
    assert cluster(GPUS).slots(Demand(1, 0.1)) == 16


def test_what_no_node_has_is_an_error_only_where_none_can_join() -> None:
    assert cluster(CPUS, GPUS).lacks(Demand(8, 4)) == ""
    assert "wait until one joins" in cluster(CPUS, GPUS).lacks(Demand(17, 1))
    with pytest.raises(UsageError, match="17 CPUs and 0 GPUs: this machine has fewer"):
        cluster(CPUS, own=True).lacks(Demand(17, 0))


def test_a_folder_must_be_seen_and_written(tmp_path: Path) -> None:
    seen = tmp_path / "mark"
    seen.touch()
    other = tmp_path / "elsewhere" / "mark"
    assert unseen([str(seen), str(other)], patience_s=0) == [str(other)]


def test_the_letter_box_is_emptied_by_a_look() -> None:
    post = Post()
    post.tell(b"one")
    post.tell(b"two")
    assert (post.take(), post.take()) == ([b"one", b"two"], [])


def test_without_ray_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(PluginError, match=r"pip install 'medbench\[ray\]'"), connected(Settings()):
        pass


@pytest.mark.parametrize("address", ["ray://head:10001", "nonsense"])
def test_an_address_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'medbench[ray]'")
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(UsageError, match="is no address of a Ray cluster"), connected(Settings()):
        pass


def test_an_address_where_nobody_listens_is_said_at_once() -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'medbench[ray]'")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UsageError, match=f"no Ray cluster can be reached at {address}"):
            connected(with_options(address=address)).__enter__()


def test_a_gpu_of_this_machine_means_nothing_to_a_cluster() -> None:
    settings = Settings(device="cuda:1", executor="ray")
    with pytest.raises(UsageError, match="cuda:1"), connected(settings):
        pass


def test_a_run_with_nothing_to_do_starts_no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert RayExecutor(Registry([]), Settings()).run([], Reporter()) == []


def test_encoding_ahead_reserves_one_gpu_whatever_a_training_has(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cluster(GPUS, options=RayOptions(num_gpus=0.5)).demand_of_one(gpus=True) == Demand(1, 0.5)
    assert cluster(GPUS, options=RayOptions(num_gpus=4)).demand_of_one(gpus=False) == Demand(1, 0)
    asked: list[Demand] = []
    monkeypatch.setattr(ray, "locate", lambda *given: SimpleNamespace(info=lambda: SimpleNamespace(samples=30_000)))
    monkeypatch.setattr(ray_encode, "encode_ahead", lambda planned, demand, *others: asked.append(demand))
    several = cluster(GPUS, nproc_per_node=4)
    ray._encode_large([planned_trial("a", "x", "1")], SimpleNamespace(dataset=str), several, Reporter())  # type: ignore[arg-type]
    assert asked == [Demand(1, 1)]
    assert several.slots(asked[0]) == 4


def test_a_task_that_is_lost_after_its_record_has_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "record_of", lambda planned, settings: "the record")
    planned = planned_trial("a", "x", "1")
    ledger = Ledger([planned])
    assert ledger.next("one") is planned
    run = ray._Run(cluster(CPUS), {}, ledger, Reporter(), SimpleNamespace())  # type: ignore[arg-type]
    run._begin(planned)
    run._lose(planned, "WorkerCrashedError")
    assert [(one.state, one.record) for one in ledger.outcomes] == [("finished", "the record")]


@pytest.mark.parametrize(("cpus", "before", "after"), [(8, "8", "4"), (8, "3", "3"), (1, "1", "1"), (0, None, None)])
def test_a_group_shares_the_threads_that_ray_gave(
    cpus: int, before: str | None, after: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = SimpleNamespace(get_assigned_resources=lambda: {"CPU": float(cpus)})
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(get_runtime_context=lambda: context))
    monkeypatch.setenv("OMP_NUM_THREADS", before or "")
    if before is None:
        monkeypatch.delenv("OMP_NUM_THREADS")
    _share_threads(2)
    assert os.environ.get("OMP_NUM_THREADS") == after


@pytest.mark.parametrize(
    ("address", "token", "mode", "seen"),
    [
        ("127.0.0.1:1", True, None, "token"),
        ("127.0.0.1:1", True, "disabled", "disabled"),
        ("127.0.0.1:1", False, None, None),
        ("local", False, None, "token"),
    ],
)
def test_a_token_of_this_machine_is_shown_to_a_cluster(
    address: str, token: bool, mode: str | None, seen: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[str | None] = []
    library = SimpleNamespace(
        is_initialized=lambda: False,
        init=lambda **given: modes.append(os.environ.get("RAY_AUTH_MODE")),
        shutdown=lambda: None,
    )
    monkeypatch.setitem(sys.modules, "ray", library)
    monkeypatch.setattr(ray_cluster, "_knock", lambda address: None)
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_MODE"):
        monkeypatch.setenv(name, "")  # as it was, afterwards
        monkeypatch.delenv(name)
    if mode is not None:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    path = tmp_path / "auth_token"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(path))
    if token:
        path.write_text("secret")
    with connected(with_options(address=address)):
        assert modes == [seen]
