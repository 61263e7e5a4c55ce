"""Who hears of a run, and what it costs when a listener fails: a line, and nothing else."""

from __future__ import annotations

import importlib.metadata
import inspect
import re
import threading
import time
from pathlib import Path

import pytest

from medbench import hookspecs
from medbench.errors import PluginError, UnknownNameError, UsageError
from medbench.executors.local import LocalExecutor
from medbench.lifecycle import PATIENCE, Announcer, check_trackers, describe
from medbench.plan import Plan, Request, build_plan
from medbench.preparation import prepare
from medbench.progress import Reporter
from medbench.registry import HOOKS, Registry
from medbench.settings import Settings, turn_on
from tests.core.conftest import TOY
from tests.core.record_maker import make_record

HEAD = "from medbench.hookspecs import hookimpl\nheard = []\n"
READY = "@hookimpl\ndef medbench_tracker_ready(settings):\n    heard.append('ready')\n"
OLD = "@hookimpl\ndef medbench_trial_finished(record):\n    heard.append(record)\n"
STRICT = "@hookimpl\ndef medbench_trial_finished(record):\n    heard.append(record)\n    1 / 0\n"
NOTES = """
@hookimpl
def medbench_trial_started(key, settings):
    heard.append(('started', key, settings.results.name))
@hookimpl
def medbench_trial_failed(trial, key, message):
    heard.append(('failed', key, message))
"""


class Plugins:
    """Plugins of one file each, in a folder that can be imported from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str, text: str, point: str = "") -> importlib.metadata.EntryPoint:
        (self.folder / f"{name}.py").write_text(HEAD + text)
        return importlib.metadata.EntryPoint(point or name, name, "medbench")

    def heard(self, name: str) -> list[object]:
        module = __import__(name)
        found: list[object] = module.heard
        return found


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plugins:
    folder = tmp_path / "plugins"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return Plugins(folder)


def test_a_tracker_hears_of_a_run_that_names_it_and_any_other_listener_of_all(plugins: Plugins) -> None:
    registry = Registry([plugins("named_one", READY + OLD), plugins("always_one", OLD)])
    Announcer(registry, Settings()).announce("medbench_trial_finished", record=1)
    Announcer(registry, turn_on(Settings(), "named_one")).announce("medbench_trial_finished", record=2)
    assert plugins.heard("named_one") == [2]
    assert plugins.heard("always_one") == [1, 2]


def test_a_failure_is_said_once_and_a_listener_that_goes_on_failing_is_left_alone(plugins: Plugins) -> None:
    announcer = Announcer(Registry([plugins("strict_one", STRICT), plugins("sound_one", OLD)]), Settings())
    said = [announcer.announce("medbench_trial_finished", record=number) for number in range(6)]
    assert said[0] == ["strict_one [unknown]: medbench_trial_finished raised ZeroDivisionError: division by zero"]
    assert said[1:] == [[]] * 5
    assert len(plugins.heard("strict_one")) == PATIENCE
    assert len(plugins.heard("sound_one")) == 6


def test_a_listener_that_exits_costs_neither_the_run_nor_its_exit_code(plugins: Plugins) -> None:
    text = "import sys\n@hookimpl\ndef medbench_trial_finished(record):\n    sys.exit(0)\n"
    for name, more in (("exiting_tracker", READY), ("exiting_listener", "")):
        announcer = Announcer(Registry([plugins(name, more + text)]), turn_on(Settings(), "exiting_tracker"))
        (said,) = announcer.announce("medbench_trial_finished", record=1)
        assert said.endswith("medbench_trial_finished raised SystemExit: 0")
    ready = "import sys\n@hookimpl\ndef medbench_tracker_ready():\n    sys.exit(0)\n"
    with pytest.raises(PluginError, match=r"^tracker 'exiting_start' cannot start: SystemExit: 0$"):
        check_trackers(Registry([plugins("exiting_start", ready)]), turn_on(Settings(), "exiting_start"))


def test_a_tracker_that_hangs_is_left_alone_until_its_call_has_ended(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = (
        "import threading\nleave = threading.Event()\n"
        "@hookimpl\ndef medbench_trial_finished(record):\n    heard.append(record)\n    leave.wait(30)\n"
        "@hookimpl\ndef medbench_run_finished(records):\n    heard.append(records)\n"
    )
    registry = Registry([plugins("hanging_one", READY + hanging), plugins("brisk_one", READY + OLD)])
    settings = turn_on(Settings(), "hanging_one,brisk_one")
    announcer = Announcer(registry, settings)
    monkeypatch.setattr("medbench.lifecycle.TIME_LIMIT_S", 0.05)
    (said,) = announcer.announce("medbench_trial_finished", record=1)
    assert "hanging_one" in said and said.endswith("has not ended after 0.05 s; it is left alone from here on")
    assert announcer.announce("medbench_trial_finished", record=2) == []
    (said,) = Announcer(registry, settings).announce("medbench_run_finished", records=[])
    assert said.endswith("medbench_run_finished is left out: an earlier call of it has not ended")
    assert (plugins.heard("hanging_one"), plugins.heard("brisk_one")) == ([1], [1, 2])
    __import__("hanging_one").leave.set()
    (thread,) = [one for one in threading.enumerate() if "hanging_one" in one.name]
    while getattr(thread, "stuck", False):
        time.sleep(0.01)
    monkeypatch.setattr("medbench.lifecycle.TIME_LIMIT_S", 30.0)
    assert Announcer(registry, settings).announce("medbench_run_finished", records=[]) == []
    assert plugins.heard("hanging_one") == [1, []]


def test_a_run_that_ended_has_more_time_the_more_records_it_has(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = "import time\n@hookimpl\ndef medbench_run_finished(records):\n    time.sleep(0.2)\n    heard.append(1)\n"
    announcer = Announcer(Registry([plugins("slow_one", READY + slow)]), turn_on(Settings(), "slow_one"))
    monkeypatch.setattr("medbench.lifecycle.TIME_LIMIT_S", 0.01)
    assert announcer.announce("medbench_run_finished", records=[1] * 20) == []
    assert plugins.heard("slow_one") == [1]


def test_a_tracker_is_always_called_in_the_same_thread_and_context(plugins: Plugins) -> None:
    keeping = (
        "import contextvars, threading\nopened = contextvars.ContextVar('opened', default=0)\n"
        "@hookimpl\ndef medbench_trial_finished(record):\n"
        "    heard.append((threading.get_ident(), opened.get()))\n    opened.set(record)\n"
    )
    announcer = Announcer(Registry([plugins("keeping_one", READY + keeping)]), turn_on(Settings(), "keeping_one"))
    for number in (1, 2):
        assert announcer.announce("medbench_trial_finished", record=number) == []
    (first, second) = plugins.heard("keeping_one")
    assert first[0] == second[0] != threading.get_ident()  # type: ignore[index]
    assert (first[1], second[1]) == (0, 1)  # type: ignore[index]
    thread = next(one for one in threading.enumerate() if one.ident == first[0])  # type: ignore[index]
    del announcer
    thread.join(10)
    assert not thread.is_alive()


def test_failures_that_are_not_in_a_row_do_not_add_up(plugins: Plugins) -> None:
    odd = "@hookimpl\ndef medbench_trial_finished(record):\n    heard.append(record)\n    1 / (record % 2)\n"
    announcer = Announcer(Registry([plugins("odd_one", odd)]), Settings())
    for number in range(10):
        announcer.announce("medbench_trial_finished", record=number)
    assert len(plugins.heard("odd_one")) == 10


def test_a_name_that_no_tracker_has_is_refused_with_a_suggestion(plugins: Plugins) -> None:
    registry = Registry([plugins("mlflowish", READY), plugins("listener", OLD)])
    check_trackers(registry, turn_on(Settings(), "mlflowish"))
    assert plugins.heard("mlflowish") == ["ready"]
    with pytest.raises(UnknownNameError, match="unknown tracker 'mlflwish' - did you mean 'mlflowish'"):
        check_trackers(registry, turn_on(Settings(), "mlflwish"))
    with pytest.raises(UnknownNameError, match="unknown tracker 'listener' - known: mlflowish"):
        check_trackers(registry, turn_on(Settings(), "listener"))


def test_a_tracker_that_cannot_start_stops_the_run_with_one_line(plugins: Plugins) -> None:
    broken = "@hookimpl\ndef medbench_tracker_ready():\n    raise TypeError('two\\nlines')\n"
    refusing = (
        "from medbench.errors import UsageError\n"
        "@hookimpl\ndef medbench_tracker_ready():\n    raise UsageError('no licence', fix='buy one')\n"
    )
    registry = Registry([plugins("broken_start", broken), plugins("refusing_start", refusing)])
    with pytest.raises(PluginError, match=r"^tracker 'broken_start' cannot start: TypeError: two lines$"):
        check_trackers(registry, turn_on(Settings(), "broken_start"))
    with pytest.raises(UsageError, match=r"^no licence - buy one$"):
        check_trackers(registry, turn_on(Settings(), "refusing_start"))


def test_a_name_that_two_trackers_claim_is_refused(plugins: Plugins) -> None:
    for name in ("claim_a", "claim_b"):
        plugins(name, READY)
        info = plugins.folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[medbench]\ntwin = {name}\n")
    found = importlib.metadata.distributions(path=[str(plugins.folder)])
    registry = Registry([point for distribution in found for point in distribution.entry_points])
    with pytest.raises(PluginError, match=r"'twin' is claimed by twin \[claim_a\] and twin \[claim_b\] - uninstall"):
        check_trackers(registry, turn_on(Settings(), "twin"))


def test_what_a_failure_says_is_one_short_line_without_passwords() -> None:
    text = describe(ValueError("no\nanswer from https://me:secret@host/x\x1b[31m " + "y" * 900))
    assert text.startswith("ValueError: no answer from https://host/x [31m yyy")
    assert len(text) == 300
    assert "secret" not in text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no answer from https://me:sec/ret@host/x", "no answer from https://host/x"),
        ("https://me:p@ss@host/x", "https://host/x"),
        ("https://host/x?a=1&api_key=secret&b=2", "https://host/x?a=1&api_key=...&b=2"),
        ("https://host/x?X-Amz-Signature=secret", "https://host/x?X-Amz-Signature=..."),
        ("https://host/x?Access_Token=secret", "https://host/x?Access_Token=..."),
        ("https://host/x?password=secret refused", "https://host/x?password=... refused"),
        ("https://host/x?page=2", "https://host/x?page=2"),
    ],
)
def test_no_secret_of_an_address_is_told(text: str, told: str) -> None:
    assert describe(ValueError(text)) == f"ValueError: {told}"
    assert len(describe(ValueError(f"{text}?token//" * 5000))) <= 300


@pytest.fixture
def ready(plugins: Plugins, toy_path: Path, toy_data: Path, settings: Settings) -> tuple[Registry, Plan]:
    registry = Registry([TOY, plugins("note_taker", NOTES)])
    request = Request(methods="toy", tasks="toy-bright")
    for files in build_plan(request, registry, settings).unprepared:
        prepare(files, Reporter())
    return registry, build_plan(request, registry, settings)


def test_a_trial_that_fails_is_announced_with_its_key_and_reason(
    ready: tuple[Registry, Plan], settings: Settings, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, plan = ready
    monkeypatch.setenv("TOY_RAISE", "Mean")
    (outcome,) = LocalExecutor(registry, settings).run(plan.of_state("ready"), Reporter())
    key = plan.trials[0].key
    assert plugins.heard("note_taker") == [("started", key, "results"), ("failed", key, outcome.message)]
    assert "told to raise" in outcome.message


def test_an_interrupted_trial_is_announced_and_the_interruption_goes_on(
    ready: tuple[Registry, Plan], settings: Settings, plugins: Plugins
) -> None:
    class Interrupted(Reporter):
        def phase(self, name: str, total: int | None = None) -> None:
            raise KeyboardInterrupt

    registry, plan = ready
    with pytest.raises(KeyboardInterrupt):
        LocalExecutor(registry, settings).run(plan.of_state("ready"), Interrupted())
    assert plugins.heard("note_taker")[-1] == ("failed", plan.trials[0].key, "interrupted")


def test_the_tracker_of_the_how_to_works(plugins: Plugins, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/howto/trackers.md").read_text()
    (code,) = re.findall(r"```python title=\"my_tracker.py\"\n(.*?)```", page, re.DOTALL)
    registry = Registry([plugins("my_tracker", code, "lines")])
    with pytest.raises(UsageError, match="has no file"):
        check_trackers(registry, turn_on(Settings(), "lines"))
    settings = Settings(trackers={"lines": {"file": str(tmp_path / "runs.txt")}})
    check_trackers(registry, settings)
    assert Announcer(registry, settings).announce("medbench_trial_finished", record=make_record(key="k")) == []
    assert (tmp_path / "runs.txt").read_text() == "mgca@resnet50 toy-det k\n"


def test_every_life_cycle_hook_is_in_the_how_to() -> None:
    page = (Path(__file__).parents[2] / "docs/howto/trackers.md").read_text()
    for name in sorted(HOOKS - {"medbench_methods", "medbench_datasets", "medbench_tasks"}):
        arguments = ", ".join(inspect.signature(getattr(hookspecs, name)).parameters)
        assert f"| `{name}({arguments})` |" in page
