"""``new-plugin``: what is written, and what is refused with nothing written."""

from __future__ import annotations

import ast
import tomllib
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


def test_the_command_names_what_it_wrote(tmp_path: Path) -> None:
    result = CliRunner().invoke(new_plugin_command, ["dataset", "own-lungs", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "medbench_own_lungs/reader.py" in result.output
    assert CliRunner().invoke(new_plugin_command, ["model", "x"]).exit_code == 2


def test_an_unknown_package_is_misuse() -> None:
    with pytest.raises(UnknownNameError, match="unknown plugin package 'medbench-nobody'") as refused:
        check_plugin_command.main(["medbench-nobody"], standalone_mode=False)
    assert refused.value.exit_code == 2
