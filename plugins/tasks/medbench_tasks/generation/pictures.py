"""Pictures of one or several views, each decoded once and kept as it is trained on, whatever its shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from medbench.errors import TrialError
from medbench_tasks.pixels import Frame, StoredPixels, frames_of

if TYPE_CHECKING:
    from medbench.manifest import Manifest, Picture
    from medbench.protocols import TrialContext
    from medbench.specs import Part


class KeptPictures(StoredPixels):
    """`StoredPixels` (H, W) or (H, W, 3). Of images scaled to 224 pixels, 270,000 take 16 GB."""

    @classmethod
    def prepare(
        cls,
        pictures: Sequence[Picture],
        manifest: Manifest,
        part: Part,
        frame: Frame,
        how: Mapping[str, Any],
        context: TrialContext,
    ) -> KeptPictures:
        """Decode what the cache lacks of ``pictures`` of ``manifest`` (the trial's ``part``), each kept as ``frame`` gives it.

        ``how`` is that of `medbench_tasks.pixels.frames_of`. Raises as `medbench_tasks.pixels.SquashedPixels.prepare`.
        """
        if not pictures:
            raise TrialError(f"{manifest.dataset} has no picture to prepare in the {part} part")
        reads = {picture.id: partial(manifest.read, picture) for picture in pictures}
        ids = [picture.id for picture in pictures]
        return cls(frames_of(reads, ids, frame, {"colour": manifest.colour} | dict(how), manifest, context))
