"""Short forms of the names of open models: ids that may stand in a path and a table, and that no two names share."""

from __future__ import annotations

import hashlib
import re

from medbench.errors import UsageError

_PLAIN = re.compile(r"[a-z0-9]([a-z0-9._-]|/(?=[a-z0-9._]))*\Z")
_LONGEST = 100


def slug(name: str) -> str:
    """``facebook/dinov2-base`` -> ``facebook--dinov2-base``.

    A name that loses something on the way (capitals, a colon, a doubled dash) ends in six digits of its own digest, so that
    two names never meet in one id.
    """
    short = re.sub(r"[^a-z0-9._-]", "-", name.lower().replace("/", "--")).lstrip("._-")
    ambiguous = "--" in name or "-/" in name
    if _PLAIN.match(name) and not ambiguous and len(short) <= _LONGEST:
        return short
    return marked(short, name)


def marked(short: str, name: str) -> str:
    """``short``, fit for an id, with six digits of the digest of ``name``."""
    fit = re.sub(r"[^a-z0-9._-]", "-", short.lower()).lstrip("._-")[:_LONGEST]
    return f"{fit or 'model'}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def check_relative(family: str, name: str) -> None:
    """Raise `UsageError` for a name that would lead out of the checkpoints' folder."""
    if name.startswith(("/", "~")) or "\\" in name or ".." in name.split("/"):
        raise UsageError(f"'{family}/{name}' is no name of a model: it leads out of the checkpoints' folder")
