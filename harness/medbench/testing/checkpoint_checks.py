"""What a loader makes of a checkpoint that is missing, cut short, of another method, its own in part, or set to run code."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medbench.capabilities import LoadRequest
from medbench.errors import CheckpointError, MissingCheckpointError
from medbench.loading import resolve
from medbench.models import load_model
from medbench.selection import MethodChoice
from medbench.settings import Settings
from medbench.testing.contract import PLUGIN_ERRORS, Check, Finding, LeftOut, attempt, in_words
from medbench.testing.renaming import rename_half

_MEND = "read it with medbench.checkpoints.read_checkpoint, which raises CheckpointError"


def check_bad_checkpoints(choice: MethodChoice, settings: Settings) -> Check:
    """Each file must end in `CheckpointError`, none in `MissingCheckpointError`; no code that a file holds may run."""
    source = choice.variant.checkpoint
    if source is None:
        return
    good = settings.checkpoint_path(choice.spec.id, choice.variant.id, source.filename)
    if source.hub is None:
        yield from _check_missing(choice, settings)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mark = folder / "ran"
        spoilers: dict[str, Callable[[Path], None]] = {
            "a truncated checkpoint": lambda path: _cut(good, path),
            "a checkpoint of 64 bytes of noise": _noise,
            "another method's checkpoint": _foreign,
            "its own checkpoint with half of its tensors renamed": lambda path: rename_half(good, path),
            "a checkpoint that holds code": lambda path: _bomb(path, mark),
        }
        for what, spoil in spoilers.items():
            path = folder / what.replace(" ", "-") / good.name
            path.parent.mkdir()
            _join_neighbours(good, path.parent)
            spoilt = attempt(choice.id, f"making {what}", lambda spoil=spoil, path=path: spoil(path))  # type: ignore[misc]
            if isinstance(spoilt, Finding | LeftOut):
                yield LeftOut(choice.id, spoilt.what if isinstance(spoilt, Finding) else spoilt.why)
                continue
            settled = Settings(checkpoints=settings.checkpoints, checkpoint_overrides={choice.id: path}, device="cpu")
            try:
                load_model(choice, settled, seed=0, needed=())
            except CheckpointError:
                pass
            except MissingCheckpointError as error:
                yield Finding(choice.id, f"of {what} it says that it is missing ({error})", "raise CheckpointError")
            except PLUGIN_ERRORS as error:
                yield Finding(choice.id, f"{what} raised {in_words(error)}", _MEND)
            else:
                mend = "compare its keys with the model's: load_state_dict(strict=True), and CheckpointError where they differ"
                yield Finding(choice.id, f"{what} loads as if it were its own", mend)
            path.unlink()
        if mark.exists():
            yield Finding(choice.id, "code that a checkpoint holds was run while it was loaded", _MEND)


def _check_missing(choice: MethodChoice, settings: Settings) -> Check:
    request = LoadRequest(
        variant=choice.variant.id, checkpoint=None, assets=settings.checkpoints, name=choice.variant.name
    )
    try:
        resolve(choice.spec.loader, f"method '{choice.spec.id}'")(request)
    except MissingCheckpointError:
        return
    except PLUGIN_ERRORS as error:
        yield Finding(choice.id, f"without a checkpoint it raised {in_words(error)}", "raise MissingCheckpointError")
    else:
        yield Finding(choice.id, "without its checkpoint it loads all the same", "raise MissingCheckpointError")


def _cut(good: Path, path: Path) -> None:
    half = good.stat().st_size // 2
    with good.open("rb") as source, path.open("wb") as target:
        while half:
            part = source.read(min(half, 1 << 24))
            target.write(part)
            half -= len(part)


def _noise(path: Path) -> None:
    path.write_bytes(bytes((number * 37 + 11) % 256 for number in range(64)))


def _foreign(path: Path) -> None:
    import torch

    tensors = {"medbench_foreign.weight": torch.zeros(2, 3)}
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(tensors, path)
    else:
        torch.save({"state_dict": tensors}, path)


def _join_neighbours(good: Path, folder: Path) -> None:
    """What lies beside the checkpoint (a configuration, a tokenizer) lies beside the spoilt one too."""
    for beside in good.parent.iterdir():
        if beside.name != good.name:
            (folder / beside.name).symlink_to(beside.resolve())


class _Code:
    """Its unpickling would leave a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def _bomb(path: Path, mark: Path) -> None:
    import torch

    torch.save({"state_dict": _Code(mark)}, path, pickle_module=pickle, _use_new_zipfile_serialization=False)
