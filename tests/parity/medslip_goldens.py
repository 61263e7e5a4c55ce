"""MeDSLIP's goldens: its checkpoint by the rule, written in the official container, and what the plugin computes from it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from weights import golden_arrays, golden_images, golden_state_dict

from medbench.capabilities import LoadRequest
from medbench_methods import medslip
from medbench_methods.nets.medslip_books import Books, read_books, write_books
from medbench_methods.nets.medslip_encoder import MedslipEncoder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from medbench_methods.nets.medslip_net import Gate

PATCHES = [0, 1, 13, 14, 97, 98, 182, 195]
PNEUMONIA = 20


def golden_medslip_state(folder: Path) -> dict[str, Tensor]:
    """The manifest's tensors by the rule, tied ones equal to the first of their names."""
    manifest = json.loads((folder / "manifest.json").read_text())
    state = golden_state_dict(folder)
    return state | {key: state[first] for key, first in manifest["tied"].items()}


def load_medslip(golden: Path, weights: str, root: Path) -> MedslipEncoder:
    """The encoder on the weights of a golden folder, read by the plugin's own loader; it has no texts yet."""
    path = root / "medslip" / "MeDSLIP_resnet50.pth"
    path.parent.mkdir()
    container = {"model": golden_medslip_state(golden / weights), "optimizer": {}, "lr_scheduler": {}, "config": {}}
    torch.save(container | {"epoch": 1}, path)
    model = medslip.load(LoadRequest(variant="resnet50", checkpoint=path, assets=root))
    path.unlink()
    return model


def with_golden_books(model: MedslipEncoder, folder: Path, root: Path) -> MedslipEncoder:
    """The same network asking with the vectors of a golden folder, by way of a file of cached vectors."""
    arrays = golden_arrays(folder)
    anatomy = torch.from_numpy(arrays["anatomy_book"]) if "anatomy_book" in arrays else torch.zeros(51, 768)
    write_books(root / "medslip" / "books.safetensors", Books(torch.from_numpy(arrays["pathology_book"]), anatomy))
    return MedslipEncoder(model.net, lambda: read_books(root))


@torch.inference_mode()
def forward_arrays(model: MedslipEncoder, gate: Gate) -> dict[str, Tensor]:
    """Every array that the published model classes share, under its golden name."""
    net, books = model.net, model.books
    patches = net.patches(golden_images())
    found = {
        "pathology_query": net.pathology_embedding_layer(books.pathology),
        "anatomy_query": net.pathology_embedding_layer(books.anatomy),
        "res_features": model.encode_pyramid(golden_images())[-1][:, ::32, ::2, ::2],
        "mask": net.mask_generator(patches)[:, PATCHES, ::16],
        "patch_pathology": net.pathology_stream(patches, gate)[:, PATCHES],
        "patch_anatomy": net.anatomy_stream(patches, gate)[:, PATCHES],
    }
    findings = net.ask_findings(patches, books.pathology, gate)
    places = net.ask_places(patches, books.anatomy, gate)
    for name, answer in {"pathology": findings, "anatomy": places}.items():
        found |= {
            f"dec_{name}": answer.features[:, ::5],
            f"attn_last_{name}": answer.attention[:, -1, ::5],
            f"attn_first_{name}": answer.attention[:, 0, ::15],
        }
    found["logits_pathology"] = net.classifier_pathology(findings.features)
    found["logits_anatomy"] = net.classifier_anatomy(places.features)
    found["all_ap_logits"] = places.features @ findings.features.transpose(1, 2)
    return found


def pretraining_loss(found: Mapping[str, Tensor], arrays: Mapping[str, NDArray[Any]]) -> Tensor:
    """Existence of findings and of places, and their alignment, as pre-training without its contrast term sums them."""
    loss = torch.zeros(())
    for name in ("pathology", "anatomy"):
        labels = torch.from_numpy(arrays[f"labels_{name}"]).long()
        known = (labels == 0) | (labels == 1)
        loss = loss + cross_entropy(found[f"logits_{name}"][known], labels[known])
    target = torch.from_numpy(arrays["ap_matrix"]).float()
    known = target >= 0
    return loss + binary_cross_entropy_with_logits(found["all_ap_logits"][known], target[known])
