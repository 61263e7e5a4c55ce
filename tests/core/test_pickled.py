"""What a pickle would import is told without running it, whatever its bytes are."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medbench.checkpoints import read_checkpoint
from medbench.errors import CheckpointError
from medbench.pickled import LEGACY_MAGIC, TRAINERS, beyond_tensors, globals_of, within


class Runs:
    """Unpickled by a careless reader, it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_torch_file_names_what_it_would_import_and_nothing_is_run(tmp_path: Path, zipped: bool) -> None:
    path, made = tmp_path / "a.pth", tmp_path / "made"
    content = {"state_dict": OrderedDict(a=torch.ones(2)), "callbacks": Runs(made)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    names = globals_of(path)
    assert list(names) == sorted(names)
    assert {"posix.mkdir", "collections.OrderedDict", "torch._utils._rebuild_tensor_v2"} <= set(names)
    assert beyond_tensors(names) == ("posix.mkdir",)
    assert not made.exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_of_pickle_names_its_globals(tmp_path: Path, protocol: int) -> None:
    # The second of two objects of a class has its name from the memo, and the second class its module.
    content = [Runs(tmp_path / "made"), Runs(tmp_path / "made"), OrderedDict(), os.getcwd, "posix", "system"]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
    assert globals_of(tmp_path / "a.pkl") == ("collections.OrderedDict", "posix.getcwd", "posix.mkdir")
    assert not (tmp_path / "made").exists()


def test_names_of_python_2_are_those_of_today(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(b"c__builtin__\neval\n.")
    assert globals_of(tmp_path / "a.pkl") == ("builtins.eval",)


def test_an_archive_without_a_pickle_names_nothing(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme.txt", "none")
    assert globals_of(tmp_path / "a.zip") == ()


def test_tensors_of_every_kind_are_no_strangers(tmp_path: Path) -> None:
    kinds = [
        torch.ones(2, dtype=kind) for kind in (torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.uint8)
    ]
    content = {"a": kinds, "b": torch.nn.Parameter(torch.ones(2)), "c": torch.Size([1]), "d": torch.float32}
    torch.save(content, tmp_path / "a.pth")
    assert beyond_tensors(globals_of(tmp_path / "a.pth")) == ()
    assert beyond_tensors(["torch.load", "torch.hub.load", "torch.nn.modules.linear.Linear"]) != ()


def test_a_prefix_is_a_whole_package() -> None:
    assert within("omegaconf.dictconfig.DictConfig", ("omegaconf.",))
    assert not within("omegaconfig.DictConfig", ("omegaconf.",))
    assert not within("builtins.dictionary", ("builtins.dict",))


@given(st.binary(max_size=96))
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_an_answer_or_a_checkpoint_error(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "junk.pth"
    for head in (b"", b"\x80\x04", LEGACY_MAGIC, b"PK\x03\x04"):
        path.write_bytes(head + junk)
        try:
            assert all(isinstance(name, str) for name in globals_of(path))
        except CheckpointError as error:
            assert "\n" not in str(error)


@given(st.binary(max_size=64))
@settings(max_examples=60, deadline=None)
def test_a_member_of_any_bytes_does_too(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "junk.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + junk)
    try:
        globals_of(path)
    except CheckpointError as error:
        assert "truncated or not a checkpoint" in str(error)


def test_a_string_that_says_it_is_endless_is_not_waited_for(tmp_path: Path) -> None:
    for name, data in {
        "long": b"\x80\x04\x8d" + (1 << 60).to_bytes(8, "little") + b"a",
        "bytes": b"\x80\x04B\xff\xff\xff\xffa",
        "steps": b"\x80\x02" + b"N" * 1000,
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(CheckpointError, match="truncated"):
            globals_of(tmp_path / name)


def test_a_member_that_unpacks_to_more_than_a_pickle_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02X" + (1 << 21).to_bytes(4, "little") + b"a" * (1 << 21) + b".")
    assert (tmp_path / "bomb.pth").stat().st_size < 1 << 14
    assert globals_of(tmp_path / "bomb.pth") == ()
    monkeypatch.setattr("medbench.pickled._LONGEST", 1 << 20)
    with pytest.raises(CheckpointError, match="more than 1 MB"):
        globals_of(tmp_path / "bomb.pth")
    monkeypatch.setattr("medbench.pickled._MOST_STEPS", 500)
    (tmp_path / "steps").write_bytes(b"\x80\x02" + b"N0" * 1000 + b"N.")
    with pytest.raises(CheckpointError, match="more than 500 steps"):
        globals_of(tmp_path / "steps")


def _nested(levels: int) -> bytes:
    """Tuples, each of which holds the one before it twice, by the memo; the last is a key."""
    doubled = (b"h%ch%c\x86q%c0" % (level, level, level + 1) for level in range(levels))
    return b"\x80\x02}N\x85q\x000" + b"".join(doubled) + b"h%cNs." % levels


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (_nested(60), "each in the next"),
        (b"\x80\x02}N" + b"\x85" * 3000 + b"Ns.", "each in the next"),
        (b"\x80\x02}(" + b"N" * 1000 + b"tq\x000(" + b"h\x00N" * 20_000 + b"u.", "each in the next"),
        (b"\x80\x02]q\x000](h\x00h\x00e)R.", "calls what is no function"),
    ],
    ids=["by the memo", "deep", "one key often", "a list called"],
)
def test_a_small_pickle_that_would_take_for_ever_is_refused(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "a.pkl").write_bytes(data)
    with pytest.raises(CheckpointError, match=says):
        globals_of(tmp_path / "a.pkl")
    magic = LEGACY_MAGIC + pickle.dumps(1001, protocol=2) + pickle.dumps({}, protocol=2)
    for before in (b"", pickle.dumps({}, protocol=2)):  # the object, or the names of its storages behind it
        (tmp_path / "old.pth").write_bytes(magic + before + data)
        with pytest.raises(CheckpointError, match=says):
            globals_of(tmp_path / "old.pth")


def test_tuples_that_are_shared_or_flat_are_no_danger(tmp_path: Path) -> None:
    betas = (0.9, 0.999)
    content = {(1, (2, 3)): [betas] * 1000, "words": tuple(map(str, range(10_000))), "deep": [[[[(1, (2, (3,)))]]]]}
    torch.save(content, tmp_path / "a.pth")
    assert globals_of(tmp_path / "a.pth") == ()


def test_a_file_with_two_pickles_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        for name in ("a/data.pkl", "b/DATA.pkl"):
            archive.writestr(name, b"\x80\x02N.")
    with pytest.raises(CheckpointError, match=r"holds 2 data\.pkl"):
        globals_of(tmp_path / "a.pth")


def test_names_are_printed_without_control_characters(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(b"cos\x1b[2Jx\nsystem\n\xff")
    with pytest.raises(CheckpointError) as caught:
        globals_of(tmp_path / "a.pkl")
    assert str(caught.value).isprintable()


def test_a_file_that_torch_wrote_without_checksums(tmp_path: Path) -> None:
    path = tmp_path / "file.pth"
    checks = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"state_dict": {"weight": torch.ones(2)}}, path)
    finally:
        torch.serialization.set_crc32_options(checks)
    assert "torch.FloatStorage" in globals_of(path)
    assert read_checkpoint(path, inert=TRAINERS).tensors["weight"].tolist() == [1, 1]
