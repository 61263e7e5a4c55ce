"""Checkpoints of BLIP's family: told apart from others and from each other, checked, and filled in; MOTOR's too.

Container: ``torch.save`` of ``model``, ``optimizer``, ``config``, ``epoch`` (BLIP release, ``pretrain.py``,
``train_retrieval.py``, ``train_caption.py``, ``train_vqa.py``). Momentum copies, queues and the temperature are not read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import torch

from medbench.errors import CheckpointError, MissingCheckpointError
from medbench.layouts import KeyReading, Matching, Shape
from medbench.untrusted import shown
from medbench_methods.nets.blip_keys import PARTS, Kind, Part, is_spare, kind_of, published_key
from medbench_methods.nets.blip_model import BlipModel, make_model
from medbench_methods.nets.blip_net import BlipNet, make_net, tie_decoder
from medbench_methods.nets.blip_texts import TextsReader
from medbench_methods.nets.loading import (
    UntoldError,
    fill,
    hollow,
    match,
    read_tensors,
    require,
    shapes_of,
    without_parallel,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from torch import Tensor

    from medbench.capabilities import LoadRequest
    from medbench_methods.nets.blip_flavour import BlipFlavour

_Kind = TypeVar("_Kind", bound=str)
WORDS = "embeddings.word_embeddings.weight"
"""Ends the table of words of every part, momentum copies and MOTOR's among them."""
NAMES: Mapping[Kind, str] = {
    "pretrain": "a pre-trained model",
    "retrieval": "a model fine-tuned for retrieval",
    "itm": "a scorer of matches",
    "caption": "a captioner",
    "vqa": "a model for questions",
}
# Part of a key -> what such a file is, and the method that reads it. The first that is found names the file.
_SIGNS = (
    ("_element_wise_multi_head.", "a MedST checkpoint", "medst"),
    (".global_embed_la.", "a MedST checkpoint", "medst"),
    ("img_encoder_q.", "an MGCA checkpoint", "mgca"),
    ("mask_generator.", "a MeDSLIP checkpoint", "medslip"),
    ("visual_encoder.layers.", "a checkpoint of BLIP with a Swin", None),
    ("crossattention.self0.", "BLIP fine-tuned for pairs of images (NLVR)", None),
    ("vision_model.embeddings.", "BLIP in transformers' form", None),
)
_MOTOR_SIGNS = ("create_knowledge.", "tag_encoder.", "iu_proj.", "question_linear.", "BLIP.")
_VOCABULARIES = {30524: ("BLIP", "blip"), 31092: ("MOTOR", "motor")}
_TIED = (
    ("text_decoder.cls.predictions.decoder.weight", "text_decoder.bert.embeddings.word_embeddings.weight"),
    ("text_decoder.cls.predictions.decoder.bias", "text_decoder.cls.predictions.bias"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds(Generic[_Kind]):
    """The kinds of file that a method's variants read.

    ``of`` tells a file's kind by its keys (None: not the method's), ``names`` says what it is, and ``read`` which kinds each
    variant reads.
    """

    of: Callable[[Mapping[str, object]], _Kind | None]
    names: Mapping[_Kind, str]
    read: Mapping[str, tuple[_Kind, ...]]


class File(NamedTuple, Generic[_Kind]):
    """A file's tensors under their published names, and what kind of file it is."""

    path: Path
    tensors: Mapping[str, Tensor]
    kind: _Kind


def load_blip(request: LoadRequest, flavour: BlipFlavour, read: Mapping[str, tuple[Kind, ...]]) -> BlipModel:
    """The model that ``request`` asks for, in eval mode; its vocabulary is read at the first text.

    ``read`` says which kinds of file each of the method's variants reads. Raises `MissingCheckpointError` where there is no
    file, and `CheckpointError` for one that is truncated, of another method or kind, or whose tensors do not fit.
    """
    path, tensors, kind = read_file(request, flavour, Kinds(of=kind_of, names=NAMES, read=read))
    net = load_net(path, tensors, PARTS[kind], flavour)
    return make_model(net, flavour, TextsReader(request.assets, flavour, net.positions)).eval()


def read_file(request: LoadRequest, flavour: BlipFlavour, kinds: Kinds[_Kind]) -> File[_Kind]:
    """The file of the variant that is asked for. Raises as `load_blip`; another variant's is named with its readers."""
    if request.checkpoint is None:
        raise MissingCheckpointError(f"{flavour.method}@{request.variant} needs its checkpoint file")
    path = request.checkpoint
    tensors = read_blip(path, flavour)
    kind = kinds.of(tensors)
    if kind is None:
        raise CheckpointError(
            f"{path}: this is not a {flavour.title} checkpoint by its keys (it holds {shown(next(iter(tensors)))}, ...)",
            fix=f"point medbench at the {flavour.file}",
        )
    if kind not in kinds.read[request.variant]:
        readers = [f"{flavour.method}@{name}" for name, read in kinds.read.items() if kind in read]
        raise CheckpointError(
            f"{path}: this is {kinds.names[kind]} of {flavour.title} by its keys, which {flavour.method}@{request.variant}"
            " does not read",
            fix=f"use --methods {' or '.join(readers)}" if readers else f"point medbench at the {flavour.file}",
        )
    return File(path, tensors, kind)


def read_blip(path: Path, flavour: BlipFlavour) -> dict[str, Tensor]:
    """The file's tensors under their published names, DataParallel's prefix cut. Raises as `load_blip`.

    Files of other methods are named, those of a vocabulary of another size among them.
    """
    tensors = read_tensors(path)
    _check_method(path, tensors, flavour)
    _check_vocabulary(path, tensors, flavour)
    return tensors


def load_net(
    path: Path,
    tensors: Mapping[str, Tensor],
    parts: frozenset[Part],
    flavour: BlipFlavour,
    spare: Callable[[str], bool] = lambda key: False,
) -> BlipNet:
    """A net of ``parts`` in eval mode, all of its tensors from the file. Raises `CheckpointError`.

    What else the file holds must be known: training's own (`is_spare`) or ``spare``.
    """
    what = f"{flavour.title} ({', '.join(sorted(parts)) or 'image encoder'})"
    try:
        net = make_net(tensors, parts, flavour)
    except UntoldError as error:
        raise CheckpointError(f"{path} does not fit {what}: {error}", fix=flavour.mend) from error
    require(_match(tensors, net, spare), tensors, path, what, fix=flavour.mend)
    _check_ties(path, tensors, parts, flavour)
    fill(net, {name: tensors[published_key(name)] for name in shapes_of(net)})
    tie_decoder(net)
    return net


def read_keys(shapes: Mapping[str, Shape], flavour: BlipFlavour, kind: Kind) -> tuple[KeyReading]:
    """What a file's keys are to a variant that reads files of that kind."""
    matching = read_net(without_parallel(hollow(shapes)), PARTS[kind], flavour)
    return (KeyReading(part="images", layout=f"{NAMES[kind]} of {flavour.title}", matching=matching),)


def read_net(
    tensors: Mapping[str, Tensor],
    parts: frozenset[Part],
    flavour: BlipFlavour,
    spare: Callable[[str], bool] = lambda key: False,
    beside: Callable[[BlipNet], Mapping[str, Shape]] = lambda net: {},
) -> Matching:
    """How a file's tensors meet a net of ``parts`` and of the sizes that they tell, and what is needed ``beside`` it."""
    try:
        net = make_net(tensors, parts, flavour)
    except UntoldError as error:
        return with_vocabulary(error.matching(tensors, lambda key: is_spare(key) or spare(key)), tensors, flavour)
    except ValueError:  # transformers makes no net of such sizes
        return Matching(matched={}, ignored=(), missing=(), unexpected=tuple(tensors), misshapen=())
    return with_vocabulary(_match(tensors, net, spare, beside(net)), tensors, flavour)


def with_vocabulary(matching: Matching, tensors: Mapping[str, Tensor], flavour: BlipFlavour) -> Matching:
    """The same where a table of words that is needed and of another size does not fit."""
    needed = {key for keys in matching.matched.values() for key in keys}
    wrong = tuple(
        (key, tuple(words.shape), (flavour.vocabulary_size, words.shape[1]))
        for key, words in _foreign(tensors, flavour)
        if key in needed
    )
    return replace(matching, misshapen=matching.misshapen + wrong)


def _match(
    tensors: Mapping[str, Tensor],
    net: BlipNet,
    spare: Callable[[str], bool],
    beside: Mapping[str, Shape] = MappingProxyType({}),
) -> Matching:
    needed = {published_key(name): shape for name, shape in shapes_of(net).items()}
    return match(tensors, {**needed, **beside}, prefixes={"": ""}, ignore=lambda key: is_spare(key) or spare(key))


def _check_method(path: Path, tensors: Mapping[str, Tensor], flavour: BlipFlavour) -> None:
    found = next(((sign, *known) for sign, *known in _SIGNS if any(sign in key for key in tensors)), None)
    if found is not None:
        sign, what, method = found
        raise CheckpointError(
            f"{path}: this is {what} (it holds {sign}*), not {flavour.title}",
            fix=f"use --methods {method}" if method else f"point medbench at the {flavour.file}",
        )
    own = next((sign for sign in _MOTOR_SIGNS if any(key.startswith(sign) for key in tensors)), None)
    if own is not None and flavour.method != "motor":
        raise CheckpointError(
            f"{path}: this is a MOTOR checkpoint (it holds {own}*), not {flavour.title}", fix="use --methods motor"
        )


def _check_vocabulary(path: Path, tensors: Mapping[str, Tensor], flavour: BlipFlavour) -> None:
    for key, words in _foreign(tensors, flavour):
        other = _VOCABULARIES.get(len(words))
        raise CheckpointError(
            f"{path}: {shown(key)} knows {len(words):,} tokens, not the {flavour.vocabulary_size:,} of {flavour.title}"
            + (f": that is {other[0]}'s vocabulary" if other else ""),
            fix=f"use --methods {other[1]}" if other else f"point medbench at the {flavour.file}",
        )


def _foreign(tensors: Mapping[str, Tensor], flavour: BlipFlavour) -> Iterator[tuple[str, Tensor]]:
    """The tables of words of another size; one of other axes is refused where the net's sizes are read."""
    for key, words in tensors.items():
        if key.endswith(WORDS) and words.ndim == 2 and len(words) != flavour.vocabulary_size:
            yield key, words


def _check_ties(path: Path, tensors: Mapping[str, Tensor], parts: frozenset[Part], flavour: BlipFlavour) -> None:
    if "text_decoder" not in parts:
        return
    for one, other in _TIED:
        if not torch.equal(tensors[one], tensors[other]):
            raise CheckpointError(
                f"{path}: {one} and {other} differ, though the decoder's output and its words share a tensor",
                fix=flavour.mend,
            )
