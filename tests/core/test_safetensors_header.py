"""The phantom's mark in a safetensors file, and what else may lie where a header should be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from medbench.checkpoints import is_phantom, mark_phantom, read_checkpoint
from medbench.errors import CheckpointError
from medbench.safetensors_header import metadata_of, read_header

TENSORS = {"layer.weight": torch.arange(6.0).reshape(2, 3), "count": torch.tensor(3), "half": torch.ones(5).half()}


def whole(text: bytes, length: int | None = None) -> bytes:
    return (len(text) if length is None else length).to_bytes(8, "little") + text


def test_the_mark_leaves_tensors_and_words_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(TENSORS, path, metadata={"format": "pt"})
    assert not is_phantom(path)
    mark_phantom(path)
    assert is_phantom(path)
    once = path.read_bytes()
    mark_phantom(path)
    assert path.read_bytes() == once
    assert metadata_of(path) == {"format": "pt", "medbench_phantom": "true"}
    for found in (load_file(path), read_checkpoint(path).tensors):
        assert found.keys() == TENSORS.keys()
        assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items())
    with safe_open(path, "pt") as file:
        assert file.metadata()["format"] == "pt"
    assert int.from_bytes(once[:8], "little") % 8 == 0
    assert [one.name for one in tmp_path.iterdir()] == ["model.safetensors"]


def test_without_words_the_mark_is_the_first(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(TENSORS, path)
    mark_phantom(path)
    assert is_phantom(path)
    assert torch.equal(load_file(path)["half"], TENSORS["half"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02",
        whole(b"not json"),
        whole(b"[1, 2]"),
        whole(b'{"__metadata__": 3}', 1 << 40),
        whole(b"[" * 100_000),
        whole(b'{"a": "\xff"}'),
        whole(b"{}", 0),
    ],
    ids=["empty", "short", "text", "list", "long", "deep", "bytes", "zero"],
)
def test_what_has_no_header_is_no_phantom_and_cannot_be_marked(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert read_header(path) is None
    assert not is_phantom(path)
    with pytest.raises(CheckpointError, match="cannot be marked"):
        mark_phantom(path)
    assert path.read_bytes() == content


def test_words_that_are_no_mapping_are_none(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(whole(json.dumps({"__metadata__": ["medbench_phantom"]}).encode()))
    assert not is_phantom(path)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_phantom_or_not(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    path.write_bytes(content)
    assert not is_phantom(path)


def test_a_file_that_is_not_there_is_no_phantom(tmp_path: Path) -> None:
    assert not is_phantom(tmp_path / "model.safetensors")
