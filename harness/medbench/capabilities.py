"""What a loaded model can do, as structural types: a task asks for these, never for a class.

A model that offers encoders is a ``torch.nn.Module`` handed over in eval mode on the CPU. The runner moves it to the
device; gradients, autocast and train/eval mode are the task's business, so no method here switches them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """How an 8-bit image becomes an encoder's input, as data, so that it can enter keys and run batched.

    ``equalise`` spreads the histogram first, as `skimage.exposure.equalize_hist` with 256 bins. ``resize`` pixels: ``pad``
    scales the longer side to it and zero-pads to a square, ``canvas`` zero-pads to a square, whose side is ``least`` or
    more, and scales that, ``squash`` ignores the aspect, ``shorter`` scales the shorter side to it. Then a centre crop to
    ``crop`` pixels, division by 255, and ``(x - mean) / std`` per channel; grey pixels stand in all three channels. ``area``
    is OpenCV's; ``bilinear`` and ``bicubic`` are Pillow's, which smooth on the way down. `medbench.preprocessing` carries
    it out.

    ``least`` concerns ``canvas`` alone; 0 stands for ``resize``.
    """

    resize: int
    mode: Literal["pad", "canvas", "squash", "shorter"]
    crop: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["area", "bilinear", "bicubic"] = "area"
    equalise: bool = False
    least: int = 0

    def key(self) -> dict[str, Any]:
        """Its fields for the keys of what is kept, without ``least`` where that is 0: keys from before it was there hold."""
        return {name: value for name, value in asdict(self).items() if name != "least" or value}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRequest:
    """What a method's loader is asked for.

    ``checkpoint`` is the file found for the variant, or None where it needs none or the hub supplies it. ``assets`` is the
    checkpoints root, where tokenisers and other small files may lie (``tokenizers/<name>/``). ``seed`` is for methods
    whose weights are drawn. ``name`` is the name as typed of an open family's model (`MethodVariant.name`).
    """

    variant: str
    checkpoint: Path | None
    assets: Path | None = None
    seed: int = 0
    name: str = ""


@runtime_checkable
class ImageEncoder(Protocol):
    """Global image features, as linear probes use them: raw, before any projection."""

    preprocess: Preprocess
    embed_dim: int

    def encode_images(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) normalised images -> (B, embed_dim)."""
        ...


@runtime_checkable
class DenseImageEncoder(Protocol):
    """Feature maps for dense prediction, at the encoder's own scales, finest first.

    ``channels[i]`` and ``strides[i]`` belong to map i. A CNN gives one map a stage; a plain ViT gives a single map, from
    which the task makes a pyramid. ``preprocess`` supplies mean and std; the task chooses the input size.
    """

    preprocess: Preprocess
    channels: tuple[int, ...]
    strides: tuple[int, ...]

    def encode_pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) normalised images -> maps (B, channels[i], H / strides[i], W / strides[i])."""
        ...


@runtime_checkable
class TextEncoder(Protocol):
    """Texts and images in one space of ``joint_dim`` dimensions; nothing here is L2-normalised."""

    joint_dim: int

    def encode_texts(self, texts: list[str]) -> Tensor:
        """B texts -> (B, joint_dim), projected. Long texts are truncated as the method was trained to."""
        ...

    def project_images(self, features: Tensor) -> Tensor:
        """(B, embed_dim) from `ImageEncoder.encode_images` -> (B, joint_dim)."""
        ...


@runtime_checkable
class ImageTextMatcher(Protocol):
    """A score after fusion of image and text. The image's half is computed once an image and may be kept."""

    preprocess: Preprocess

    def image_tokens(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) normalised images -> (B, T, C), all that `match` needs of them."""
        ...

    def match(self, tokens: Tensor, texts: list[str]) -> Tensor:
        """(B, T, C) tokens and B texts -> (B,), higher is a better match; one of either goes with all of the other."""
        ...


@runtime_checkable
class FineTunable(Protocol):
    """An encoder that is fine-tuned in another form than the one it is frozen in (no capability: tasks ask if it is there)."""

    def fine_tuning_encoder(self, seed: int) -> ImageEncoder:
        """The `ImageEncoder` (a ``torch.nn.Module``) that fine-tuning starts from; new layers are drawn from ``seed``."""
        ...


@runtime_checkable
class QueryClassifier(Protocol):
    """Findings asked by name (``pneumonia``, ``effusion``); raises `UsageError` for a finding that it does not know."""

    preprocess: Preprocess

    def classify(self, images: Tensor, findings: list[str]) -> Tensor:
        """(B, 3, H, W) and K findings -> (B, K) probabilities."""
        ...


@runtime_checkable
class Grounder(Protocol):
    """Where a finding is."""

    preprocess: Preprocess

    def ground(self, images: Tensor, findings: list[str]) -> Tensor:
        """(B, 3, H, W) and K findings -> (B, K, h, w) relevance, higher is more relevant."""
        ...


@runtime_checkable
class StudyEncoder(Protocol):
    """Two images of a study read together and matched with texts as one; beside `ImageTextMatcher` and `TextEncoder`."""

    preprocess: Preprocess

    def study_tokens(self, images: Tensor) -> Tensor:
        """(B, 2, 3, H, W) normalised images -> (B, T, C), what `ImageTextMatcher.match` takes for an image's."""
        ...

    def project_studies(self, features: Tensor) -> Tensor:
        """(B, C), the first of those tokens -> (B, joint_dim), in the space of `TextEncoder.encode_texts`."""
        ...


@runtime_checkable
class ReportGenerator(Protocol):
    """Reports written from images.

    ``views`` is how many images of a study it reads: a study that has fewer repeats its last one, of further ones the first
    few are read.
    """

    preprocess: Preprocess
    views: int

    def generate(self, images: Tensor, *, beams: int, min_length: int, max_length: int) -> list[str]:
        """(B, views, 3, H, W) normalised images -> B texts; lengths in tokens, a prompt's included. Deterministic."""
        ...


@runtime_checkable
class ReportLearner(Protocol):
    """A report generator that can be fine-tuned (no capability: recipes that train one ask if it is there)."""

    def report_net(self, views: int, seed: int) -> ReportNet:
        """A copy to train on studies of ``views`` images; layers that are new are drawn from ``seed``."""
        ...


class ReportNet(ReportGenerator, Protocol):
    """A `ReportGenerator` and ``torch.nn.Module`` with a loss."""

    def report_loss(self, images: Tensor, reports: list[str]) -> Tensor:
        """(B, views, 3, H, W) and B reports -> the scalar language-modelling loss that the method trains by."""
        ...


@runtime_checkable
class QuestionAnswerer(Protocol):
    """Answers to questions about images."""

    preprocess: Preprocess

    def answer(self, images: Tensor, questions: list[str], answers: list[str] | None = None) -> list[str]:
        """(B, 3, H, W) and B questions -> B answers, ranked from ``answers`` where given, else generated."""
        ...


@runtime_checkable
class QuestionLearner(Protocol):
    """A method with a net of its own to fine-tune on questions (no capability: recipes that train one ask if it is there)."""

    def question_net(
        self,
        closed: int,
        open: int,
        seed: int,
        *,
        open_branch: Literal["copied", "drawn"] = "copied",
        mask_padding: bool = True,
    ) -> QuestionNet:
        """A copy with a head of ``closed`` and one of ``open`` classes; layers that are new are drawn from ``seed``.

        Where open questions have a branch of their own, it starts as a copy of the pre-trained one or is drawn; where words are
        weighted, padding weighs nothing unless ``mask_padding`` is off. MOTOR's release draws it and lets padding weigh.
        """
        ...


class QuestionNet(Protocol):
    """A ``torch.nn.Module`` that classifies questions by two heads."""

    preprocess: Preprocess

    def encode_questions(self, images: Tensor, questions: list[str], is_closed: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W), B questions and (B,) bool -> logits (closed rows, closed classes), (open rows, open classes).

        Rows keep their order within each of the two.
        """
        ...


@runtime_checkable
class Explainer(Protocol):
    """Where in the image each word of a text looks."""

    preprocess: Preprocess

    def explain(self, images: Tensor, text: str, *, target: Literal["logit", "nll"] = "logit") -> list[TokenMap]:
        """(1, 3, H, W) and one text -> a map a token, in the order of the text, special tokens left out.

        ``logit`` follows the gradient of the score of a match; ``nll`` that of its negative log-likelihood, as some
        releases do, which marks what speaks against it. Needs gradients: it is not called in inference mode.
        """
        ...


class TokenMap(NamedTuple):
    """A token as it is shown, and its relevance (h, w) over the preprocessed image, not negative, unscaled."""

    token: str
    relevance: Tensor
