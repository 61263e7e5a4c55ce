"""The report generation protocol: reports that a method writes itself, or a standard decoder on its frozen features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from medbench.errors import UsageError
from medbench.protocols import TrialOutcome
from medbench_tasks.generation.recipe import GenerationRecipe

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from mmengine.model import BaseModel
    from numpy.typing import NDArray

    from medbench.protocols import Example, FeatureNeed, GroupValue, ReliabilityBin, TrialContext
    from medbench.records import MetricValue
    from medbench.specs import Recipe, TaskSpec
    from medbench_tasks.generation.inputs import ImageStudies, PatchStudies
    from medbench_tasks.generation.studies import Studies
    from medbench_tasks.training import FitReport


class ReportGeneration:
    """`medbench.protocols.TaskProtocol`, `Analysis` and `Exhibits` for reports.

    A method needs the `ReportGenerator` capability, or `DenseImageEncoder` for the standard decoder.
    """

    def run(self, context: TrialContext) -> TrialOutcome:
        """Write a report for each test study that has an image and a report; the others are counted in the notes.

        A method that writes is not trained unless the recipe says so, whatever the fraction. Raises `UsageError` where the
        recipe asks of the method what it cannot do, `MissingDataError` where a part has no study, `ImageError` for an image
        that cannot be read, and `TrialError` where training fails.
        """
        from medbench_tasks.generation.floors import floor_reports
        from medbench_tasks.generation.predictions import Writing, prediction_tables
        from medbench_tasks.generation.readers import Readers
        from medbench_tasks.generation.studies import read_studies

        recipe = _recipe_of(context.recipe, context.task)
        writes_itself = _writes_itself(context, recipe)
        data = _Data(read_studies(context.train, "train", recipe), read_studies(context.test, "test", recipe))
        readers = Readers.of(recipe, context.compute.device, meteor="meteor" in _names(context.task))
        answer = _by_method(context, recipe, data) if writes_itself else _by_decoder(context, recipe, data)
        floors = floor_reports(data.train, data.test, context)
        writings = {name: Writing.of_floor(reports, recipe) for name, reports in floors.items()}
        context.progress.phase("label", 1 + len(floors))
        tables = prediction_tables(
            data.test,
            {_ANSWER: Writing.of_method(answer.reports, recipe)} | writings,
            recipe,
            readers,
            context.progress.advance,
        )
        return TrialOutcome(
            predictions=tables.pop(_ANSWER),
            floors=tables,
            notes=_counts("train", data.train) | _counts("test", data.test) | answer.notes,
        )

    def foreseen(self, context: TrialContext) -> Iterator[FeatureNeed]:
        """What the standard decoder reads, and what the nearest neighbours are found by."""
        from medbench_tasks.generation.floors import neighbour_need
        from medbench_tasks.generation.inputs import PatchStudies
        from medbench_tasks.generation.studies import read_studies, spread

        recipe = _recipe_of(context.recipe, context.task)
        writes_itself = _writes_itself(context, recipe)
        train, test = read_studies(context.train, "train", recipe), read_studies(context.test, "test", recipe)
        if not writes_itself:
            valid = spread(read_studies(context.valid, "valid", recipe), recipe.validate_studies)
            for studies in (train, valid, test):
                yield from PatchStudies.foreseen(studies, views=recipe.views, grid=recipe.grid)
        if recipe.neighbour:
            yield from (neighbour_need(studies, context.features) for studies in (train, test))

    def score(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> dict[str, MetricValue]:
        """The metrics of ``task`` by name, with intervals over patients; needs neither model, torch nor Java.

        Notes say by what version findings were read; what the rules read is read again where they have changed since.
        """
        from medbench_tasks.generation.metrics import score_reports

        return score_reports(predictions, _names(task), _recipe_of(recipe, task))

    def replicates(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Mapping[str, NDArray[np.float64]]:
        """Each metric's bootstrap replicates (`medbench.statistics.REPLICATES`,), NaN where undefined."""
        from medbench_tasks.generation.metrics import replicate_reports

        return replicate_reports(predictions, _names(task), _recipe_of(recipe, task))

    def groups(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[GroupValue]:
        """The F1 of each finding, then each metric by sex, age band and view."""
        from medbench_tasks.generation.metrics import group_reports

        return group_reports(predictions, _names(task), _recipe_of(recipe, task))

    def reliability(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table) -> Sequence[ReliabilityBin]:
        """None: a report is no probability."""
        return ()

    def examples(self, task: TaskSpec, recipe: Recipe, predictions: pa.Table, count: int) -> Sequence[Example]:
        """Reports beside the true ones, as `medbench_tasks.generation.exhibits` says."""
        from medbench_tasks.generation.exhibits import show_reports

        return show_reports(predictions, _recipe_of(recipe, task), count)


PROTOCOL = ReportGeneration()

_ANSWER = ""
"""The method's own among the named floors."""


@dataclass(frozen=True, slots=True)
class _Data:
    train: Studies
    test: Studies


@dataclass(frozen=True, slots=True)
class _Answer:
    reports: list[str]
    notes: dict[str, float] = field(default_factory=dict)


def _recipe_of(recipe: Recipe, task: TaskSpec) -> GenerationRecipe:
    if not isinstance(recipe, GenerationRecipe):
        raise UsageError(f"task '{task.id}' gives {type(recipe).__name__}, not a GenerationRecipe")
    return recipe


def _names(task: TaskSpec) -> list[str]:
    return [metric.name for metric in task.metrics]


def _writes_itself(context: TrialContext, recipe: GenerationRecipe) -> bool:
    """Whether the method is the writer. Raises `UsageError` where the recipe asks for what it cannot do."""
    offered, label = context.features.capabilities, context.features.identity.label
    if recipe.writer == "decoder" and "DenseImageEncoder" not in offered:
        raise UsageError(
            f"{label} has no feature maps for the standard decoder", fix="leave the recipe's writer at auto"
        )
    if "ReportGenerator" in offered and recipe.writer != "decoder":
        return True
    if recipe.writer == "method" or recipe.train:
        wanted = "train a generator" if recipe.train else "have the method write"
        raise UsageError(
            f"{label} writes no reports, and the recipe is to {wanted}",
            fix="use recipe 'standard', which gives image encoders a decoder",
        )
    return False


def _by_method(context: TrialContext, recipe: GenerationRecipe, data: _Data) -> _Answer:
    from medbench_tasks.generation.writing import write_reports

    if not recipe.train:
        return _Answer(write_reports(context.model, data.test.manifest, context))

    from medbench.capabilities import ReportLearner
    from medbench_tasks.generation.inputs import ImageStudies
    from medbench_tasks.generation.learning import FineTunedReporter
    from medbench_tasks.generation.studies import read_studies, spread
    from medbench_tasks.training import seed_everything, training_notes

    if not isinstance(context.model, ReportLearner):
        raise UsageError(
            f"{context.features.identity.label} cannot be fine-tuned on reports (it has no report_net)",
            fix="use recipe 'standard', which has it write as it stands",
        )
    checked = read_studies(context.valid, "valid", recipe)
    seed_everything(context.seed)
    model = FineTunedReporter(context.model, recipe, context.seed)
    seed = context.seed if recipe.augment else None
    frame = model.net.preprocess
    views, checks = recipe.views, spread(checked, recipe.validate_studies)
    train = ImageStudies.prepare(data.train, "train", frame, context, views=views, augment_seed=seed)
    valid = ImageStudies.prepare(checks, "valid", frame, context, views=views)
    report = _fit(context, recipe, model, train, valid)
    model.net.to(context.compute.device).eval()
    return _Answer(
        write_reports(model.net, data.test.manifest, context), _counts("valid", checked) | training_notes(report)
    )


def _by_decoder(context: TrialContext, recipe: GenerationRecipe, data: _Data) -> _Answer:
    from medbench_tasks.generation.decoder import ReportDecoder
    from medbench_tasks.generation.inputs import PatchStudies
    from medbench_tasks.generation.studies import read_studies, spread
    from medbench_tasks.generation.vocabulary import Vocabulary
    from medbench_tasks.training import predict, seed_everything, training_notes

    def given(studies: Studies) -> PatchStudies:
        return PatchStudies.of(studies, context, views=recipe.views, grid=recipe.grid)

    vocabulary = Vocabulary(data.train.references, size=recipe.vocabulary, min_frequency=recipe.min_frequency)
    checked = read_studies(context.valid, "valid", recipe)
    train, valid, test = given(data.train), given(spread(checked, recipe.validate_studies)), given(data.test)
    seed_everything(context.seed)
    model = ReportDecoder(recipe, vocabulary, train.shape)
    report = _fit(context, recipe, model, train, valid)
    model.beams = recipe.beams
    reports = [written for _, written in predict(model, test, context)]
    notes = {"vocabulary": float(len(vocabulary))}
    return _Answer(reports, notes | _counts("valid", checked) | training_notes(report))


def _fit(
    context: TrialContext,
    recipe: GenerationRecipe,
    model: BaseModel,
    train: PatchStudies | ImageStudies,
    valid: PatchStudies | ImageStudies,
) -> FitReport:
    from medbench_tasks.generation.validation import PREFIX, ReportScores
    from medbench_tasks.training import fit

    return fit(
        model,
        train=train,
        valid=valid,
        metric=ReportScores(recipe, lambda: train.epoch),
        monitor=f"{PREFIX}/{recipe.select}",
        rule="greater",
        scope="mmengine",
        context=context,
    )


def _counts(part: str, studies: Studies) -> dict[str, float]:
    return {
        f"{part}_studies": float(len(studies)),
        f"{part}_without_report": float(studies.without_report),
        f"{part}_without_image": float(studies.without_image),
    }
