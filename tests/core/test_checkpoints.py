"""Checkpoints give tensors and never run code."""

from __future__ import annotations

import argparse
import pickle
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from medbench import cli as command_line
from medbench.checkpoints import is_phantom, mark_phantom, plain_globals, read_checkpoint, sha256_of
from medbench.errors import CheckpointError, MissingCheckpointError

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.zeros(2)}


class Touch:
    """Unpickled by a careless reader, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def _same(tensors: Any) -> bool:
    return set(tensors) == set(WEIGHTS) and all(torch.equal(tensors[key], WEIGHTS[key]) for key in WEIGHTS)


def test_a_phantom_mark_gives_the_same_bytes_at_every_draw(tmp_path: Path) -> None:
    paths = [tmp_path / "one" / "w.ckpt", tmp_path / "two" / "w.ckpt"]
    for path in paths:
        path.parent.mkdir()
        torch.save({"state_dict": {"a": torch.ones(2)}}, path)
        mark_phantom(path)
        time.sleep(2.1 if path is paths[0] else 0)  # zip archives keep time in steps of two seconds
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_values_that_trainers_leave_behind_are_read_where_a_method_allows_them(tmp_path: Path) -> None:
    path = tmp_path / "w.ckpt"
    values = {"lr": np.float64(1.5), "args": argparse.Namespace(x=1), "root": Path("/a")}
    torch.save({"state_dict": {"a": torch.ones(2)}, "hyper_parameters": values}, path)
    with pytest.raises(CheckpointError, match="only code could rebuild"):
        read_checkpoint(path)
    assert read_checkpoint(path, allow=plain_globals()).values["hyper_parameters"] == values


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("container", ["state_dict", "model", None])
def test_tensors_come_out_of_every_container(tmp_path: Path, zipped: bool, container: str | None) -> None:
    content = {container: WEIGHTS, "epoch": 3, "hyper_parameters": {"lr": 0.1}} if container else WEIGHTS
    torch.save(content, tmp_path / "a.ckpt", _use_new_zipfile_serialization=zipped)
    checkpoint = read_checkpoint(tmp_path / "a.ckpt")
    assert _same(checkpoint.tensors)
    assert checkpoint.values == ({"epoch": 3, "hyper_parameters": {"lr": 0.1}} if container else {})


def test_container_keys_are_tried_in_order(tmp_path: Path) -> None:
    torch.save({"model": WEIGHTS, "ema": {"b": torch.ones(1)}}, tmp_path / "a.pt")
    assert set(read_checkpoint(tmp_path / "a.pt", state_dict_keys=("ema", "model")).tensors) == {"b"}


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ({"state_dict": {}, "model": WEIGHTS}, {"state_dict": {}}),
        ({"state_dict": None, "model_state": WEIGHTS}, {"state_dict": None}),
        ({**WEIGHTS, "model": {"width": 3}, "epoch": 1}, {"model": {"width": 3}, "epoch": 1}),
        ({"state_dict": {**WEIGHTS, 3: torch.ones(1)}}, {}),
    ],
    ids=["empty first", "later key", "bare beside a configuration", "key that is no text"],
)
def test_the_container_is_the_first_that_holds_tensors(tmp_path: Path, content: Any, values: Any) -> None:
    torch.save(content, tmp_path / "a.pt")
    checkpoint = read_checkpoint(tmp_path / "a.pt")
    assert _same(checkpoint.tensors)
    assert checkpoint.values == values


def test_a_reason_that_quotes_the_file_is_cleaned(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"\x80\x02c\x1b[31mevil\nx\x1b]0;title\x07\n.")
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(tmp_path / "a.pt")
    assert str(caught.value).isprintable()


def test_safetensors(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "a.safetensors")
    assert _same(read_checkpoint(tmp_path / "a.safetensors").tensors)
    (tmp_path / "a.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:-9])
    with pytest.raises(CheckpointError, match="safetensors"):
        read_checkpoint(tmp_path / "a.safetensors")


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
@pytest.mark.parametrize("place", ["beside", "inside", "alone"])
def test_a_checkpoint_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path, form: str, place: str) -> None:
    touched = tmp_path / "touched"
    evil = Touch(touched)
    content = {
        "beside": {"state_dict": WEIGHTS, "callbacks": evil},
        "inside": {"state_dict": {**WEIGHTS, "x": evil}},
        "alone": evil,
    }[place]
    path = tmp_path / "evil.ckpt"
    if form == "pickle":
        path.write_bytes(pickle.dumps(evil))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(CheckpointError, match=r"evil\.ckpt") as caught:
        read_checkpoint(path)
    assert not touched.exists()
    assert "\n" not in str(caught.value)
    if form == "zip":
        assert "only code could rebuild" in str(caught.value)
        torch.load(path, weights_only=False)
        assert touched.exists(), "the file must be one that a careless reader would fall for"


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95])
def test_a_truncated_checkpoint_is_refused(tmp_path: Path, zipped: bool, share: float) -> None:
    path = tmp_path / "cut.ckpt"
    torch.save({"state_dict": WEIGHTS}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CheckpointError, match=r"cut\.ckpt"):
        read_checkpoint(path)


@given(st.binary(max_size=64))
@settings(max_examples=150, deadline=None)
def test_junk_ends_in_a_checkpoint_error(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    folder = tmp_path_factory.mktemp("junk")
    for name in ("junk.ckpt", "junk.safetensors"):
        for head in (b"", b"\x80\x02", b"PK\x03\x04"):
            (folder / name).write_bytes(head + junk)
            with pytest.raises(CheckpointError, match="junk"):
                read_checkpoint(folder / name)


def test_what_holds_no_tensor_or_no_mapping_is_refused(tmp_path: Path) -> None:
    torch.save([torch.zeros(1)], tmp_path / "list.pt")
    torch.save({"state_dict": {"epoch": 3}}, tmp_path / "none.pt")
    with pytest.raises(CheckpointError, match="holds a list"):
        read_checkpoint(tmp_path / "list.pt")
    with pytest.raises(CheckpointError, match="no tensors"):
        read_checkpoint(tmp_path / "none.pt")


def test_a_missing_checkpoint_says_so_and_is_no_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(MissingCheckpointError, match="no checkpoint at") as caught:
        read_checkpoint(tmp_path / "a.ckpt")
    assert not isinstance(caught.value, CheckpointError)


def test_the_phantom_mark_is_seen_and_leaves_the_tensors_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    torch.save({"state_dict": WEIGHTS, "epoch": 1}, path)
    assert not is_phantom(path)
    before = sha256_of(path)
    mark_phantom(path)
    assert is_phantom(path)
    assert sha256_of(path) != before
    checkpoint = read_checkpoint(path)
    assert _same(checkpoint.tensors)
    assert checkpoint.values == {"epoch": 1}
    assert _same(torch.load(path, weights_only=True)["state_dict"])


def test_what_is_no_zip_is_no_phantom(tmp_path: Path) -> None:
    (tmp_path / "a.ckpt").write_bytes(b"not a zip")
    assert not is_phantom(tmp_path / "a.ckpt")


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_command_line_prints_no_escape_sequences(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise CheckpointError("evil \x1b[31mkey\x07", fix="one\ntwo")

    monkeypatch.setattr(command_line.cli, "main", fail)
    with pytest.raises(SystemExit) as caught:
        command_line.main()
    assert (caught.value.code, capsys.readouterr().err) == (3, "error: evil ?[31mkey? - one\ntwo\n")
