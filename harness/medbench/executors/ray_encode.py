"""Features of large datasets before the trials: Ray Data spreads the rows over actors, one writer keeps what comes back."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from medbench.executors.orders import order_of, settings_to_text
from medbench.executors.ray_shards import Encoder, Lacking, survey
from medbench.feature_store import FeatureStore
from medbench.filling import Sink
from medbench.lifecycle import describe

if TYPE_CHECKING:
    from medbench.executors.base import RunReporter
    from medbench.executors.ray_cluster import Cluster, Demand
    from medbench.plan import PlannedTrial

_BLOCK = 256
"""Rows of an actor's block: what its loss costs, and what it loads ahead."""
_TRIES = 3


def encode_ahead(planned: PlannedTrial, demand: Demand, cluster: Cluster, reporter: RunReporter) -> None:
    """Encode what the cache lacks for a trial and those beside it, where one store lacks ``encode_rows`` rows.

    Whatever fails here costs no trial: it encodes what it does not find, and tells what is wrong.
    """
    try:
        done: set[str] = set()
        while lacking := _largest(planned, demand, cluster, done):
            done.add(lacking[0].store)
            _pass(planned, lacking, demand, cluster, reporter)
            if all(len(one.rows) < cluster.options.encode_rows for one in lacking[1:]):
                return
    except Exception as error:  # ours, Ray's, or a task's in Ray's wrapping; the trials meet again what was wrong
        trial = planned.trial
        what = f"{trial.choice.id} on {trial.task.dataset}: the trials encode what is left themselves"
        reporter.message(f"{what}: {describe(_root(error))}")


def _largest(planned: PlannedTrial, demand: Demand, cluster: Cluster, done: set[str]) -> list[Lacking]:
    """All that lacks, what lacks most first; empty where that is too little, or has been tried."""
    look = cluster.ray.remote(num_cpus=demand.num_cpus, num_gpus=demand.num_gpus, max_retries=_TRIES)(survey)
    found: list[Lacking] = cluster.ray.get(look.remote(_order(planned), settings_to_text(cluster.settings)))
    large = [one for one in found if len(one.rows) >= cluster.options.encode_rows and one.store not in done]
    if not large:
        return []
    first = max(large, key=lambda one: len(one.rows))
    return [first, *(one for one in found if one is not first)]


def _pass(
    planned: PlannedTrial, lacking: list[Lacking], demand: Demand, cluster: Cluster, reporter: RunReporter
) -> None:
    """One pass over the rows of the first that lacks, answering the others where it meets their pictures."""
    import ray.data

    first, *others = lacking
    beside = sorted({int(number) for one in others for number in one.rows[:, 0]})
    blocks = np.array_split(first.rows, -(-len(first.rows) // _BLOCK))
    actors = min(cluster.settings.jobs or max(cluster.slots(demand), 1), len(blocks))
    reporter.message(
        f"{planned.trial.choice.id} on {planned.trial.task.dataset}: {len(first.rows)} images over {actors} actors"
    )
    reporter.phase("encode", len(first.rows))
    _quieten(ray.data.DataContext.get_current())
    answers = ray.data.from_numpy(blocks).map_batches(
        Encoder,
        fn_constructor_args=(_order(planned), settings_to_text(cluster.settings), beside),
        batch_size=_BLOCK,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=actors, initial_size=actors),
        num_cpus=demand.num_cpus,
        num_gpus=demand.num_gpus or None,
        ray_remote_args_fn=lambda: {"max_restarts": -1, "max_task_retries": _TRIES - 1},
    )
    with ExitStack() as locks:
        writer = _Writer(
            cluster.settings.cache / "features", first.store, len(first.rows), planned.trial.choice.id, locks
        )
        try:
            written: Iterable[Any] = answers.iter_batches(batch_size=None, batch_format="pyarrow")
            for table in written:
                for row in table.to_pylist():
                    reporter.advance(writer.take(**row))
        finally:
            writer.flush()


class _Writer:
    """Appends segments that were written elsewhere to the cache. ``main`` is the store that the pass is for.

    The stores stay locked until ``locks`` ends.
    """

    def __init__(self, folder: Path, main: str, total: int, label: str, locks: ExitStack) -> None:
        self._folder = folder
        self._main = main
        self._total = total
        self._label = label
        self._locks = locks
        self._sinks: dict[str, tuple[FeatureStore, Sink] | None] = {}

    def take(self, *, store: str, entry: str, segment: bytes) -> int:
        """Keep a segment's rows, but those that are there; gives how many the pass has come on.

        A store that another process holds is left to it.
        """
        from safetensors.numpy import load

        if store not in self._sinks:
            self._sinks[store] = self._open(store, entry)
        tensors = load(segment)
        opened = self._sinks[store]
        if opened is not None:
            ids: list[str] = json.loads(tensors["ids"].tobytes())
            fresh = np.flatnonzero(opened[0].lacks(tensors["hashes"]))
            opened[1].take([ids[one] for one in fresh], tensors["hashes"][fresh], tensors["rows"][fresh])
        return len(tensors["hashes"]) if store == self._main else 0

    def flush(self) -> None:
        """Write what is pending."""
        for opened in self._sinks.values():
            if opened is not None:
                opened[1].flush()

    def _open(self, store: str, entry: str) -> tuple[FeatureStore, Sink] | None:
        found = FeatureStore(self._folder / store, json.loads(entry))
        if not self._locks.enter_context(found.locked_if_free()):
            return None
        return found, Sink(found, self._total, self._label)


def _order(planned: PlannedTrial) -> bytes:
    return msgspec.json.encode(order_of(planned))


def _root(error: BaseException) -> BaseException:
    """What was raised first, under Ray's wrappings."""
    inner = getattr(error, "cause", None) or error.__cause__
    return _root(inner) if isinstance(inner, BaseException) and inner is not error else error


def _quieten(context: Any) -> None:
    """Ray Data's bars and logs would stand among our lines."""
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
