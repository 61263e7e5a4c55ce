"""The texts beside MeDSLIP's checkpoint: which files are read, and how damage is said."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

from medbench.checkpoints import sha256_of
from medbench.errors import CheckpointError, MissingCheckpointError
from medbench_methods import medslip
from medbench_methods.nets import medslip_books
from medbench_methods.nets.medslip_books import VECTORS, read_books, read_texts, write_books
from medbench_methods.nets.medslip_findings import FINDINGS
from medbench_methods.nets.medslip_phantom import drawn_books

if TYPE_CHECKING:
    from pathlib import Path

PUBLISHED = dict.fromkeys(FINDINGS, "small left effusion .")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """``medslip`` in a checkpoints root."""
    (tmp_path / "medslip").mkdir()
    return tmp_path / "medslip"


def write_texts(folder: Path, entries: object) -> Path:
    path = folder / medslip_books.TEXTS
    path.write_text(json.dumps(entries))
    return path


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory, assets: Path) -> Path:
    """A small BERT of two layers in a folder as the hub's, with a vocabulary of the true size."""
    place = tmp_path_factory.mktemp("bert") / "bio_clinicalbert"
    config = BertConfig(vocab_size=28996, num_hidden_layers=2, intermediate_size=8, max_position_embeddings=64)
    BertModel(config).save_pretrained(place)
    (place / "vocab.txt").write_bytes((assets / "tokenizers" / "bio_clinicalbert" / "vocab.txt").read_bytes())
    return place


def with_bert(folder: Path, bert: Path, **changes: int) -> Path:
    """``folder`` with that BERT, its configuration changed; gives the checkpoints root."""
    place = folder / "bio_clinicalbert"
    place.mkdir()
    for file in bert.iterdir():
        (place / file.name).symlink_to(file)
    config = json.loads((bert / "config.json").read_text()) | changes
    (place / "config.json").unlink()
    (place / "config.json").write_text(json.dumps(config))
    return folder.parent


def test_cached_vectors_come_first_and_need_no_encoder(folder: Path) -> None:
    books = drawn_books(3)
    write_texts(folder, {"not": "read"})
    write_books(folder / VECTORS, books)
    found = read_books(folder.parent)
    assert torch.equal(found.pathology, books.pathology)
    assert torch.equal(found.anatomy, books.anatomy)


def test_texts_are_encoded_in_file_order_whatever_the_misspelt_key(folder: Path, bert: Path) -> None:
    entries = {("eumonia" if name == "pneumonia" else name): "the heart" for name in FINDINGS}
    entries["eumonia"], entries["effusion"] = "pneumonia is worse", "small left effusion"
    write_texts(folder, entries)
    books = read_books(with_bert(folder, bert))
    assert books.pathology.shape == (75, 768)
    assert books.anatomy.shape == (51, 768)
    distinct = {name: books.pathology[FINDINGS.index(name)] for name in ("pneumonia", "effusion", "opacity")}
    assert torch.allclose(distinct["opacity"], books.pathology[0], atol=1e-5)
    assert not torch.allclose(distinct["pneumonia"], distinct["effusion"], atol=1e-3)
    assert not torch.allclose(distinct["pneumonia"], distinct["opacity"], atol=1e-3)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"normal": "text"}, "holds 1 texts, not the 75"),
        (["a", "b"], "does not map names to texts"),
        (PUBLISHED | {"edema": 3}, "does not map names to texts"),
        (PUBLISHED | {"edema": " "}, "does not map names to texts"),
        (dict(sorted(PUBLISHED.items())), "not in the published order: 'abnormality' stands at 'normal'"),
    ],
    ids=["short", "list", "number", "empty", "sorted"],
)
def test_a_file_that_is_not_the_75_texts_is_refused(folder: Path, entries: object, said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        read_texts(write_texts(folder, entries))


def test_a_name_given_twice_and_what_is_not_json_are_refused(folder: Path) -> None:
    path = write_texts(folder, PUBLISHED)
    path.write_text(path.read_text().replace("{", '{"normal": "once more", ', 1))
    with pytest.raises(CheckpointError, match="holds 76 texts"):
        read_texts(path)
    path.write_bytes(b"\xff\xfe{")
    with pytest.raises(CheckpointError, match="is not JSON"):
        read_texts(path)


def test_the_log_says_which_of_the_releases_files_it_is(folder: Path, monkeypatch, caplog) -> None:
    path = write_texts(folder, PUBLISHED)
    digest = sha256_of(path)
    for version, level in (("zero-shot", logging.INFO), ("pre-training", logging.WARNING)):
        monkeypatch.setattr(medslip_books, "_KNOWN", {version: (digest[:8], digest[-5:])})
        with caplog.at_level(logging.INFO):
            assert len(read_texts(path)) == 75
        assert (caplog.records[-1].levelno, version in caplog.text) == (level, True)
    monkeypatch.undo()
    read_texts(path)
    assert "neither of the release's two files" in caplog.records[-1].getMessage()


def test_nothing_there_says_what_to_put_where(folder: Path) -> None:
    with pytest.raises(MissingCheckpointError, match=r"no texts at .*medslip/observation explanation.json - put"):
        read_books(folder.parent)
    with pytest.raises(MissingCheckpointError, match="no checkpoints folder is set"):
        read_books(None)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"pathology": torch.zeros(75, 768)}, r"'anatomy' must hold floats of \(51, 768\), it holds nothing"),
        ({"pathology": torch.zeros(74, 768)}, r"'pathology' must hold .* it holds torch.float32 \(74, 768\)"),
        ({"pathology": torch.zeros(75, 768, dtype=torch.int64)}, r"holds torch.int64"),
        ({"pathology": torch.full((75, 768), torch.nan)}, "values that are not finite"),
    ],
    ids=["half", "short", "integers", "nan"],
)
def test_vectors_of_another_form_are_refused(folder: Path, tensors: dict, said: str) -> None:
    save_file(tensors, folder / VECTORS)
    with pytest.raises(CheckpointError, match=said):
        read_books(folder.parent)


def test_vectors_cut_short_are_refused(folder: Path) -> None:
    write_books(folder / VECTORS, drawn_books(0))
    (folder / VECTORS).write_bytes((folder / VECTORS).read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="truncated or not safetensors"):
        read_books(folder.parent)


def test_generated_vectors_stay_with_generated_weights(folder: Path) -> None:
    write_books(folder / VECTORS, drawn_books(0), phantom=True)
    assert read_books(folder.parent, phantom=True).pathology.shape == (75, 768)
    with pytest.raises(CheckpointError, match="generated vectors, beside a checkpoint that is not generated"):
        read_books(folder.parent)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_hidden_layers": 3}, r"is not emilyalsentzer/Bio_ClinicalBERT: \d+ tensors do not fit"),
        ({"num_hidden_layers": 1}, r"tensors do not fit \(encoder.layer.1"),
    ],
    ids=["a layer missing", "a layer spare"],
)
def test_an_encoder_of_other_depth_is_refused(folder: Path, bert: Path, changes: dict[str, int], said: str) -> None:
    write_texts(folder, PUBLISHED)
    with pytest.raises(CheckpointError, match=said):
        read_books(with_bert(folder, bert, **changes))


def test_an_encoder_with_another_vocabulary_or_without_weights_is_refused(folder: Path, bert: Path) -> None:
    write_texts(folder, PUBLISHED)
    root = with_bert(folder, bert)
    vocabulary = folder / "bio_clinicalbert" / "vocab.txt"
    vocabulary.unlink()
    vocabulary.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    with pytest.raises(CheckpointError, match=r"vocab.txt holds 5 tokens, not the 28,996"):
        read_books(root)
    vocabulary.write_bytes((bert / "vocab.txt").read_bytes())
    (folder / "bio_clinicalbert" / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="holds no readable emilyalsentzer/Bio_ClinicalBERT"):
        read_books(root)


def test_without_a_folder_and_a_hub_it_says_where_to_put_the_encoder(folder: Path, assets: Path, monkeypatch) -> None:
    def offline(name: str, **_: object) -> None:
        raise OSError(f"cannot reach {name}")

    monkeypatch.setattr(BertModel, "from_pretrained", offline)
    write_texts(folder, PUBLISHED)
    (folder.parent / "tokenizers").symlink_to(assets / "tokenizers")
    with pytest.raises(MissingCheckpointError, match=r"nor to be had from the hub .* in .*medslip/bio_clinicalbert"):
        read_books(folder.parent)


def test_every_file_that_makes_the_vectors_joins_the_weights_in_keys(folder: Path, bert: Path) -> None:
    root = with_bert(folder, bert)
    write_texts(folder, PUBLISHED)
    write_books(folder / VECTORS, drawn_books(0))
    source = medslip.SPEC.variant(None).checkpoint
    assert source is not None
    assert {str(path.relative_to(root)) for path in folder.rglob("*") if path.is_file()} <= set(source.text_files)
    assert "tokenizers/bio_clinicalbert/vocab.txt" in source.text_files
