"""Published key layouts: patterns of names, and how a file's keys meet what a network needs."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medbench.errors import PluginError
from medbench.layouts import KeyReading, Layout, best

VIT = Layout(
    name="split",
    renames={
        "pos_embed": "encoder.position",
        "blocks.*.attn.qkv.*": ("encoder.layer.*.q.*", "encoder.layer.*.k.*", "encoder.layer.*.v.*"),
        "blocks.*.**": "encoder.layer.*.**",
        "**": "rest.**",
    },
    ignore=("head.**", "*.scale"),
    flat=("pos_embed",),
)
NEEDED = {
    "pos_embed": (1, 1, 4),
    "blocks.0.attn.qkv.weight": (6, 2),
    "blocks.0.norm1.weight": (2,),
    "norm.num_batches_tracked": (),
}
FILE = {
    "encoder.position": (4,),
    "encoder.layer.0.q.weight": (2, 2),
    "encoder.layer.0.k.weight": (2, 2),
    "encoder.layer.0.v.weight": (2, 2),
    "encoder.layer.0.norm1.weight": (2,),
    "rest.norm.num_batches_tracked": (),
}
PARTS = st.text("abc_0", min_size=1, max_size=4)
NAMES = st.lists(PARTS, min_size=1, max_size=5).map(".".join)


def test_names_are_renamed_by_the_first_pattern_that_fits() -> None:
    assert VIT.keys_of("pos_embed") == ("encoder.position",)
    assert VIT.keys_of("blocks.11.attn.qkv.bias") == tuple(f"encoder.layer.11.{one}.bias" for one in "qkv")
    assert VIT.keys_of("blocks.3.mlp.fc1.weight") == ("encoder.layer.3.mlp.fc1.weight",)
    assert VIT.keys_of("fc.weight") == ("rest.fc.weight",)


def test_a_star_is_one_part_and_two_are_all_the_rest() -> None:
    layout = Layout(name="one", renames={"a.*": "b.*", "a.**": "c.**"})
    assert layout.keys_of("a.x") == ("b.x",)
    assert layout.keys_of("a.x.y") == ("c.x.y",)
    with pytest.raises(PluginError, match="layout 'one' does not say what the file calls a"):
        layout.keys_of("a")


def test_a_dot_in_a_pattern_is_a_dot() -> None:
    layout = Layout(name="dots", renames={"a.b": "c", "**": "other.**"})
    assert layout.keys_of("axb") == ("other.axb",)


@pytest.mark.parametrize(("ours", "theirs"), [("a.*", "b"), ("a", "b.**"), ("a.*", "b.**"), ("*.*", ("x.*.*", "y.*"))])
def test_stars_stand_on_both_sides(ours: str, theirs: str | tuple[str, ...]) -> None:
    with pytest.raises(PluginError, match="have other stars"):
        Layout(name="bad", renames={ours: theirs})


def test_a_whole_file_fits() -> None:
    found = VIT.match(NEEDED, FILE)
    assert found.complaint() is None
    assert found.matched["blocks.0.attn.qkv.weight"] == tuple(f"encoder.layer.0.{one}.weight" for one in "qkv")
    assert found.fitting == len(FILE) and found.wrong == 0


def test_counters_may_be_absent_and_nothing_else() -> None:
    old = {key: shape for key, shape in FILE.items() if not key.endswith("num_batches_tracked")}
    assert VIT.match(NEEDED, old).complaint() is None
    without = {key: shape for key, shape in FILE.items() if ".k." not in key}
    found = VIT.match(NEEDED, without)
    assert found.missing == ("encoder.layer.0.k.weight",)
    # the two that are left of the three are explained: it is the third that is missing
    assert found.unexpected == ()


def test_what_is_ignored_is_listed_and_what_is_not_known_is_told() -> None:
    known = {"head.weight": (2, 2), "clip.scale": (), "text.embeddings.position_ids": (1, 512)}
    found = VIT.match(NEEDED, FILE | known | {"clip.deep.scale": ()})
    assert found.ignored == tuple(known)
    assert found.unexpected == ("clip.deep.scale",)
    assert found.complaint() == "1 unexpected key (clip.deep.scale)"


def test_shapes_are_those_of_the_file() -> None:
    found = VIT.match(NEEDED, FILE | {"encoder.position": (1, 1, 4), "encoder.layer.0.v.weight": (3, 2)})
    assert found.misshapen == (
        ("encoder.position", (1, 1, 4), (4,)),
        ("encoder.layer.0.v.weight", (3, 2), (2, 2)),
    )
    assert found.fitting == len(FILE) - 2


def test_a_prefix_is_cut_at_the_start_alone() -> None:
    """A substring rule would take ``lm_model.encoder.`` for the image encoder's."""
    layout = Layout(name="prefix", renames={"**": "encoder.**"}, ignore=("lm_model.**",))
    found = layout.match({"conv1.weight": (1,)}, {"encoder.conv1.weight": (1,), "lm_model.encoder.conv1.weight": (2,)})
    assert found.matched == {"conv1.weight": ("encoder.conv1.weight",)}
    assert found.ignored == ("lm_model.encoder.conv1.weight",)


def test_the_best_reading_has_the_least_that_is_wrong() -> None:
    other = Layout(name="other", renames={"**": "module.**"})
    readings = [KeyReading(part="images", layout=one.name, matching=one.match(NEEDED, FILE)) for one in (other, VIT)]
    assert best(readings).layout == "split"
    assert best(readings[:1]).layout == "other"


@given(NAMES, NAMES, NAMES)
def test_prefixes_are_exchanged(name: str, ours: str, theirs: str) -> None:
    layout = Layout(name="any", renames={f"{ours}.**": f"{theirs}.**"})
    assert layout.keys_of(f"{ours}.{name}") == (f"{theirs}.{name}",)


@given(st.dictionaries(NAMES, st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=6), st.data())
def test_every_key_is_told_once(needed: dict[str, tuple[int, int]], data: st.DataObject) -> None:
    """Whatever a file lacks or adds: each of its keys is matched, ignored or unexpected, each need met or missing."""
    layout = Layout(name="any", renames={"**": "net.**"}, ignore=("spare.**",))
    whole = {f"net.{name}": shape for name, shape in needed.items()}
    kept = data.draw(st.sets(st.sampled_from(sorted(whole))))
    extra = data.draw(st.sets(st.sampled_from(["spare.a", "spare.b.c", "odd", "net"])))
    found = layout.match(needed, {key: whole[key] for key in kept} | dict.fromkeys(extra, (1,)))
    matched = {key for keys in found.matched.values() for key in keys}
    assert matched == kept and set(found.missing) == whole.keys() - kept
    assert set(found.ignored) == {key for key in extra if key.startswith("spare.")}
    assert set(found.unexpected) == extra - set(found.ignored)
    assert (found.complaint() is None) == (found.wrong == 0)


def test_layouts_need_no_heavy_library() -> None:
    code = "import sys, medbench.layouts, medbench.pickled; print(*({'torch', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
