"""The tutorial on plugins, its own commands from first to last; and the other kinds of package, as they are written."""

from __future__ import annotations

import json
import shlex
import zipfile
from pathlib import Path

import pytest

from tests.e2e.plugin_env import Block, Environment, blocks_of

PAGE = Path(__file__).parents[2] / "docs" / "tutorial-plugin.md"


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment.make(tmp_path / "env", tmp_path / "work")


@pytest.mark.slow
def test_the_tutorial_s_commands_lead_to_a_record_and_a_wheel(environment: Environment) -> None:
    said = [_run(block, environment) for block in blocks_of(PAGE)]
    package = environment.folder
    assert package.name == "medbench-my-resnet"
    assert "2 passed" in said[1]
    assert "my-resnet" in said[2]
    (path,) = (package / "phantom" / "results").glob("kermany-knn/my-resnet@resnet18/*.json")
    record = json.loads(path.read_text())
    assert record["phantom"] is True
    assert record["provenance"]["versions"]["medbench-my-resnet"] == "0.1.0"
    assert "my-resnet" in said[3]
    assert "method my-resnet keeps the contract" in said[5]
    (wheel,) = (package / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "medbench_my_resnet/model.py" in names
    assert not any(name.startswith("tests") for name in names)
    _runs_from(wheel, environment)


def _runs_from(wheel: Path, environment: Environment) -> None:
    """The package in development goes, its wheel comes in its place, and a task is run with it elsewhere."""
    source = wheel.parents[1]
    environment.run(
        f"python -m pip uninstall -q -y medbench-my-resnet\npython -m pip install -q {shlex.quote(str(wheel))}"
    )
    source.rename(source.with_name("set-aside"))
    environment.folder = environment.root
    found = environment.run("python -c 'import medbench_my_resnet; print(medbench_my_resnet.__file__)'")
    assert "site-packages" in found
    environment.run("medbench phantom p --datasets kermany --methods my-resnet --images 24 --side 64")
    environment.run("medbench run --config p/medbench.toml --methods my-resnet --tasks kermany-knn")
    assert list((environment.root / "p" / "results").glob("kermany-knn/my-resnet@resnet18/*.json"))


def _run(block: Block, environment: Environment) -> str:
    """Run a block; ``without .eval()`` breaks the package first, and mends it afterwards."""
    if not block.note:
        return environment.run(block.commands)
    assert block.note == "without .eval()"
    module = environment.folder / "medbench_my_resnet" / "model.py"
    text = module.read_text()
    assert text.count(".eval()") == 1
    module.write_text(text.replace(".eval()", ""))
    said = environment.run(block.commands, code=1)
    module.write_text(text)
    shown = PAGE.read_text().partition("```text\n")[2].partition("\n```")[0]
    assert shown in said
    return said


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dataset", "task"])
def test_a_new_package_passes_its_own_tests_and_is_used_from_its_wheel(kind: str, environment: Environment) -> None:
    environment.run(f"medbench new-plugin {kind} own-{kind}\ncd medbench-own-{kind}")
    environment.run("python -m pip wheel -q --no-deps --wheel-dir dist .\npython -m pip install -q dist/*.whl")
    assert "2 passed" in environment.run("python -m pytest -q")
    assert f"{kind} own-{kind} keeps the contract" in environment.run(f"medbench check-plugin medbench-own-{kind}")
    if kind == "dataset":
        environment.run("medbench phantom p --datasets own-dataset --methods imagenet --images 16 --side 64")
        assert "16 of 16 samples usable" in environment.run(
            "medbench data prepare own-dataset --config p/medbench.toml 2>&1"
        )
    else:
        environment.run("medbench phantom p --datasets kermany --methods random --images 16 --side 64")
        shown = environment.run("medbench run --config p/medbench.toml --methods random --tasks own-task 2>&1")
        assert "random@resnet50" in shown
