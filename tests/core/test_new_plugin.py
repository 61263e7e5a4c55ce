"""``new-plugin``: what is written, and what is refused with nothing written."""

from __future__ import annotations

import ast
import shlex
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from medbench.cli.check_plugin import check_plugin_command
from medbench.cli.new_plugin import new_plugin_command
from medbench.errors import StoreError, UnknownNameError, UsageError
from medbench.kit.package import KINDS, Kind, NewPackage, check_name, write_package
from medbench.registry import Registry


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_is_whole_and_its_files_can_be_read(kind: Kind, tmp_path: Path) -> None:
    paths = write_package(NewPackage(kind, "a.b-c_9"), tmp_path)
    names = {path.relative_to(tmp_path / "medbench-a.b-c_9").as_posix() for path in paths}
    assert {"pyproject.toml", "README.md", ".gitignore", ".github/workflows/test.yml"} <= names
    assert {"medbench_a_b_c_9/__init__.py", "tests/test_a_b_c_9.py"} <= names
    for path in paths:
        assert "$" not in path.read_text().replace("${{", "")
        if path.suffix == ".py":
            ast.parse(path.read_text())
    project = tomllib.loads((tmp_path / "medbench-a.b-c_9" / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["medbench"] == {"a.b-c_9": "medbench_a_b_c_9"}
    assert "license" not in project, "the choice is the author's"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("My ResNet", "for example 'my-resnet'"),
        ("-rf", "for example 'rf'"),
        ("mine..", "for example 'mine'"),
        ("../evil", "for example 'evil'"),
        ("Ü", "for example 'my-resnet'"),
        ("a" * 61, "for example 'aaa"),
        ("x\n", "for example 'x'"),
    ],
)
def test_a_bad_name_is_refused_with_a_good_one(name: str, hint: str, registry: Registry) -> None:
    with pytest.raises(UsageError) as refused:
        check_name(NewPackage("method", name), registry)
    assert hint in str(refused.value)


def test_taken_names_are_refused(registry: Registry) -> None:
    with pytest.raises(UsageError, match="the method 'toy' is taken by toy"):
        check_name(NewPackage("method", "toy"), registry)
    with pytest.raises(UsageError, match="a module medbench_methods is installed already"):
        check_name(NewPackage("task", "methods"), registry)
    check_name(NewPackage("task", "mine"), registry)


def test_an_existing_folder_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "medbench-mine").mkdir()
    (tmp_path / "medbench-mine" / "README.md").write_text("kept")
    with pytest.raises(UsageError, match="exists already") as refused:
        write_package(NewPackage("method", "mine"), tmp_path)
    assert refused.value.exit_code == 2
    assert [path.read_text() for path in (tmp_path / "medbench-mine").iterdir()] == ["kept"]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        write_package(NewPackage("method", "mine"), tmp_path / "file")


def test_what_fails_half_way_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str, **how: str) -> int:
        if path.name == "README.md":
            raise OSError(28, "No space left on device")
        return write_text(path, text, **how)

    write_text = Path.write_text
    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        with pytest.raises(StoreError, match="No space left"):
            write_package(NewPackage("method", "mine"), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert write_package(NewPackage("method", "mine"), tmp_path)


def test_the_next_command_can_be_pasted(tmp_path: Path) -> None:
    out = tmp_path / "my own; work"
    result = CliRunner().invoke(new_plugin_command, ["task", "own-task", "--out", str(out)])
    line = next(line for line in result.output.splitlines() if line.startswith("next: "))
    assert shlex.split(line)[:4] == ["next:", "cd", str(out / "medbench-own-task"), "&&"]


def test_the_workflow_installs_medbench_before_the_package(tmp_path: Path) -> None:
    write_package(NewPackage("dataset", "mine"), tmp_path)
    text = (tmp_path / "medbench-mine" / ".github" / "workflows" / "test.yml").read_text()
    assert text.index("edit this address") < text.index("'medbench @ git+") < text.index("'.[test]'")


def test_what_a_method_has_seen_is_left_for_its_author_to_say(tmp_path: Path) -> None:
    write_package(NewPackage("method", "mine"), tmp_path)
    module = (tmp_path / "medbench-mine" / "medbench_mine" / "__init__.py").read_text()
    assert "pretrained_on=None" in module


def test_the_wheel_holds_what_the_author_adds(tmp_path: Path) -> None:
    write_package(NewPackage("dataset", "mine"), tmp_path)
    package = tmp_path / "medbench-mine"
    for name in ("nets/__init__.py", "nets/__pycache__/old.cpython-311.pyc", "words/deep/vocab.txt"):
        path = package / "medbench_mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        "dist",
        ".",
    ]
    subprocess.run(command, cwd=package, check=True, capture_output=True)
    (wheel,) = (package / "dist").glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if "dist-info" not in name}
    files = {"__init__.py", "reader.py", "phantom.py", "nets/__init__.py", "words/deep/vocab.txt"}
    assert names == {f"medbench_mine/{name}" for name in files}


def test_the_command_names_what_it_wrote(tmp_path: Path) -> None:
    result = CliRunner().invoke(new_plugin_command, ["dataset", "own-lungs", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "medbench_own_lungs/reader.py" in result.output
    assert CliRunner().invoke(new_plugin_command, ["model", "x"]).exit_code == 2


def test_an_unknown_package_is_misuse() -> None:
    with pytest.raises(UnknownNameError, match="unknown plugin package 'medbench-nobody'") as refused:
        check_plugin_command.main(["medbench-nobody"], standalone_mode=False)
    assert refused.value.exit_code == 2
