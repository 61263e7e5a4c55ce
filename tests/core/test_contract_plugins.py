"""Plugins as a whole: what offers nothing, what only listens, what ends the process; and what none may touch."""

from __future__ import annotations

import importlib.metadata
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from medbench.cli.check_plugin import check_plugin_command
from medbench.registry import Registry
from medbench.testing.contract import Report, attempt
from medbench.testing.fresh import FreshError, ask
from medbench.testing.guards import NetworkRefusedError, no_network
from medbench.testing.plugin_checks import plugin_reports
from medbench.testing.spec_checks import check_light

TRACKER = """
from medbench.hookspecs import hookimpl

@hookimpl
def medbench_tracker_ready(settings):
    pass
"""
LISTENER = """
from medbench.hookspecs import hookimpl

@hookimpl
def medbench_run_finished(records):
    pass
"""
UNMARKED = """
def medbench_methods():
    return []
"""
NOT_FOUND = """
from medbench.hookspecs import hookimpl
from medbench.specs import MethodSpec, MethodVariant

VARIANT = MethodVariant(id="a", title="A", checkpoint=None, capabilities=frozenset({"ImageEncoder"}))
SPEC = MethodSpec(id="ends", title="Ends", summary="s", licence="l", variants=(VARIANT,), pretrained_on=(),
                  loader="contract_ends_model:load")

@hookimpl
def medbench_methods():
    return [SPEC]
"""


@pytest.fixture
def plug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Give a name and a module's text; get the registry of that plugin."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(name: str, text: str) -> Registry:
        (tmp_path / f"contract_{name}.py").write_text(text)
        return Registry([importlib.metadata.EntryPoint(name, f"contract_{name}", "medbench")])

    return make


def reports(registry: Registry) -> list[Report]:
    return list(plugin_reports(registry.plugins[0], registry))


def test_a_tracker_is_said_not_to_be_tried(plug, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = plug("tracked", TRACKER)
    _, report = reports(registry)
    assert not report.tried
    assert report.text == "tracker tracked: not checked: there are no checks of a tracker"
    monkeypatch.setattr(Registry, "load", lambda: registry)
    result = CliRunner().invoke(check_plugin_command, ["tracked"], standalone_mode=False)
    assert result.return_value == 0
    assert "keeps the contract" not in result.output
    assert "0 checked, 0 findings, 1 not tried" in result.output


def test_what_only_listens_is_no_fault_and_what_offers_nothing_is(plug) -> None:
    (listener,) = reports(plug("listens", LISTENER))
    assert not listener.findings
    assert not listener.tried
    (unmarked,) = reports(plug("unmarked", UNMARKED))
    assert "it offers nothing: is @hookimpl missing in contract_unmarked?" in unmarked.text


@pytest.mark.parametrize(
    "model", ["raise SystemExit(0)", "def load(request):\n    raise SystemExit(0)\n"], ids=["at import", "in load"]
)
def test_a_plugin_that_ends_the_process_is_a_finding(
    model: str, plug, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "contract_ends_model.py").write_text(model)
    monkeypatch.delitem(__import__("sys").modules, "contract_ends_model", raising=False)
    report = reports(plug("ends", NOT_FOUND))[1]
    assert any("SystemExit" in one.line for one in report.findings), report.text


def test_a_module_that_ends_the_process_or_asks_the_network_is_named(plug) -> None:
    (ended,) = check_light(plug("stops", "raise SystemExit(0)").plugins[0])
    assert "does not import by itself" in ended.line
    asks = "import socket\ntry:\n    socket.gethostbyname('specs.invalid')\nexcept OSError:\n    pass\n"
    (asked,) = check_light(plug("asks", asks).plugins[0])
    assert "it asked the network for specs.invalid from" in asked.line
    assert "contract_asks.py line 3" in asked.line


@pytest.mark.parametrize(
    "call",
    [
        lambda one: socket.gethostbyname("names.invalid"),
        lambda one: socket.gethostbyname_ex("names.invalid"),
        lambda one: socket.gethostbyaddr("192.0.2.1"),
        lambda one: socket.getaddrinfo(host="names.invalid", port=80),
        lambda one: one.sendto(b"x", ("192.0.2.1", 9)),
        lambda one: one.sendto(b"x", 0, ("192.0.2.1", 9)),
        lambda one: one.connect(("192.0.2.1", 9)),
    ],
)
def test_every_way_out_is_refused(call) -> None:
    with no_network() as tried, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        with pytest.raises(NetworkRefusedError):
            call(one)
        assert len(tried) == 1


def test_this_machine_by_any_name_is_no_network() -> None:
    with no_network() as tried, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        for host in ("0.0.0.0", "127.0.0.2", "localhost"):
            one.connect((host, 9))
        attempt("", "", lambda: socket.getaddrinfo(socket.gethostname(), None))
        assert tried == []


def hashed() -> int:
    return hash("a text")


def fails() -> None:
    raise KeyError("gone")


def ends() -> None:
    raise SystemExit(0)


def test_another_interpreter_hashes_otherwise_and_says_what_it_raised() -> None:
    assert ask(f"{__name__}:hashed") != hash("a text")
    with pytest.raises(FreshError, match="KeyError: 'gone'"):
        ask(f"{__name__}:fails")
    with pytest.raises(FreshError, match="SystemExit"):
        ask(f"{__name__}:ends")
