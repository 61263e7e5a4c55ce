"""CheXzero's two towers on open_clip's CLIP, with the release's way of looking at a radiograph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.nn.functional import interpolate

from medbench.capabilities import Preprocess
from medbench.errors import CheckpointError, MissingCheckpointError
from medbench_methods.nets import chexzero_layout as layout
from medbench_methods.nets.loading import fill, require, taken, tensor_shapes
from medbench_methods.nets.nearest import nearest_layout
from medbench_methods.nets.open_clip_encoder import OpenClipEncoder, make_model, make_tokenizer
from medbench_methods.nets.open_clip_files import OpenClipFiles
from medbench_methods.nets.published import read_tensors

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from medbench.capabilities import LoadRequest

_MEAN, _STD = 101.48761 / 255, 83.43944 / 255  # the release does not divide the pixels by 255
PREPROCESS = Preprocess(resize=320, mode="pad", crop=320, mean=(_MEAN,) * 3, std=(_STD,) * 3)
"""The longer side to 320 pixels, zeros to a square. By which filter is our choice: the area, as for its relatives here."""


class CheXzeroEncoder(OpenClipEncoder):
    """`ImageEncoder` (768, before the projection) and `TextEncoder` (512)."""

    def __init__(self, model: Any, files: OpenClipFiles) -> None:
        super().__init__(model, make_tokenizer(files), files)
        self.preprocess = PREPROCESS

    def encode_images(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, embed_dim), resized to 224 pixels first: bicubic, without smoothing on the way (our choice)."""
        side = layout.IMAGE
        return super().encode_images(interpolate(images, size=(side, side), mode="bicubic", align_corners=False))


def load_chexzero(request: LoadRequest) -> CheXzeroEncoder:
    """The encoder in eval mode, every tensor of it from the file. Raises `MissingCheckpointError` and `CheckpointError`."""
    path = request.checkpoint
    if path is None:
        raise MissingCheckpointError("chexzero needs its checkpoint file")
    tensors = read_tensors(path)
    shapes = tensor_shapes(tensors)
    matching = layout.read(shapes)
    complaint = matching.complaint()
    if complaint is not None:
        raise CheckpointError(
            f"{path} does not fit chexzero ({layout.LAYOUT.name}): {complaint}; {nearest_layout(shapes)}",
            fix=f"medbench checkpoint inspect {path}",
        )
    sizes = layout.sizes_of(shapes)
    files = _files(path, sizes)
    model = make_model(files)
    require(matching, tensors, path, "chexzero", fix=f"medbench checkpoint inspect {path}")
    fill(model, taken(tensors, matching, dict(layout.needed(sizes))))
    return CheXzeroEncoder(model, files).eval()


def _files(path: Path, sizes: layout.Sizes) -> OpenClipFiles:
    vision = {"layers": sizes.layers, "width": sizes.width, "head_width": layout.HEAD}
    text = {"layers": sizes.text_layers, "width": sizes.text_width, "heads": sizes.text_width // layout.HEAD}
    model = {
        "embed_dim": sizes.joint,
        "quick_gelu": True,
        "vision_cfg": vision | {"image_size": layout.IMAGE, "patch_size": layout.PATCH},
        "text_cfg": text | {"context_length": layout.CONTEXT, "vocab_size": layout.WORDS},
    }
    return OpenClipFiles(name="chexzero", model=model, images={}, weights=path, tokenizer=None)
