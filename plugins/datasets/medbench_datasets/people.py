"""Made-up patients for phantoms: identifiers and the header fields that subgroup tables use."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np


class Person(NamedTuple):
    """An identifier in the form of a UUID, a DICOM UID made of it, and ``sex``, ``age`` and ``view``."""

    patient_id: str
    uid: str
    attributes: Mapping[str, str]


def invent(rng: np.random.Generator) -> Person:
    """A person who does not exist."""
    identity = uuid.UUID(bytes=rng.bytes(16), version=4)
    attributes = {
        "sex": str(rng.choice(["F", "M"])),
        "age": str(rng.integers(18, 91)),
        "view": str(rng.choice(["PA", "AP"])),
    }
    return Person(str(identity), f"2.25.{identity.int}", attributes)
