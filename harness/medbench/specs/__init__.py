"""What a plugin says of a method, a dataset or a task: plain data, importable without torch or numpy.

The heavy part of each is an import string (``"package.module:attribute"``), resolved only when a trial needs it.
Every spec checks itself when it is made, so a plugin author sees the mistake at import.
"""

from medbench.specs.datasets import DatasetSpec, ExpectedFile, SplitSpec
from medbench.specs.methods import CheckpointSource, MethodSpec, MethodVariant
from medbench.specs.tasks import MetricSpec, Recipe, RecipeT, ReportedResult, Target, TaskSpec
from medbench.specs.words import CAPABILITIES, PARTS, READS_TEXTS, SUPERVISIONS, UNDISCLOSED, Part, check_id

__all__ = [
    "CAPABILITIES",
    "PARTS",
    "READS_TEXTS",
    "SUPERVISIONS",
    "UNDISCLOSED",
    "CheckpointSource",
    "DatasetSpec",
    "ExpectedFile",
    "MethodSpec",
    "MethodVariant",
    "MetricSpec",
    "Part",
    "Recipe",
    "RecipeT",
    "ReportedResult",
    "SplitSpec",
    "Target",
    "TaskSpec",
    "check_id",
]
