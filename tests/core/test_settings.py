"""Four sources in rising precedence; what nothing reads is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from medbench.errors import UsageError
from medbench.settings import check_names, load_settings, turn_on


def load(folder: Path, text: str | None = None, environment: dict[str, str] | None = None, **overrides: object):
    if text is not None:
        (folder / "medbench.toml").write_text(text)
    return load_settings(config=None, environment=environment or {}, overrides=overrides, folder=folder)


def test_the_command_line_beats_the_environment_beats_the_file(tmp_path: Path) -> None:
    text = '[paths]\ndata = "a"\nresults = "r"\ncache = "c"\n[compute]\nworkers = 1\n'
    settings = load(tmp_path, text, {"MEDBENCH_RESULTS": "/env", "MEDBENCH_WORKERS": "2"}, workers=3)
    assert settings.data == tmp_path / "a"
    assert settings.results == Path("/env")
    assert settings.workers == 3
    assert settings.precision == "fp32"


def test_one_dataset_or_checkpoint_may_lie_elsewhere(tmp_path: Path) -> None:
    settings = load(tmp_path, '[data]\nrsna = "/disk/rsna"\n[checkpoints]\n"mgca@resnet50" = "m.ckpt"\n')
    assert settings.dataset_root("rsna") == Path("/disk/rsna")
    assert settings.dataset_root("siim") == Path("data/siim")
    assert settings.checkpoint_path("mgca", "resnet50", "mgca/resnet_50.ckpt") == tmp_path / "m.ckpt"
    assert settings.checkpoint_path("mgca", "vit-b16", "mgca/vit_base.ckpt") == Path("checkpoints/mgca/vit_base.ckpt")


def test_a_folder_named_later_outweighs_the_files_single_places(tmp_path: Path) -> None:
    settings = load(tmp_path, '[data]\nrsna = "/disk/rsna"\n', data="/other")
    assert settings.dataset_root("rsna") == Path("/other/rsna")


def test_a_single_place_for_nothing_is_refused(tmp_path: Path) -> None:
    known = {"mgca": ["resnet50"]}
    check_names(load(tmp_path, '[data]\nrsna = "a"\n[checkpoints]\n"mgca@resnet50" = "b"\n'), ["rsna"], known)
    with pytest.raises(UsageError, match="did you mean 'rsna'"):
        check_names(load(tmp_path, '[data]\nrnsa = "a"\n'), ["rsna"], known)
    with pytest.raises(UsageError, match="did you mean 'mgca@resnet50'"):
        check_names(load(tmp_path, '[checkpoints]\n"mgca@resnt50" = "b"\n'), ["rsna"], known)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[path]\n", "did you mean 'paths'"),
        ("[paths]\ndta = 'x'\n", "did you mean 'data'"),
        ("[compute]\ndevice = 'tpu'\n", "unknown device 'tpu'"),
        ("[compute]\ndevice = 'cuda:x'\n", "unknown device"),
        ("[compute]\nprecision = 'fp8'\n", "unknown precision"),
        ("[compute]\nworkers = -1\n", "cannot be negative"),
        ("[compute]\nworkers = true\n", "a whole number is needed"),
        ("[compute]\ncompile = 2\n", "true or false is needed"),
        ("[compute]\nexecutor = 'rya'\n", "did you mean 'ray'"),
        ("[compute]\njobs = -1\n", "jobs is -1"),
        ("[compute]\nnproc_per_node = 0\n", "at least 1"),
        ("[pixels]\nkeep = 'sometimes'\n", "unknown way of keeping pixels"),
        ("[pixels]\nside = -1\n", "cannot be negative"),
        ("[pixels]\npixel_side = 5\n", "did you mean 'side'"),
        ("[executors.slrum]\n", "did you mean 'slurm'"),
        ("[executors]\nslurm = 3\n", "a table is needed"),
        ("[paths]\ndata = 3\n", "a path is needed"),
        ("[data]\nrsna = ''\n", "a path is needed"),
        ("paths = 3\n", "must be a"),
        ("[tracker.mlflow]\n", "did you mean 'trackers'"),
        (
            "[trackers]\nmlflow = true\n",
            r"\[trackers.mlflow\] is True, a table is needed - write \[trackers.mlflow\] on",
        ),
        ("[trackers.mlflow]\nuri = ['a']\n", r"\[trackers.mlflow\] uri is \['a'\], a text, a number, true or false"),
        ("[paths\n", "cannot be read"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(tmp_path, text)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no settings file"):
        load_settings(config=tmp_path / "x.toml", environment={}, overrides={}, folder=tmp_path)


@pytest.mark.parametrize(
    ("name", "value"), [("WORKERS", "many"), ("WORKERS", "--5"), ("DATA", "~nobody-of-that-name/x")]
)
def test_a_bad_environment_value_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"MEDBENCH_{name} is '{value}'"):
        load(tmp_path, environment={f"MEDBENCH_{name}": value})


def test_trackers_of_the_file_the_environment_and_the_flag_add_up(tmp_path: Path) -> None:
    text = '[trackers.mlflow]\nuri = "runs"\n'
    settings = turn_on(load(tmp_path, text, {"MEDBENCH_TRACKERS": "mlflow, tensorboard"}), "other,")
    assert {name: dict(options) for name, options in settings.trackers.items()} == {
        "mlflow": {"uri": "runs"},
        "tensorboard": {},
        "other": {},
    }
    assert not load(tmp_path, "").trackers


def test_how_trials_are_carried_out_and_pixels_kept(tmp_path: Path) -> None:
    text = (
        "[compute]\ncompile = true\nexecutor = 'slurm'\njobs = 2\nnproc_per_node = 4\n"
        "[pixels]\nside = 512\nkeep = 'never'\n[executors.slurm]\npartition = 'gpu'\ntime = 60\n"
    )
    settings = load(tmp_path, text, {"MEDBENCH_COMPILE": "no", "MEDBENCH_PIXEL_SIDE": "0"}, executor="ray")
    assert (settings.compile, settings.executor, settings.jobs, settings.nproc_per_node) == (False, "ray", 2, 4)
    assert (settings.pixel_side, settings.keep_pixels) == (0, "never")
    assert settings.executors == {"slurm": {"partition": "gpu", "time": 60}}
    assert load(tmp_path, "").pixel_side is None
