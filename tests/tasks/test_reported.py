"""Figures that papers print: the file, its reader, and what of it the tasks show."""

from __future__ import annotations

import csv
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from medbench.errors import PluginError
from medbench.specs import ReportedResult, TaskSpec
from medbench_methods import medbench_methods
from medbench_tasks.catalogue import TASKS
from medbench_tasks.reported import BY_TASK, COLUMNS, FILE, read_reported

FIGURES = {task.id: task.reported for task in TASKS}
BENCHX_TASKS = {
    ("classification", "nih-cxr14"): "chestx-ray14-patient-finetune",
    ("classification", "vindr-cxr"): "vindr-cxr-finetune",
    ("classification", "covidx-cxr4"): "covidx-cxr4-finetune",
    ("classification", "siim-acr"): "siim-finetune",
    ("classification", "rsna-pneumonia"): "rsna-finetune",
    ("segmentation", "siim-acr"): "siim-seg",
    ("segmentation", "rsna-pneumonia"): "rsna-seg",
    ("segmentation", "object-cxr"): "object-cxr-seg",
    ("segmentation", "tbx11k"): "tbx11k-seg",
    ("report-generation", "iu-xray"): "iu-xray-gen",
    ("retrieval", "mimic-5x200"): "mimic-5x200-retrieval",
}
BENCHX_METRICS = {"auroc-macro": "auroc", "f1-binary": "f1"} | {
    f"{name}@{cut}": f"class-{name}-{cut}" for name in ("hit", "precision") for cut in (1, 5, 10)
}
BENCHX_METHODS = {
    "ConVIRT": "convirt@resnet50",
    "GLoRIA": "gloria@resnet50-benchx",
    "MedCLIP-R50": "medclip@resnet50",
    "MedCLIP-ViT": "medclip@vit",
    "MedKLIP": "medklip@resnet50-benchx",
    "M-FLAG": "m-flag@resnet50",
    "PTUnifier": "ptunifier@vit-b16-benchx",
    "MRM": "mrm@vit-b16-benchx",
    "REFERS": "refers@vit-b16-benchx",
}
"""What BenchX prints, and which weights those are; its MGCA and its baseline are none of ours."""
ROW = {
    **{"task": "rsna-linear", "method": "A", "metric": "auroc", "metric_title": "", "fraction": "1", "recipe": "mgca"},
    **{"value": "0.881", "deviation": "", "source": "A (2020), Table 1", "comparable": "yes", "note": ""},
}


def of(task: str, method: str, metric: str, recipe: str = "benchx") -> dict[float, ReportedResult]:
    """By fraction."""
    found = [one for one in FIGURES[task] if (one.method, one.metric, one.recipe) == (method, metric, recipe)]
    return {one.fraction: one for one in found}


def values(task: str, method: str, metric: str, recipe: str = "benchx") -> list[float]:
    return [one.value for _, one in sorted(of(task, method, metric, recipe).items())]


def written(folder: Path, *rows: dict[str, str], columns: tuple[str, ...] = COLUMNS) -> Path:
    path = folder / "reported.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_every_figure_belongs_to_a_task() -> None:
    assert set(BY_TASK) <= set(FIGURES)
    assert {task: figures for task, figures in FIGURES.items() if figures} == dict(BY_TASK)
    assert sum(map(len, FIGURES.values())) == 459


def test_known_figures_of_benchx() -> None:
    assert values("chestx-ray14-patient-finetune", "mrm@vit-b16-benchx", "auroc") == [0.801, 0.835, 0.853]
    assert values("siim-finetune", "mrm@vit-b16-benchx", "f1") == [0.65, 0.693, 0.756]  # never the 60.2 that circulates
    assert values("vindr-cxr-finetune", "MGCA-ViT (BenchX)", "auroc") == [0.883, 0.915, 0.918]
    assert values("iu-xray-gen", "Baseline (BenchX)", "bleu-4") == [0.133]
    assert values("mimic-5x200-retrieval", "ptunifier@vit-b16-benchx", "class-hit-10") == [1.0]
    assert values("tbx11k-seg", "mrm@vit-b16-benchx", "mdice-incl-background") == [0.8785]
    assert of("tbx11k-seg", "mrm@vit-b16-benchx", "mdice-incl-background")[1.0].deviation == 0.0047


def test_known_figures_of_mgca_and_others() -> None:
    assert values("rsna-linear", "mgca@resnet50", "auroc", "mgca") == [0.886, 0.891, 0.899]
    assert values("covidx-9a-linear", "ConVIRT (MGCA)", "accuracy", "mgca") == [0.725, 0.825, 0.92]
    assert sorted(of("object-cxr-det", "mgca@resnet50", "map-as-released", "mgca")) == [0.1, 1.0]  # a dash at 1 %
    assert values("siim-seg", "mgca@resnet50", "dice-as-released", "mgca") == [0.497, 0.593, 0.642]
    assert values("vqa-rad", "MEVF+CR code (proposal)", "closed-accuracy", "motor") == [0.793]


def test_registered_methods_are_named_only_where_they_are_meant() -> None:
    known = {f"{spec.id}@{variant.id}" for spec in medbench_methods() for variant in spec.variants}
    named = {figure.method for figures in FIGURES.values() for figure in figures if "@" in figure.method}
    assert named == {"random@resnet50", "imagenet@resnet50", "mgca@resnet50", *BENCHX_METHODS.values()}
    assert sorted(named - known) == []
    benchx = {one.method for figures in FIGURES.values() for one in figures if one.recipe == "benchx"}
    others = {f"{name} (BenchX)" for name in ("Baseline", "MGCA-R50", "MGCA-ViT")}  # not the released checkpoint
    assert benchx == others | set(BENCHX_METHODS.values())


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_metrics_that_a_task_does_not_compute_have_titles(task: TaskSpec) -> None:
    known = {metric.name for metric in task.metrics}
    titled = {figure.metric for figure in task.reported if figure.metric_title}
    assert {figure.metric for figure in task.reported} - known == titled


def test_dice_with_background_shares_no_column_with_foreground_dice() -> None:
    for task in ("siim-seg", "rsna-seg", "object-cxr-seg", "tbx11k-seg"):
        metrics = {one.metric for one in FIGURES[task] if one.recipe == "benchx"}
        assert metrics == {"mdice-incl-background"}


def test_what_cannot_be_compared_says_why() -> None:
    figures = [figure for found in FIGURES.values() for figure in found]
    assert all(figure.note for figure in figures if not figure.comparable)
    assert not any(figure.comparable for figure in figures if figure.recipe == "benchx")
    assert all("anking pool unknown" in figure.note for figure in FIGURES["mimic-5x200-retrieval"])
    assert all("66.7" in figure.note for figure in FIGURES["covidx-cxr4-finetune"])
    assert all("36.8" in figure.note for figure in FIGURES["rsna-finetune"])
    assert all("36.3" in figure.note for figure in FIGURES["siim-finetune"])


def test_what_is_doubtful_in_benchx_says_so() -> None:
    """What its tables, its text and its code do not agree on."""

    def notes(task: str, method: str = "") -> list[str]:
        found = [one.note for one in FIGURES[task] if one.recipe == "benchx" and method in {"", one.method}]
        assert found
        return found

    for task in ("object-cxr-seg", "rsna-seg", "siim-seg", "tbx11k-seg"):
        told = ("Background included", "One run by its appendix", "optimiser, batch and rate of paper and code differ")
        assert all(one in note for note in notes(task) for one in told)
    batches = ("gloria@resnet50-benchx", "medclip@resnet50", "medclip@vit", "MGCA-R50 (BenchX)", "MGCA-ViT (BenchX)")
    for name in batches:
        assert all("batches of 8, in which H@10 is 100" in note for note in notes("mimic-5x200-retrieval", name))
    ptunifier = notes("mimic-5x200-retrieval", "ptunifier@vit-b16-benchx")
    assert all("fits batches of 8" in note and "P@10 is 24" in note for note in ptunifier)
    covidx = notes("covidx-cxr4-finetune")
    assert all("lose the first image of each split and cut names at the first dot" in note for note in covidx)
    (constant,) = (one for one in FIGURES["covidx-cxr4-finetune"] if "as here" in one.note)
    assert (constant.method, constant.fraction, constant.value) == ("refers@vit-b16-benchx", 0.01, 0.667)
    ablated = [one for one in FIGURES["chestx-ray14-patient-finetune"] if "Table 6" in one.note]
    assert {one.method: one.fraction for one in ablated} == dict.fromkeys(
        ("gloria@resnet50-benchx", "medclip@vit", "MGCA-R50 (BenchX)", "refers@vit-b16-benchx"), 0.01
    )
    assert "Less than at 10 %" in of("vindr-cxr-finetune", "medclip@vit", "auroc")[1.0].note
    figures = [one for found in FIGURES.values() for one in found if one.method.startswith("medclip@")]
    assert figures and all("saw CheXpert too" in one.note for one in figures)


def test_a_figure_on_another_test_set_is_not_compared() -> None:
    for task in ("rsna-linear", "siim-seg"):
        figures = [one for one in FIGURES[task] if one.recipe == "mgca"]
        assert len(figures) == 18
        assert not any(one.comparable for one in figures)
        assert all("test set" in one.note for one in figures)
    sizes = [one for found in FIGURES.values() for one in found if "sizes printed" in one.note and one.comparable]
    assert sizes and all("test images are the same" in one.note for one in sizes)


def test_sources_name_a_table_an_issue_or_a_page() -> None:
    sources = {figure.source for figures in FIGURES.values() for figure in figures}
    assert all(any(word in source for word in ("Table ", "issue #", "README")) for source in sources)
    assert not any("Table 6" in source or "Table 7" in source for source in sources)


def test_benchx_cell_by_cell(shared: Path) -> None:
    theirs = {}
    with (shared / "protocols/benchx_reported.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            scale = 100 if row["unit"] == "percent" else 1
            key = (
                BENCHX_TASKS[row["task"], row["dataset"]],
                BENCHX_METHODS.get(row["method"], f"{row['method']} (BenchX)"),
                BENCHX_METRICS.get(row["metric"], row["metric"]),
                float(Decimal(row["fraction_pct"] or "100") / 100),
                f"BenchX (arXiv 2410.21969v1), Table {row['source_table'].removeprefix('T')}",
            )
            deviation = float(Decimal(row["std"]) / scale) if row["std"] else None
            theirs[key] = (float(Decimal(row["mean"]) / scale), deviation)
    ours = {
        (task, one.method, one.metric, one.fraction, one.source): (one.value, one.deviation)
        for task, figures in FIGURES.items()
        for one in figures
        if one.recipe == "benchx"
    }
    assert len(theirs) == 314 and ours == theirs


def test_a_file_is_read_by_task(tmp_path: Path) -> None:
    found = read_reported(written(tmp_path, ROW, ROW | {"fraction": "0.01", "comparable": "no", "deviation": "0.002"}))
    first, second = found["rsna-linear"]
    assert (first.value, first.fraction, first.deviation, first.comparable) == (0.881, 1.0, None, True)
    assert (second.fraction, second.deviation, second.comparable) == (0.01, 0.002, False)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"value": "88.1"}, "value is a share of 1"),
        ({"value": "n/a"}, "value is a share of 1"),
        ({"value": "nan"}, "value is a share of 1"),
        ({"value": ""}, "value is a share of 1"),
        ({"deviation": "-0.1"}, "deviation is a share of 1"),
        ({"fraction": "100"}, "fraction is a share of 1"),
        ({"comparable": "true"}, "comparable is yes or no"),
        ({"source": ""}, "must not be empty"),
        ({"note": "x" * 401}, "at most 400 characters"),
        ({"source": "x" * 401}, "at most 400 characters"),
    ],
)
def test_bad_rows_are_refused_by_line(tmp_path: Path, change: dict[str, str], told: str) -> None:
    with pytest.raises(PluginError, match=f"reported.csv, line 3: .*{told}"):
        read_reported(written(tmp_path, ROW | {"fraction": "0.1"}, ROW | change))


def test_a_figure_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="line 3: this figure is there already"):
        read_reported(written(tmp_path, ROW, ROW | {"fraction": "1.0", "value": "0.5"}))
    assert len(read_reported(written(tmp_path, ROW, ROW | {"source": "A (2021), Table 2"}))["rsna-linear"]) == 2


def test_other_columns_and_cells_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="other columns"):
        read_reported(written(tmp_path, {**ROW, "colour": ""}, columns=(*COLUMNS, "colour")))
    path = written(tmp_path, ROW)
    path.write_text(path.read_text() + "rsna-linear,A\n")
    with pytest.raises(PluginError, match=r"line 3: 2 cells, 11 are expected"):
        read_reported(path)


def test_the_file_is_in_its_own_form() -> None:
    """So that a spreadsheet or a script that writes it again changes nothing else."""
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    text = FILE.read_bytes().decode()
    assert "\r" not in text and text.count("\n") == len(rows) == 460
    assert all(cell == cell.strip() for row in rows for cell in row)


def test_reading_loads_no_heavy_library() -> None:
    code = "import sys, medbench_tasks.catalogue; print(*({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
