"""The command ``medbench tables``: what it writes, keeps, removes and says, and with which exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from medbench.cli import tables as command
from medbench.errors import UsageError
from medbench.store import ResultStore
from tests.core.record_maker import make_record
from tests.core.table_toys import files_of, keep, toy_registry, toy_task

PLAIN = "toy-det--standard--official--dddddddd"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ResultStore:
    """Two methods on one task, three trials."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "load_registry", toy_registry)
    store = ResultStore(tmp_path / "results")
    keep(store, "mgca", 0.5)
    keep(store, "medst", 0.8)
    keep(store, "medst", 0.6, fraction=0.1)
    return store


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(command.tables_command, [*arguments], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    assert result.return_value == code, result.output
    return result


def test_a_page_with_its_files_and_an_overview(store: ResultStore) -> None:
    result = run()
    kinds = ("-classes.png", "-efficiency.csv", "-efficiency.png", "-groups.csv", "-paired.csv")
    kinds += ("-reliability.csv", "-reliability.png", ".md")
    files = files_of(store.root / "tables")
    assert set(files) == {"overview.csv", "overview.md", *(PLAIN + kind for kind in kinds)}
    page = files[f"{PLAIN}.md"].decode()
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## Label efficiency",
        "## Paired tests",
        "## By class",
        "## By sex",
        "## Reliability",
        "## Files",
    ]
    for name in files:
        if name.endswith(".png"):
            assert f"]({name})" in page
    assert f"]({PLAIN}.md)" in files["overview.md"].decode()
    assert "wrote 10 files" in result.output
    assert result.stderr == ""


def test_the_same_records_give_the_same_bytes_and_the_results_are_as_before(store: ResultStore, tmp_path: Path) -> None:
    before = store.read_all()
    run("--out", str(tmp_path / "first"))
    run("--out", str(tmp_path / "second"))
    assert files_of(tmp_path / "first") == files_of(tmp_path / "second")
    run()
    assert store.read_all() == before


def test_without_plots_no_picture_is_left(store: ResultStore) -> None:
    run()
    result = run("--no-plots")
    names = set(files_of(store.root / "tables"))
    assert not any(name.endswith(".png") for name in names)
    assert result.output.count("removed") == 3
    assert ".png" not in (store.root / "tables" / f"{PLAIN}.md").read_text()


def test_only_stale_files_with_our_mark_are_removed(store: ResultStore) -> None:
    run("--no-plots")
    folder = store.root / "tables"
    (folder / "notes.md").write_text("# mine")
    (folder / "mine.csv").write_text("a,b\n1,2\n")
    (folder / f"{PLAIN}.md").rename(folder / "gone--x.md")
    (folder / f"{PLAIN}-groups.csv").rename(folder / "gone--x-groups.csv")
    run("--no-plots")
    names = set(files_of(folder))
    assert {"notes.md", "mine.csv"} <= names
    assert not any(name.startswith("gone") for name in names)


def test_a_file_of_others_is_not_overwritten(store: ResultStore) -> None:
    folder = store.root / "tables"
    folder.mkdir()
    (folder / "overview.md").write_text("# mine")
    with pytest.raises(UsageError, match=r"overview\.md was not made by medbench tables - choose another --out"):
        run("--no-plots")
    assert set(files_of(folder)) == {"overview.md"}


def test_a_damaged_parquet_costs_its_method_alone_and_exits_one(store: ResultStore) -> None:
    record = keep(store, "third", 0.7)
    path = store.path(record.task, record.method_id, record.key).with_suffix(".parquet")
    path.write_bytes(path.read_bytes()[:100])
    result = run("--no-plots", code=1)
    assert "error: third@resnet50 on toy-det, seed 0: the predictions" in result.stderr
    page = (store.root / "tables" / f"{PLAIN}.md").read_text()
    assert "third@resnet50" in page.split("## Paired tests")[0]
    assert "third@resnet50" not in page.split("## By class")[1]


def test_a_damaged_record_is_said_and_exits_one(store: ResultStore) -> None:
    path = store.root / "toy-det" / "mgca@resnet50" / "x.json"
    path.write_text("{")
    assert "x.json is not a valid record" in run("--no-plots", code=1).stderr


def test_predictions_without_the_columns_are_damage(store: ResultStore) -> None:
    import pyarrow as pa

    store.write(make_record("third", 0.5), pa.table({"source": ["model"], "sample_id": ["s"], "patient_id": ["p"]}))
    assert "error: third@resnet50 on toy-det, seed 0: KeyError" in run("--no-plots", code=1).stderr


def test_what_is_only_absent_is_a_warning(store: ResultStore, monkeypatch: pytest.MonkeyPatch) -> None:
    record = keep(store, "third", 0.7)
    store.path(record.task, record.method_id, record.key).with_suffix(".parquet").unlink()
    for name in ("toy-gone", "toy-mute", "toy-broken"):
        keep(store, "mgca", 0.5, task=name)
    tasks = (
        toy_task(),
        toy_task(id="toy-mute", loader="tests.core.table_toys:MUTE"),
        toy_task(id="toy-broken", loader="no_such_module:PROTOCOL"),
    )
    monkeypatch.setattr(command, "load_registry", lambda: toy_registry(*tasks))
    said = run("--no-plots").stderr.splitlines()
    assert len(said) == 4
    assert said[0] == "warning: toy-gone: no installed plugin has that task"
    assert "toy-broken: its predictions cannot be analysed: task 'toy-broken': cannot import no_such_module" in said[1]
    assert "third@resnet50 on toy-det, seed 0: no predictions at" in said[2]
    assert said[3] == "warning: toy-mute: its protocol offers no analysis of kept predictions"
    page = (store.root / "tables" / "toy-mute--standard--official--dddddddd.md").read_text()
    assert "## Label efficiency" in page
    assert "## Paired tests" not in page


def test_tasks_are_chosen_and_the_others_pages_go(store: ResultStore, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(store, "mgca", 0.5, task="toy-two")
    monkeypatch.setattr(command, "load_registry", lambda: toy_registry(toy_task(), toy_task(id="toy-two")))
    run("--no-plots")
    run("--no-plots", "--tasks", "toy-two")
    names = set(files_of(store.root / "tables"))
    assert not any(name.startswith("toy-det") for name in names)
    assert any(name.startswith("toy-two") for name in names)


def test_phantom_has_pages_and_an_overview_of_its_own(store: ResultStore) -> None:
    keep(store, "mgca", 0.9, phantom=True)
    run("--no-plots")
    files = files_of(store.root / "tables")
    assert b"Generated data" in files[f"{PLAIN}--phantom.md"]
    assert b"true" not in files["overview.csv"]
    assert b"false" not in files["overview-phantom.csv"].replace(b",false,1,Made", b"")


def test_a_folder_without_records_gives_an_empty_overview(store: ResultStore, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run("--results", str(tmp_path / "empty"))
    assert "warning: no record of these tasks" in result.stderr
    assert "No record on real data yet." in (tmp_path / "empty" / "tables" / "overview.md").read_text()


def test_a_results_folder_that_is_not_there_is_refused(store: ResultStore) -> None:
    with pytest.raises(UsageError, match="no results folder at nowhere"):
        run("--results", "nowhere")


def test_neither_torch_nor_pyplot_is_loaded(store: ResultStore) -> None:
    code = (
        "import sys\nfrom medbench.cli import tables\nfrom tests.core.table_toys import toy_registry\n"
        "tables.load_registry = toy_registry\n"
        "tables.tables_command.main(['--results', sys.argv[1]], standalone_mode=False)\n"
        "print('LOADED', *[name for name in ('torch', 'matplotlib.pyplot', 'sklearn') if name in sys.modules])\n"
    )
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code, str(store.root)], cwd=root, capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "LOADED"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom medbench.cli.tables import tables_command\n"
        "try:\n    tables_command.main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print('LOADED', *[name for name in ('numpy', 'pyarrow', 'matplotlib') if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "LOADED"
