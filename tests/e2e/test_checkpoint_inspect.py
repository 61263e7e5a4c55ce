"""``medbench checkpoint inspect`` as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest
import torch

from tests.e2e.conftest import install

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Shell

PLUGIN = """
from medbench.hookspecs import hookimpl
from medbench.layouts import KeyReading, Layout
from medbench.specs import CheckpointSource, MethodSpec, MethodVariant

LAYOUT = Layout(name="Small's file", renames={"**": "net.**"}, ignore=("text.**",))
CAN = frozenset({"ImageEncoder"})


def keys(variant, shapes):
    return [KeyReading(part="images", layout=LAYOUT.name, matching=LAYOUT.match({"a": (2,), "b": (3, 1)}, shapes))]


@hookimpl
def medbench_methods():
    source = CheckpointSource(filename="small/a.pth")
    variants = tuple(MethodVariant(id=one, title=one, checkpoint=source, capabilities=CAN) for one in ("one", "two"))
    loader = "medbench_small:keys"
    return [MethodSpec(id="small", title="S", summary="", licence="", variants=variants, loader=loader, keys=loader)]
"""
STATE = {"net.a": torch.ones(2), "net.b": torch.ones(3, 1), "text.x": torch.ones(1), "text.y": torch.ones(1)}


class Runs:
    """Unpickled by a careless reader, it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def inspect_file(shell: Shell, tmp_path: Path) -> Shell:
    install(tmp_path / "site", "small-plugin", "medbench_small", PLUGIN)
    return shell


def test_a_known_file_its_json_and_one_that_is_incomplete(inspect_file: Shell) -> None:
    path, cut = inspect_file.folder / 'odd "name".pth', inspect_file.folder / "cut.pth"
    torch.save({"state_dict": STATE, "epoch": 3}, path)
    placed = inspect_file.folder / "checkpoints" / "small" / "a.pth"
    placed.parent.mkdir(parents=True)
    torch.save(STATE, placed)
    torch.save({"net.a": STATE["net.a"], "net.c\x1b[2J": STATE["net.a"]}, cut)
    known, told, wrong, at_home = _several(
        inspect_file,
        [str(path), "--method", "small"],
        [str(path), "--method", "small", "--json"],
        [str(cut), "--method", "small@two"],
        [str(placed), "--method", "small"],
    )
    assert "small@one or small@two\n  same keys: the file does not say which\n" in known
    assert "images  Small's file: 2 tensors, 5 numbers\n" in known
    assert "ignored 2: text.x 1, text.y 1\n" in known
    assert "beside    epoch: 3\n" in known
    assert "\n  medbench run --methods small@one --tasks ...\nCODE 0" in known
    lines = [line.strip() for line in known.splitlines() if line.strip().startswith('"small@')]
    places = tomllib.loads("\n".join(["[checkpoints]", *lines]))["checkpoints"]
    assert places == {"small@one": str(path.resolve()), "small@two": str(path.resolve())}

    found = json.loads(told.partition("CODE 0")[0])
    assert (found["state"], found["methods"], found["use"]) == ("known", ["small@one", "small@two"], lines)
    assert found["fits"][0]["parts"][0]["ignored"] == {"text.x": 1, "text.y": 1}

    assert "Not of method 'small@two'. The nearest:\nsmall@two, 1 of its 2 tensors\n" in wrong
    assert "1 missing key (net.b); 1 unexpected key (net.c?[2J)" in wrong
    assert "\x1b" not in wrong
    assert wrong.rstrip().endswith("CODE 1")

    assert "it lies where medbench looks for it" in at_home
    assert "[checkpoints]" not in at_home


def test_what_would_run_code_is_named_and_does_not_run(inspect_file: Shell) -> None:
    path, made = inspect_file.folder / "evil.pth", inspect_file.folder / "made"
    torch.save({"state_dict": STATE, "trainer": Runs(made)}, path)
    result = inspect_file("checkpoint", "inspect", str(path), "--method", "small", code=3)
    assert "holds objects that only code could rebuild, so it was not loaded: posix.mkdir" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not made.exists()


def test_a_folder_of_transformers_is_told_by_its_family(inspect_file: Shell) -> None:
    folder = inspect_file.folder / "rad"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "dinov2"}')
    assert "no open family reads" in inspect_file("checkpoint", "inspect", "rad", code=1).stdout
    (folder / "model.safetensors").write_bytes(b"")
    assert "medbench run --methods hf/./rad --tasks ..." in inspect_file("checkpoint", "inspect", "rad").stdout


def test_help_and_refusals_need_no_torch(inspect_file: Shell) -> None:
    (inspect_file.folder / "a.pth").write_text("<!DOCTYPE html><html>Sign in")
    for arguments, code, says in (
        (["checkpoint", "inspect", "--help"], 0, "is refused as unsafe"),
        (["checkpoint", "inspect", "a.pth"], 3, "a.pth is a web page"),
        (["checkpoint", "inspect", "b.pth"], 3, "no file at b.pth"),
        (["checkpoint", "inspect", "a.pth", "--method", "smal"], 2, "did you mean 'small'?"),
    ):
        program = (
            "import sys\nfrom medbench.cli import main\n"
            f"sys.argv = ['medbench', *{arguments!r}]\n"
            "try:\n    main()\nfinally:\n    print('LOADED', 'torch' in sys.modules, 'numpy' in sys.modules)\n"
        )
        result = _python(inspect_file, program)
        assert result.returncode == code, result.stderr
        assert says in " ".join((result.stdout + result.stderr).split())
        assert "LOADED False False" in result.stdout


def _several(shell: Shell, *runs: list[str]) -> list[str]:
    """What the command prints for each of its arguments, in one process: torch takes seconds to import."""
    program = (
        "import sys\nfrom medbench.cli import main\n"
        f"for run in {runs!r}:\n"
        "    sys.argv = ['medbench', 'checkpoint', 'inspect', *run]\n"
        "    try:\n        main()\n    except SystemExit as end:\n        print('CODE', end.code)\n    print('END')\n"
    )
    result = _python(shell, program)
    assert result.returncode == 0, result.stderr
    return result.stdout.split("END\n")[:-1]


def _python(shell: Shell, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=shell.folder,
        env=shell.variables({}),
        capture_output=True,
        text=True,
        check=False,
    )
