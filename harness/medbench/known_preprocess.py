"""What a method does to an image, remembered on disk, so that warm features need no model; and keys as digests."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from medbench.capabilities import Preprocess
from medbench.errors import StoreError
from medbench.files import write_bytes_atomically
from medbench.identity import ModelIdentity


def recalled(folder: Path, identity: ModelIdentity) -> Preprocess | None:
    """What `remember` kept of these weights; None where it is absent or damaged, which is then removed."""
    stem = _stem(folder, identity)
    for place in stem.parent.glob(f"{stem.name}-*.json"):
        with suppress(OSError):  # a cache that cannot be read or written costs time only
            data = place.read_bytes()
            if place.stem == f"{stem.name}-{_digest_of(data)}":
                with suppress(msgspec.MsgspecError):
                    return msgspec.json.decode(data, type=Preprocess)
            place.unlink()
    return None


def remember(folder: Path, identity: ModelIdentity, preprocess: Preprocess) -> None:
    """Keep it, where the folder can be written."""
    stem = _stem(folder, identity)
    data = msgspec.json.encode(preprocess)
    with suppress(StoreError):  # a cache that cannot be written costs time only
        write_bytes_atomically(stem.with_name(f"{stem.name}-{_digest_of(data)}.json"), data)


def canonical(preprocess: Preprocess) -> Preprocess:
    """With numbers of the declared types: 0 and 0.0 are one key."""
    return msgspec.convert(dataclasses.asdict(preprocess), Preprocess)


def digest_of_key(key: dict[str, Any]) -> str:
    """32 hex digits that tell a key from all others."""
    return _digest_of(json.dumps(key, sort_keys=True).encode())


def _stem(folder: Path, identity: ModelIdentity) -> Path:
    return folder / "models" / digest_of_key(dataclasses.asdict(identity))


def _digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
