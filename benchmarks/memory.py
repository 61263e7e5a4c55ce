"""Peak memory of encoding a small and a large manifest: a synthetic reader and a tiny encoder, each side in a process.

The pass is `medbench.features.Features.answer_mapped`, which gives rows without gathering them; `encode` itself has to hold the
array that it gives. A row's picture is drawn from its path, so that no million of files is needed. The manifests are written
beforehand, by another process. ``python -m benchmarks.memory whole`` measures 1,000,000 rows.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medbench.manifest import Picture

TARGET = 1.15
SMALL = 1_000
LARGE = 100_000
WHOLE = 1_000_000
_SIDE = 8
_WIDTH = 16
_STEP = 10_000


class Cost(NamedTuple):
    """A side's peak in MB and its seconds."""

    peak_mb: float
    seconds: float


class Comparison(NamedTuple):
    """The peaks of a process without a row, of one with a small manifest and of one with a large one."""

    imports: Cost
    small: Cost
    large: Cost
    rows_encoded: int

    @property
    def ratio(self) -> float:
        return self.large.peak_mb / self.small.peak_mb

    @property
    def met(self) -> bool:
        return self.ratio <= TARGET

    @property
    def rows(self) -> list[list[str]]:
        """For a table: what, peak and what of it is above the imports, ratio, target."""
        return [
            ["imports and the encoder alone", f"{self.imports.peak_mb:,.0f} MB", "", ""],
            [f"encode {SMALL:,} rows", self._cell(self.small), "1.00", ""],
            [
                f"encode {self.rows_encoded:,} rows",
                self._cell(self.large),
                f"{self.ratio:.2f}",
                f"at most {TARGET:g}",
            ],
        ]

    def _cell(self, cost: Cost) -> str:
        return f"{cost.peak_mb:,.0f} MB (+ {cost.peak_mb - self.imports.peak_mb:,.0f}), {cost.seconds:.1f} s"


def compare(*, whole: bool = False) -> Comparison:
    """Measure the three sides."""
    rows = WHOLE if whole else LARGE
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return Comparison(_measured(folder, 0), _measured(folder, SMALL), _measured(folder, rows), rows)


def _measured(folder: Path, rows: int) -> Cost:
    for step in ("write", "encode"):
        command = [sys.executable, "-m", "benchmarks.memory", step, str(folder), str(rows)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Cost(*json.loads(done.stdout))


def _write(folder: Path, rows: int) -> None:
    """A manifest of that many rows of ordinary width, a tenth of them of the test part."""
    import pyarrow as pa

    from medbench.manifest import SCHEMA, ImageFacts, build_table
    from medbench.manifest_files import write_table
    from medbench.samples import Sample

    tables = [SCHEMA.empty_table()]
    for start in range(0, rows, _STEP):
        numbers = range(start, min(start + _STEP, rows))
        samples = [
            Sample(sample_id=f"s{one:07d}", patient_id=f"p{one // 3:07d}", image=f"files/p{one // 3:07d}/{one:07d}.png")
            for one in numbers
        ]
        tables.append(build_table(samples, (), [ImageFacts(_SIDE, _SIDE, f"{one:064x}") for one in numbers]))
    write_table(pa.concat_tables(tables), folder / f"{rows}.parquet")


def _encode(folder: Path, rows: int) -> Cost:
    """Read the manifest, encode it, and see that the features are those of the rows that were asked for."""
    import numpy as np
    import torch

    from medbench.capabilities import Preprocess
    from medbench.features import Features
    from medbench.identity import ModelIdentity
    from medbench.manifest import Manifest
    from medbench.manifest_files import read_table
    from medbench.needs import image_need
    from medbench.preprocessing import normalised
    from medbench.protocols import Compute

    class Drawn(Manifest):
        def read(self, picture: Picture) -> NDArray[np.uint8]:
            return _drawn(picture.path)

    class Linear(torch.nn.Module):
        preprocess = Preprocess(resize=_SIDE, mode="squash", crop=_SIDE, mean=(0.5,) * 3, std=(0.5,) * 3)
        embed_dim = _WIDTH
        layer = torch.nn.Linear(3 * _SIDE * _SIDE, _WIDTH)

        def encode_images(self, images: torch.Tensor) -> torch.Tensor:
            features: torch.Tensor = self.layer(images.flatten(1))
            return features

    torch.set_num_threads(1)
    model = Linear().eval()
    begin = time.perf_counter()
    manifest = Drawn("benchmark", folder, (), f"{rows:064d}", True, read_table(folder / f"{rows}.parquet"))
    features = Features(
        identity=ModelIdentity(method="benchmark", variant="linear", version=1, checkpoint=None, seed=0, code=""),
        load=lambda: model,
        folder=folder / "features",
        compute=Compute(),
        progress=_Silent(),
    )
    found = features.answer_mapped(image_need(manifest))
    seconds = time.perf_counter() - begin
    for index in (0, rows // 2, rows - 1) if rows else ():
        image = torch.from_numpy(_drawn(manifest.row(index).image.relative_to(folder).as_posix()))
        with torch.inference_mode():
            right = model.encode_images(normalised(image[None], model.preprocess))[0].numpy()
        if not np.allclose(found[index], right, atol=1e-5):
            raise ValueError("the features are not those of their rows: the peak means nothing")
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, seconds)


def _drawn(path: str) -> NDArray[np.uint8]:
    import numpy as np

    return np.random.default_rng(zlib.crc32(path.encode())).integers(0, 256, (_SIDE, _SIDE), np.uint8)


class _Silent:
    def phase(self, name: str, total: int | None = None) -> None: ...

    def advance(self, steps: int = 1, note: str = "") -> None: ...

    def track(self, items: Any, name: str, total: int | None = None) -> Any:
        return items


def _main(arguments: list[str]) -> None:
    if arguments == ["whole"]:
        for what, cost, ratio, target in compare(whole=True).rows:
            print(f"{what}: {cost} {ratio} {target}".rstrip())
        return
    step, folder, rows = arguments
    if step == "write":
        _write(Path(folder), int(rows))
    else:
        print(json.dumps(_encode(Path(folder), int(rows))))


if __name__ == "__main__":
    _main(sys.argv[1:])
