"""A file is told by its keys, and what is no checkpoint is told for what it is."""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from medbench.checkpoints import mark_phantom, read_checkpoint
from medbench.contents import read_contents
from medbench.errors import CheckpointError, MissingCheckpointError, UsageError
from medbench.file_forms import form_of
from medbench.inspection import LONGEST_KEY, MOST_KEYS, choices_named, choices_of, grouped, inspect
from medbench.layouts import KeyReading, Layout, Shape
from medbench.open_places import open_place
from medbench.pickled import LEGACY_MAGIC
from medbench.specs import CheckpointSource, MethodSpec, MethodVariant
from medbench.untrusted import listed, shown

IMAGES = Layout(name="the release's", renames={"**": "net.**"}, ignore=("words.**",))
TEXTS = Layout(name="the release's", renames={"**": "words.**"}, ignore=("net.**",))
NEEDED = {"a.weight": (2, 3), "a.bias": (2,), "b.weight": (4,)}
STATE = {
    "net.a.weight": torch.ones(2, 3),
    "net.a.bias": torch.ones(2),
    "net.b.weight": torch.ones(4),
    "words.table": torch.ones(5, 2, dtype=torch.float16),
}


def keys(variant: str, shapes: Mapping[str, Shape]) -> list[KeyReading]:
    """Of ``both`` and ``twin`` images and texts, of ``images`` that part alone."""
    images = KeyReading(part="images", layout=IMAGES.name, matching=IMAGES.match(NEEDED, shapes))
    if variant == "images":
        return [images]
    return [images, KeyReading(part="texts", layout=TEXTS.name, matching=TEXTS.match({"table": (5, 2)}, shapes))]


def failing_keys(variant: str, shapes: Mapping[str, Shape]) -> list[KeyReading]:
    raise LookupError(f"no \x1b[31m{variant}")


def failing_model(name: str, checkpoints: Path) -> MethodVariant:
    """A family that takes paths alone, and fails at those that are there."""
    if not name.startswith("./"):
        raise UsageError(f"{name} is no path")
    if Path(name).is_dir():
        raise UsageError(f"{name} is of another family") if "other" in name else LookupError(f"no \x1b[31m{name}")
    return own_file(name, checkpoints)


def naming_model(name: str, checkpoints: Path) -> MethodVariant:
    """A family of no paths."""
    raise UsageError(f"{name} is no name")


def own_file(name: str, checkpoints: Path) -> MethodVariant:
    """A family whose models are files under its own folder."""
    source = CheckpointSource(filename=f"open/{name}.pth")
    return MethodVariant(id="x", title=name, checkpoint=source, capabilities=frozenset({"ImageEncoder"}), name=name)


def spec(name: str, *variants: str, keys: str | None = "keys", family: bool = False) -> MethodSpec:
    source = CheckpointSource(filename=f"{name}/a.pth")
    return MethodSpec(
        id=name,
        title=name,
        summary="",
        licence="",
        loader=f"{__name__}:keys",
        keys=keys and f"{__name__}:{keys}",
        open_variants=f"{__name__}:own_file" if family else None,
        variants=tuple(
            MethodVariant(id=one, title=one, checkpoint=source, capabilities=frozenset({"ImageEncoder"}))
            for one in variants
        ),
    )


SPECS = (spec("alpha", "both", "images"), spec("beta", "twin"), spec("silent", "one", keys=None))


def saved(folder: Path, content: Any, name: str = "a.pth", **options: Any) -> Path:
    path = folder / name
    torch.save(content, path, **options)
    return path


def test_a_file_is_of_every_variant_that_it_fits_the_fullest_first(tmp_path: Path) -> None:
    found = inspect(saved(tmp_path, {"model": STATE}), choices_of(SPECS))
    assert found.state == "known"
    assert [one.names for one in found.whole] == [("alpha@both", "beta@twin"), ("alpha@images",)]
    assert found.nearest == ()
    images, texts = found.whole[0].readings
    assert (images.matching.fitting, found.parameters_of(images), images.matching.ignored) == (3, 12, ("words.table",))
    assert (texts.matching.fitting, found.parameters_of(texts)) == (1, 10)


def test_what_is_missing_unexpected_or_misshapen_is_told_of_the_nearest(tmp_path: Path) -> None:
    state = {**STATE, "net.b.weight": torch.ones(7), "odd": torch.ones(1)}
    del state["words.table"]
    found = inspect(saved(tmp_path, state), choices_of(SPECS))
    assert (found.state, found.whole) == ("incomplete", ())
    assert [one.names for one in found.nearest] == [("alpha@images",), ("alpha@both", "beta@twin")]
    told = found.as_dict()["nearest"][1]["parts"]
    assert told[0]["first_misshapen"] == [["net.b.weight", (7,), (4,)]]
    assert (told[0]["unexpected"], told[0]["first_unexpected"]) == (1, ["odd"])
    assert told[1]["first_missing"] == ["words.table"]


def test_a_stranger_is_of_no_known_method(tmp_path: Path) -> None:
    found = inspect(saved(tmp_path, {"conv.weight": torch.ones(1)}), choices_of(SPECS))
    assert (found.state, found.whole, found.nearest) == ("unknown", (), ())
    alone = inspect(saved(tmp_path, {"conv.weight": torch.ones(1)}), choices_named(SPECS[1], None))
    assert alone.nearest[0].readings[0].matching.missing == ("net.a.weight", "net.a.bias", "net.b.weight")


def test_a_file_without_texts_is_known_for_its_images_behind_what_it_is_whole_to(tmp_path: Path) -> None:
    state = {key: tensor for key, tensor in STATE.items() if key.startswith("net.")}
    found = inspect(saved(tmp_path, state), choices_of(SPECS))
    assert found.state == "known"
    assert [one.names for one in found.whole] == [("alpha@images",), ("alpha@both", "beta@twin")]
    assert [one["images_only"] for one in found.as_dict()["fits"]] == [False, True]
    assert [one.part for one in found.whole[1].refused] == ["texts"]
    texts_alone = inspect(saved(tmp_path, {"words.table": STATE["words.table"]}), choices_of(SPECS))
    assert texts_alone.whole == (), "what has no images is of no method"


def test_a_key_of_many_words_is_cut(tmp_path: Path) -> None:
    long = "a." * 100_000
    assert list(grouped([long, long + "b"]).values()) == [2]
    assert list(grouped(["a." * 20 + end for end in "bc"])) == ["a." * 8 + "*"]
    found = inspect(saved(tmp_path, STATE | {long: torch.ones(1)}), choices_of(SPECS))
    assert {len(key) for key in found.nearest[0].readings[0].matching.unexpected} == {LONGEST_KEY}


def test_a_method_that_fails_at_telling_stops_no_other(tmp_path: Path) -> None:
    broken, absent = spec("broken", "one", keys="failing_keys"), spec("absent", "one", keys="nowhere")
    found = inspect(saved(tmp_path, STATE), choices_of([broken, *SPECS, absent]))
    assert found.state == "known"
    assert [one.partition(":")[0] for one in found.problems] == ["broken@one", "absent@one"]
    assert "LookupError" in found.problems[0]
    assert all(one.isprintable() for one in found.problems)


def test_one_method_or_variant_alone() -> None:
    assert [one.id for one in choices_named(SPECS[0], None)] == ["alpha@both", "alpha@images"]
    assert [one.id for one in choices_named(SPECS[0], "images")] == ["alpha@images"]
    with pytest.raises(UsageError, match="does not tell the keys"):
        choices_named(SPECS[2], None)
    with pytest.raises(UsageError, match="unknown variant of alpha"):
        choices_named(SPECS[0], "imags")


def test_tensors_where_no_method_looks_are_found_but_not_whole(tmp_path: Path) -> None:
    found = inspect(saved(tmp_path, {"ema": STATE, "few": {"x": torch.ones(1)}}), choices_of(SPECS))
    assert (found.contents.under, found.is_misplaced, found.state) == ("ema", True, "incomplete")
    assert found.contents.beside == {"few": "1 tensors"}


def test_a_flood_of_keys_is_counted_and_not_compared(tmp_path: Path) -> None:
    one = torch.ones(1)
    state = {**STATE, **{f"words.{number}.weight": one for number in range(MOST_KEYS)}}
    found = inspect(saved(tmp_path, state), choices_of(SPECS[:1]))
    assert len(found.contents.shapes) == MOST_KEYS + 4
    assert found.whole == (), "keys that were not compared are not said to be known"
    assert len(json.dumps(found.as_dict())) < 20_000


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_contents_of_a_trainers_file(tmp_path: Path, zipped: bool) -> None:
    content = {
        "state_dict": STATE,
        "epoch": 3,
        "pytorch-lightning_version": "1.5.10",
        "hyper_parameters": {"lr": 0.1, "args": argparse.Namespace(x=1)},
        "optimizer_states": [1, 2],
        "args": argparse.Namespace(batch=4),
        "ema": dict(STATE),
        "note": "a\x1b[2J" + "b" * 500,
    }
    found = read_contents(saved(tmp_path, content, _use_new_zipfile_serialization=zipped))
    assert found.form == ("torch zip" if zipped else "torch before 1.6")
    assert (found.under, found.parameters, found.trainer) == ("state_dict", 22, "Lightning 1.5.10")
    assert found.dtypes == {"float32": 3, "float16": 1}
    assert found.shapes["words.table"] == (5, 2)
    note = found.beside["note"]
    assert note.isprintable() and len(note) <= 60
    described = {name: text for name, text in found.beside.items() if name != "note"}
    assert described == {
        "epoch": "3",
        "pytorch-lightning_version": "1.5.10",
        "hyper_parameters": "lr, args",
        "optimizer_states": "2 items",
        "args": "batch",
        "ema": "4 tensors",
    }


def test_trainers_objects_are_named_and_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    package = types.ModuleType("omegaconf")
    package.DictConfig = type("DictConfig", (), {"__module__": "omegaconf"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "omegaconf", package)
    path = saved(tmp_path, {"state_dict": STATE, "hyper_parameters": package.DictConfig()})
    monkeypatch.delitem(sys.modules, "omegaconf")
    found = read_contents(path)
    assert found.unread == ("omegaconf.DictConfig",)
    assert found.beside == {"hyper_parameters": "empty, or not read"}
    assert "omegaconf" not in sys.modules


def test_phantoms_are_told(tmp_path: Path) -> None:
    path = saved(tmp_path, STATE)
    assert not read_contents(path).phantom
    mark_phantom(path)
    assert read_contents(path).phantom


def test_safetensors_are_read_by_their_header(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file(STATE, path, metadata={"format": "pt"})
    found = read_contents(path)
    assert (found.form, found.under, found.parameters) == ("safetensors", None, 22)
    assert found.shapes == {key: tuple(value.shape) for key, value in STATE.items()}
    assert found.dtypes == {"float32": 3, "float16": 1}
    assert found.beside == {"format": "pt"}
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CheckpointError, match="truncated"):
        read_contents(path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(CheckpointError, match="truncated"):
        read_contents(path)


def test_a_file_without_tensors_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no tensors, but epoch, model"):
        read_contents(saved(tmp_path, {"epoch": 3, "model": {}}))


def _zip(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return file.getvalue()


def _tar(*names: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return file.getvalue()


def _written(write: Callable[[Any], None]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


OTHERS = {
    "empty": (b"", "is empty - download it again"),
    "zeros": (bytes(5000), "zeros from its start on"),
    "html": (b"\n<!DOCTYPE html>\n<html><body>Sign in</body></html>", "a web page.*download it by hand"),
    "google": (b"<!-- x --><HTML><head><title>Virus scan warning", "a web page"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "pointer of git-lfs.*git lfs pull"),
    "cut": (_zip("a/data.pkl", "a/data/0")[:-30], "truncated or damaged: a zip archive"),
    "script": (_zip("a/data.pkl", "a/constants.pkl", "a/code/x.py"), "TorchScript archive"),
    "zip": (_zip("model/pytorch_model.bin", "readme.md"), "zip archive that holds model/pytorch_model.bin.*unpack it"),
    "pictures": (_zip("a.png", "b.png"), "zip archive of 2 files, none of which looks like weights"),
    "npz": (_written(lambda file: np.savez(file, w=np.ones(2))), "numpy archive"),
    "npy": (_written(lambda file: np.save(file, np.ones(2))), "a numpy array"),
    "tar": (_tar("x/a.pth", "notes.txt"), "tar archive that holds x/a.pth"),
    "tar.gz": (gzip.compress(_tar("x/a.ckpt")), "gzip archive of a tar that holds x/a.ckpt"),
    "gz": (gzip.compress(b"text"), "a gzip archive - unpack"),
    "gz-cut": (gzip.compress(bytes(range(256)) * 40)[:-9], "gzip archive, truncated"),
    "gguf": (b"GGUF\x03\x00\x00\x00", "GGUF"),
    "h5": (b"\x89HDF\r\n\x1a\n" + bytes(8), "HDF5"),
    "onnx": (b"\x08\x07\x12\x07pytorch\x1a\x051.13", "an ONNX model"),
    "savedmodel": (b"\x08\x01\x12\xf0\xac\x03\x0a\x90", "TensorFlow SavedModel"),
    "tflite": (b"\x1c\x00\x00\x00TFL3" + bytes(8), "TensorFlow Lite"),
    "index": (b"\x00\x01" * 30 + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb", "TensorFlow checkpoint"),
    "pickle": (pickle.dumps({"a": np.float64(1)}), r"a plain pickle that names numpy.*was not loaded"),
    "pickle-cut": (pickle.dumps({"a": "b" * 300})[:40], "truncated or not a checkpoint"),
    "text": (b"learning rate \x1b[31m0.1\n", 'a text file: "learning rate'),
    "noise": (bytes([0xFF, 0xD8, 0xFF, 0xE0, 0x81]), "no form that is known"),
    "safetensors": ((99).to_bytes(8, "little") + b'{"a":', "truncated: a safetensors file"),
}


@pytest.mark.parametrize(("data", "says"), OTHERS.values(), ids=OTHERS)
def test_what_is_no_checkpoint_is_told_for_what_it_is(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=says) as caught:
        form_of(path)
    assert str(caught.value).isprintable()


def test_safetensors_under_another_name_are_to_be_renamed(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "a.bin")
    with pytest.raises(CheckpointError, match=r"rename it so that it ends in \.safetensors"):
        form_of(tmp_path / "a.bin")


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_torch_file_under_the_name_of_the_other_form_is_to_be_renamed(tmp_path: Path, zipped: bool) -> None:
    path = saved(tmp_path, STATE, "a.safetensors", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"a torch file under another name - rename it so that it ends in \.pth"):
        form_of(path)


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pth")
    for path, what in ((tmp_path / "pipe.pth", "no regular file"), (tmp_path, "a folder")):
        for read in (form_of, read_checkpoint):
            with pytest.raises(CheckpointError, match=f"is {what}, not a checkpoint"):
                read(path)


def test_names_that_are_no_text_are_told_by_their_kind(tmp_path: Path) -> None:
    content = {**STATE, (1, 2): 1, "table": {(3, 4): 1}, "model": {"width": 3}}
    found = read_contents(saved(tmp_path, content))
    assert (found.under, set(found.shapes)) == (None, set(STATE))
    assert found.beside == {"a tuple": "1", "table": "a tuple", "model": "width"}


def test_tensors_without_plain_numbers(tmp_path: Path) -> None:
    odd = {"count": torch.ones(2, dtype=torch.int64), "wave": torch.ones(2, dtype=torch.complex64)}
    assert read_contents(saved(tmp_path, {**STATE, **odd})).not_floating == {"count", "wave"}
    save_file({**STATE, "count": odd["count"]}, tmp_path / "a.safetensors")
    assert read_contents(tmp_path / "a.safetensors").not_floating == {"count"}
    hollow = torch.ones(2, device="meta")
    nested = torch.nested.nested_tensor([torch.ones(1), torch.ones(2)])
    for tensor in (hollow, torch.ones(2).to_sparse(), nested):
        path = saved(tmp_path, {"state_dict": {**STATE, "b\x1b[2J": tensor}})
        for read in (read_contents, read_checkpoint):
            with pytest.raises(CheckpointError, match=r"tensors that are no dense arrays: b\?\[2J"):
                read(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(MissingCheckpointError, match="no file at") as caught:
        form_of(tmp_path / "a.pth")
    assert not isinstance(caught.value, CheckpointError)


@given(st.binary(max_size=64), st.sampled_from([b"", b"PK\x03\x04", b"\x1f\x8b\x08\x00", b"\x08\x01\x12", b"\x80\x04"]))
@settings(max_examples=200, deadline=None)
def test_any_bytes_have_a_form_or_are_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, head: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "junk.pth"
    path.write_bytes(head + junk)
    try:
        assert form_of(path) == "torch before 1.6"
        assert (head + junk).startswith(LEGACY_MAGIC)
    except CheckpointError as error:
        assert str(error).isprintable()


def test_keys_are_grouped_by_what_sets_them_apart() -> None:
    assert grouped([]) == {}
    assert grouped(["a.b.one", "a.b.two"]) == {"a.b.one": 1, "a.b.two": 1}
    assert grouped(["a.b.x.1", "a.b.x.2", "a.b.y"]) == {"a.b.x.*": 2, "a.b.y": 1}
    assert grouped(["same", "same"]) == {"same": 2}
    many = grouped([f"{number}.x" for number in range(1000)])
    assert len(many) == 9
    assert many["others"] == 992


def test_names_of_strangers_are_cut_and_cleaned() -> None:
    assert shown("a\x1b]0;title\x07\n\u202eb") == "a?]0;title???b"
    assert shown("x" * 999, 20) == "x" * 9 + "..." + "x" * 8
    assert listed(["a", "b\n", "c"], 2) == "a, b? and 1 more"


def test_an_open_family_says_which_of_its_models_a_file_is(tmp_path: Path) -> None:
    family = spec("open", family=True)
    (tmp_path / "open" / "deep").mkdir(parents=True)
    path = saved(tmp_path / "open" / "deep", STATE)
    for asked in (path, path.parent):
        place = open_place(asked, [*SPECS, family], tmp_path)
        assert place.names == (("open/deep/a",) if asked == path else ()), "a folder is no model of that family"
    elsewhere = saved(tmp_path, STATE)
    assert open_place(elsewhere, [family], tmp_path).names == ()


def test_a_family_that_fails_at_a_folder_is_told_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    specs = [
        replace(spec(name, family=True), open_variants=f"{__name__}:{function}")
        for name, function in (("failing", "failing_model"), ("naming", "naming_model"))
    ]
    for folder, says in (("odd", "failing: it could not be asked (LookupError"), ("other", "is of another family")):
        Path(folder).mkdir()
        (reason,) = open_place(Path(folder), specs, tmp_path / "checkpoints").reasons
        assert says in reason and reason.isprintable()
    Path("odd/config.json").write_text("[")
    assert open_place(saved(Path("odd"), STATE), specs, tmp_path / "checkpoints").names == ()
