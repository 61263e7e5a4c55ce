"""Real images brought into the official layouts: the NIH sample as RSNA's DICOMs, the covid collections side by side."""

from __future__ import annotations

import csv
import shutil
import uuid
from pathlib import Path

import numpy as np
from PIL import Image

from medbench_datasets.dicom import write_dicom


def write_rsna(shared: Path, root: Path, *, limit: int | None = None) -> int:
    """Write RSNA's official layout from the NIH PNGs and the official RSNA labels; gives the number of patients."""
    sample = shared / "data" / "nih-chestxray14-sample"
    with (sample / "rsna_to_nih_mapping.csv").open() as file:
        images = {row["patientId"]: row["nih_image"] for row in csv.DictReader(file)}
    chosen = set(sorted(images)[:limit])
    folder = root / "stage_2_train_images"
    folder.mkdir(parents=True)
    for patient in sorted(chosen):
        pixels = np.asarray(Image.open(sample / "images" / images[patient]).convert("L"))
        uid = f"2.25.{uuid.UUID(patient).int}"
        write_dicom(folder / f"{patient}.dcm", pixels, uid=uid, patient_id=patient, attributes={})
    with (sample / "rsna_stage_2_train_labels.csv").open() as file:
        lines = file.readlines()
    kept = [line for line in lines[1:] if line.partition(",")[0] in chosen]
    (root / "stage_2_train_labels.csv").write_text("".join([lines[0], *kept]))
    return len(chosen)


def link_covid(shared: Path, root: Path) -> None:
    """Both real covid-chestxray folders below one root, as a user would put them."""
    root.mkdir(parents=True)
    for name in ("covid-cxr-open", "covid-cxr-nc"):
        (root / name).symlink_to(shared / "data" / name, target_is_directory=True)


def copy_some_covid(shared: Path, root: Path, images: int) -> None:
    """A copy of the first ``images`` images of the smaller collection that have a lung mask."""
    source = shared / "data" / "covid-cxr-open"
    shutil.copytree(
        source, root, ignore=lambda folder, names: names if Path(folder).name in {"images", "lung_masks"} else []
    )
    with (source / "metadata.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    heading = rows[0]
    kept = [row for row in rows[1:] if row[heading.index("mask")]][:images]
    for folder in ("images", "lung_masks"):
        (root / folder).mkdir(exist_ok=True)
    for row in kept:
        for column in ("image", "mask"):
            shutil.copy(source / row[heading.index(column)], root / row[heading.index(column)])
    with (root / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([heading, *kept])
