"""What a DICOM header says of a radiograph, and the writing of one for phantoms."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medbench.images import MAX_PIXELS
from medbench_datasets.cells import age_of, sex_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_TAGS = ("Rows", "Columns", "PatientID", "PatientSex", "PatientAge", "ViewPosition")


@dataclass(frozen=True, slots=True)
class Header:
    """Size in pixels, patient ('' where not given) and the standard ``attributes`` that the header holds."""

    height: int
    width: int
    patient_id: str
    attributes: Mapping[str, str]


def read_header(path: Path) -> Header | None:
    """The header of a DICOM file, without its pixels; None where there is no readable one of a bearable size.

    None is no verdict: the preparation of the data decodes every image and names those it cannot read.
    """
    import pydicom

    try:
        with warnings.catch_warnings(action="ignore"):  # RSNA's ages lack the unit, and pydicom says so of each file
            data = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
            height, width = int(data.Rows), int(data.Columns)
            values = {tag: str(data.get(tag) or "").strip() for tag in _TAGS}
    except Exception:  # pydicom raises whatever it likes on bad bytes; see the docstring
        return None
    if not 0 < height * width <= MAX_PIXELS:
        return None
    found = {
        "sex": sex_of(values["PatientSex"]),
        "age": age_of(values["PatientAge"]),
        "view": values["ViewPosition"],
    }
    return Header(height, width, values["PatientID"], {name: value for name, value in found.items() if value})


def write_dicom(
    path: Path, pixels: NDArray[np.uint8], *, uid: str, patient_id: str, attributes: Mapping[str, str]
) -> None:
    """Write (H, W) uint8 pixels as an uncompressed 8-bit MONOCHROME2 computed radiograph; same input, same bytes.

    ``uid`` becomes the instance, and with suffixes the study and series; ``attributes`` may hold sex, age and view.
    """
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID = ComputedRadiographyImageStorage
    data.SOPInstanceUID = uid
    data.StudyInstanceUID, data.SeriesInstanceUID = f"{uid}.1", f"{uid}.2"
    data.Modality = "CR"
    data.BodyPartExamined = "CHEST"
    data.PatientName, data.PatientID = patient_id, patient_id
    data.PatientSex, data.PatientAge = attributes.get("sex", ""), f"{int(attributes.get('age', '0')):03d}Y"
    data.ViewPosition = attributes.get("view", "")
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    content = pixels.tobytes()
    data.PixelData = content + b"\0" * (len(content) % 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
