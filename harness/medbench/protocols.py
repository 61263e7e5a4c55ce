"""What a task plugin implements, and what it is given: the contract between the runner and a protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from medbench.records import MetricValue
from medbench.samples import Box, Mask
from medbench.specs import Recipe, TaskSpec

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from torch import Tensor

    from medbench.capabilities import Preprocess
    from medbench.features import Features
    from medbench.manifest import Manifest, Which

Item = TypeVar("Item")


class PhaseReporter(Protocol):
    """Where a protocol tells how far it is: ``prepare``, ``encode``, ``train``, ``evaluate``; the runner adds two."""

    def phase(self, name: str, total: int | None = None) -> None:
        """Enter a phase of ``total`` steps (None = unknown)."""
        ...

    def advance(self, steps: int = 1, note: str = "") -> None:
        """``steps`` more of the present phase are done; ``note`` is shown beside it (a loss, a score)."""
        ...

    def track(self, items: Iterable[Item], name: str, total: int | None = None) -> Iterable[Item]:
        """Iterate over ``items`` as a phase."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute:
    """On what and how a trial runs. ``device`` is ``cpu`` or ``cuda``; visibility of GPUs is the executor's business.

    ``processes`` share a training, this one among them; ``compile`` has frozen encoders compiled by torch.
    """

    device: str = "cpu"
    precision: str = "fp32"
    workers: int = 0
    processes: int = 1
    compile: bool = False


@dataclass(frozen=True, kw_only=True)
class TrialContext:
    """All that a protocol gets for one trial.

    ``recipe`` is resolved for the fraction. ``train`` is already the subset that fraction and seed draw; ``valid`` and
    ``test`` are whole; a part that the task does not need may be empty. ``dataset`` is every row, whatever its split: what
    must be the same at every fraction is settled on it. ``features`` gives what the frozen encoder says of images, from the
    cache where it is there: a protocol that asks nothing else never loads the model. ``model`` loads it when first asked
    for, in eval mode, on the device. ``work_dir`` is private to the trial, survives a kill, and is removed once the record is
    written: training state goes there so that a second start resumes.
    """

    task: TaskSpec
    recipe: Recipe
    features: Features
    dataset: Manifest
    train: Manifest
    valid: Manifest
    test: Manifest
    seed: int
    compute: Compute
    work_dir: Path
    progress: PhaseReporter

    @property
    def model(self) -> Any:
        """The method's model."""
        return self.features.model


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """What a protocol gives back.

    ``predictions`` has a row per test sample with ``sample_id`` and ``patient_id`` columns and whatever `score` needs, so
    that metrics can be computed again without a model. ``floors`` are the trivial answers (all background, the mean box)
    in the same form, ``ceilings`` the best ones that the protocol leaves open (the right answer wherever it can be given).
    ``notes`` are numbers worth keeping (epochs run, best epoch, images per second).
    """

    predictions: pa.Table
    floors: Mapping[str, pa.Table] = field(default_factory=dict)
    ceilings: Mapping[str, pa.Table] = field(default_factory=dict)
    notes: Mapping[str, float] = field(default_factory=dict)


class TaskProtocol(Protocol):
    """A standard procedure, as the loader of a `TaskSpec` resolves to it."""

    def run(self, context: TrialContext) -> TrialOutcome:
        """Train if the protocol trains, predict on ``context.test``."""
        ...

    def score(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> dict[str, MetricValue]:
        """Every metric of ``task.metrics`` by name, with its interval, from the predictions alone."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureNeed:
    """A frozen function of single images, for the samples of a manifest: what `medbench.features.Features` answers and keeps.

    ``name`` must say all that ``apply`` depends on. ``apply`` takes the model and normalised images (B, 3, S, S), or
    (B, 2, 3, S, S) of ``studies``, and gives a row each; it does not change what the model gives it. ``preprocess`` None is the
    method's own; ``reads_texts`` says that the method's text files move the answer.
    """

    name: str
    apply: Callable[[Any, Tensor], Tensor]
    manifest: Manifest
    preprocess: Preprocess | None = None
    image: Which = "image"
    studies: bool = False
    reads_texts: bool = False


@runtime_checkable
class Foreseeing(Protocol):
    """What a protocol may offer beside `TaskProtocol`: what it will ask of the encoder, so that one pass serves many tasks."""

    def foreseen(self, context: TrialContext) -> Iterable[FeatureNeed]:
        """Some or all of what `TaskProtocol.run` will ask of ``context.features``, by the same names and of the same samples.

        It is called before the trial's turn comes: it neither asks for features nor for the model, and leaves ``work_dir``
        and ``progress`` alone. What is left out is encoded when it is asked for. May raise what ``run`` would.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupValue:
    """A metric over some of the test samples, or of one class: ``grouping`` is ``class``, ``sex``, ``age`` or ``view``."""

    grouping: str
    group: str
    metric: str
    value: MetricValue


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Scores in (``low``, ``high``]: their number, their mean, and how often the answer was right."""

    low: float
    high: float
    n: int
    confidence: float
    frequency: float


@runtime_checkable
class Analysis(Protocol):
    """What a protocol may offer beside `TaskProtocol`, all from kept predictions alone, for tables and plots."""

    def replicates(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Mapping[str, NDArray[np.float64]]:
        """Each metric's bootstrap replicates (`medbench.statistics.REPLICATES`,), NaN where undefined.

        They depend on the predictions and the patients alone: of two methods on the same test samples, replicate i is over
        the same draw of patients, so that their differences are a paired bootstrap.
        """
        ...

    def groups(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[GroupValue]:
        """Each metric by class and by subgroup."""
        ...

    def reliability(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[ReliabilityBin]:
        """The reliability diagram's bins, ascending; empty where scores are no probabilities."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What can be drawn of a truth or of an answer; ``scores`` of boxes are between 0 and 1, empty for a truth's.

    ``heat`` is relevance (h, w) over the image as it was asked for, not negative, unscaled.
    """

    text: str = ""
    boxes: tuple[Box, ...] | None = None
    scores: tuple[float, ...] = ()
    mask: Mask | None = None
    heat: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One test sample with its truth and the answer it was given.

    ``right`` is what the protocol counts as right, or, where it knows no right and wrong, whether it is of the better half.
    ``score`` is how good the answer is by the protocol's own measure (a Dice, the probability of the truth), if it has one, and
    ``measure`` the name of that. ``by_half`` says that ``right`` means the better half, so that nobody is told it is right.
    """

    sample_id: str
    right: bool
    truth: Shown
    answer: Shown
    score: float | None = None
    measure: str = ""
    by_half: bool = False


@runtime_checkable
class Exhibits(Protocol):
    """What a protocol may offer beside `TaskProtocol`: examples to look at, from kept predictions alone."""

    def examples(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table, count: int) -> Sequence[Example]:
        """Up to ``count`` right and ``count`` wrong ones, right before wrong; the same predictions give the same ones.

        They are spread over the scores rather than the best and worst alone, so that a page does not flatter or slander.
        """
        ...
