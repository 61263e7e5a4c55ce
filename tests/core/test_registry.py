"""Plugins come in one by one: a bad one is named and costs nobody else."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from medbench.errors import PluginError, UnknownNameError
from medbench.registry import Registry
from tests.core.conftest import TOY

POINT = importlib.metadata.EntryPoint


def write_plugin(folder: Path, name: str, text: str) -> importlib.metadata.EntryPoint:
    (folder / f"{name}.py").write_text(text)
    return POINT(name, name, "medbench")


@pytest.fixture
def plugin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_good_plugin_offers_its_specs(registry: Registry) -> None:
    assert list(registry.methods) == ["toy"]
    assert list(registry.tasks) == ["toy-bright"]
    assert registry.plugins[0].state == "ok"
    assert "dataset toy" in registry.plugins[0].offers


def test_a_plugin_that_raises_on_import_is_named_and_the_rest_goes_on(toy_path: Path, plugin_folder: Path) -> None:
    registry = Registry([write_plugin(plugin_folder, "broken_one", "raise RuntimeError('no licence\\nfound')"), TOY])
    broken = next(one for one in registry.plugins if one.name == "broken_one")
    assert broken.state == "broken"
    assert broken.problems == ("RuntimeError: no licence found",)
    assert "toy" in registry.methods


def test_a_plugin_that_is_not_there_is_named(toy_path: Path) -> None:
    registry = Registry([POINT("gone", "no_such_module_anywhere", "medbench"), TOY])
    assert "no_such_module_anywhere" in registry.plugins[0].problems[0]


def test_two_plugins_with_one_id_are_both_named_and_neither_has_it(toy_path: Path, plugin_folder: Path) -> None:
    again = write_plugin(
        plugin_folder,
        "copycat",
        "import medbench_toy\nfrom medbench.hookspecs import hookimpl\n"
        "@hookimpl\ndef medbench_methods():\n    return [medbench_toy.METHOD]\n",
    )
    registry = Registry([TOY, again])
    assert "toy" not in registry.methods
    assert {plugin.state for plugin in registry.plugins} == {"partly", "broken"}
    with pytest.raises(PluginError, match=r"method 'toy' is claimed by copycat .* and toy .*uninstall one"):
        registry.method("toy")
    assert "toy-bright" in registry.tasks


def test_a_bad_spec_spoils_its_hook_alone(plugin_folder: Path) -> None:
    text = (
        "from medbench.hookspecs import hookimpl\nfrom medbench.specs import MethodVariant\n"
        "@hookimpl\ndef medbench_methods():\n"
        "    yield MethodVariant(id='Bad Id', title='', checkpoint=None, capabilities=frozenset())\n"
        "@hookimpl\ndef medbench_tasks():\n    return ['not a spec']\n"
    )
    plugin = Registry([write_plugin(plugin_folder, "sloppy", text)]).plugins[0]
    assert plugin.state == "broken"
    assert any("bad variant id 'Bad Id'" in problem for problem in plugin.problems)
    assert any("gave a str, not a TaskSpec" in problem for problem in plugin.problems)


def test_a_plugin_that_ends_the_process_is_named(plugin_folder: Path) -> None:
    plugin = Registry([write_plugin(plugin_folder, "leaver", "import sys\nsys.exit('bye')")]).plugins[0]
    assert plugin.problems == ("SystemExit: bye",)


def test_a_misspelt_hook_is_named(plugin_folder: Path) -> None:
    text = "from medbench.hookspecs import hookimpl\n@hookimpl\ndef medbench_method():\n    return []\n"
    plugin = Registry([write_plugin(plugin_folder, "misspelt", text)]).plugins[0]
    assert plugin.problems == ("'medbench_method' is marked as a hook, but there is none of that name",)


def test_an_unknown_id_gets_a_suggestion(registry: Registry) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown task 'toy-brigth'.*did you mean 'toy-bright'"):
        registry.task("toy-brigth")


def test_a_tracker_is_known_by_the_name_of_its_entry_point(plugin_folder: Path) -> None:
    text = "from medbench.hookspecs import hookimpl\n@hookimpl\ndef medbench_tracker_ready():\n    pass\n"
    registry = Registry([write_plugin(plugin_folder, "wandb_like", text)])
    assert registry.plugins[0].offers == ("tracker wandb_like",)
    assert [one.tracker for one in registry.listeners("medbench_tracker_ready")] == ["wandb_like"]


def test_specs_of_a_kind_are_asked_for_when_it_is_looked_at(toy_path: Path, plugin_folder: Path) -> None:
    text = "\n".join(
        [
            "from medbench.hookspecs import hookimpl",
            "ASKED = []",
            *(
                f"@hookimpl\ndef medbench_{kind}():\n    ASKED.append('{kind}')\n    return ['no spec']"
                for kind in ("methods", "datasets", "tasks")
            ),
        ]
    )
    registry = Registry([write_plugin(plugin_folder, "watcher", text), TOY])
    import watcher  # type: ignore[import-not-found]

    assert list(registry.methods) == ["toy"]
    assert watcher.ASKED == ["methods"]
    assert [len(plugin.problems) for plugin in registry.looked_at] == [0, 1]
    assert [len(plugin.problems) for plugin in registry.plugins] == [0, 3]
    assert watcher.ASKED == ["methods", "datasets", "tasks"]
    assert registry.plugins[0].offers == ("method toy", "dataset toy", "task toy-bright")
