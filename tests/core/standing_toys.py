"""An open family, and a method whose variant stands for one of its models; both load what the toy loads."""

from __future__ import annotations

from pathlib import Path

from medbench.errors import CheckpointError
from medbench.hookspecs import hookimpl
from medbench.specs import CheckpointSource, MethodSpec, MethodVariant

MODEL = "owner/Bird"
FILE = f"family/{MODEL}/weights.safetensors"
FAMILY = MethodSpec(
    id="family",
    title="A family",
    summary="For tests.",
    variants=(),
    open_variants="tests.core.standing_toys:variant",
    loader="medbench_toy:load",
    licence="none",
)
METHOD = MethodSpec(
    id="starling",
    title="Starling",
    summary="For tests.",
    variants=(
        MethodVariant(
            id="base",
            title="Base",
            checkpoint=CheckpointSource(filename=FILE),
            capabilities=frozenset({"ImageEncoder"}),
            stands_for=f"family/{MODEL}",
        ),
    ),
    loader=FAMILY.loader,
    licence="none",
    pretrained_on=("toy",),
)


@hookimpl
def medbench_methods() -> list[MethodSpec]:
    return [FAMILY, METHOD]


def variant(name: str, checkpoints: Path) -> MethodVariant:
    """What lies there; a file that ends in ``.broken`` beside the weights cannot be read."""
    path = checkpoints / f"family/{name}/weights.safetensors"
    if path.with_suffix(".broken").is_file():
        raise CheckpointError(f"{path} is broken")
    able = {"ImageEncoder", "TextEncoder"}
    source = CheckpointSource(
        filename=str(path.relative_to(checkpoints)),
        url="https://example.org/bird (fetch bird)",
        companions=(f"family/{name}/config.json",),
    )
    short = name.lower().replace("/", "--")
    return MethodVariant(id=short, title=name, checkpoint=source, capabilities=frozenset(able), name=name)
