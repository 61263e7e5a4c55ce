"""Folders from strangers: weights that do not fit, pickles and code are refused, and nothing of theirs runs unasked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hf_models import PROCESSOR, load, write
from open_models import check_stable, noise, request_of, write_bomb, write_json
from safetensors.torch import save_file

from medbench.errors import CheckpointError, UsageError
from medbench_methods import hf_family


@pytest.mark.parametrize("change", ["deeper", "shallower", "wider"])
def test_weights_that_do_not_fit_the_configuration_are_refused(change: str, tmp_path: Path) -> None:
    folder = tmp_path / "hf" / "me" / "tiny"
    write(folder, "dinov2")
    config = json.loads((folder / "config.json").read_text())
    config |= {"deeper": {"num_hidden_layers": 3}, "shallower": {"num_hidden_layers": 1}, "wider": {"hidden_size": 32}}[
        change
    ]
    write_json(folder / "config.json", config)
    with pytest.raises(CheckpointError, match=r"do not fit its config.json|could not be loaded"):
        load("me/tiny", tmp_path)


def test_cut_off_weights_are_refused(tmp_path: Path) -> None:
    weights = tmp_path / "hf" / "me" / "tiny" / "model.safetensors"
    write(weights.parent, "vit")
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="could not be loaded"):
        load("me/tiny", tmp_path)


def test_a_pickle_that_runs_code_is_refused_unrun(tmp_path: Path) -> None:
    folder = tmp_path / "hf" / "me" / "tiny"
    write(folder, "vit")
    (folder / "model.safetensors").unlink()
    write_bomb(folder / "pytorch_model.bin", tmp_path / "mark")
    with pytest.raises(CheckpointError, match="could not be loaded"):
        load("me/tiny", tmp_path)
    assert not (tmp_path / "mark").exists()


def write_with_code(folder: Path, mark: Path) -> None:
    """A repository whose model is code of its own, which leaves ``mark`` behind when it runs."""
    folder.mkdir(parents=True)
    (folder / "modeling_mine.py").write_text(
        f"import pathlib; pathlib.Path({str(mark)!r}).touch()\n"
        "from torch import nn\n"
        "from transformers import PreTrainedConfig, PreTrainedModel\n"
        "from transformers.modeling_outputs import BaseModelOutputWithPooling\n"
        "class MineConfig(PreTrainedConfig):\n    model_type = 'mine'\n"
        "class MineModel(PreTrainedModel):\n"
        "    config_class = MineConfig\n"
        "    def __init__(self, config):\n"
        "        super().__init__(config)\n"
        "        self.conv = nn.Conv2d(3, 4, 8, 8)\n"
        "        self.post_init()\n"
        "    def forward(self, pixel_values):\n"
        "        return BaseModelOutputWithPooling(pooler_output=self.conv(pixel_values).mean((2, 3)))\n"
    )
    save_file(torch.nn.Conv2d(3, 4, 8).state_dict(prefix="conv."), folder / "model.safetensors", {"format": "pt"})
    auto = {"AutoConfig": "modeling_mine.MineConfig", "AutoModel": "modeling_mine.MineModel"}
    write_json(folder / "config.json", {"model_type": "mine", "auto_map": auto})
    write_json(folder / "preprocessor_config.json", PROCESSOR)


def test_code_of_a_repository_is_refused_unrun_with_its_file_named(tmp_path: Path) -> None:
    write_with_code(tmp_path / "hf" / "me" / "own", tmp_path / "mark")
    with pytest.raises(UsageError, match=r"wants to run code of its own \(modeling_mine.py\).*\+remote-code"):
        hf_family.variant("me/own", tmp_path)
    assert not (tmp_path / "mark").exists()


def test_code_of_a_repository_runs_where_the_name_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.utils import hub

    monkeypatch.setattr(hub, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    write_with_code(tmp_path / "hf" / "me" / "own", tmp_path / "mark")
    variant = hf_family.variant("me/own+remote-code", tmp_path)
    assert variant.checkpoint is not None
    assert "hf/me/own/modeling_mine.py" in variant.checkpoint.companions
    check_stable(hf_family.load(request_of(variant, tmp_path)), noise(2, 32))
    assert (tmp_path / "mark").exists()


def test_a_known_type_never_runs_the_code_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "hf" / "me" / "own"
    write_with_code(folder, tmp_path / "mark")
    auto = json.loads((folder / "config.json").read_text())["auto_map"]
    write(folder, "vit")
    write_json(folder / "config.json", json.loads((folder / "config.json").read_text()) | {"auto_map": auto})
    check_stable(load("me/own", tmp_path), noise(2, 32))
    assert not (tmp_path / "mark").exists()
