"""A method's own generator, fine-tuned on reports through mmengine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmengine.model import BaseModel
from torch import Tensor, nn

from medbench.errors import PluginError
from medbench.preprocessing import normalised
from medbench_tasks.generation.decoder import MoveStudies

if TYPE_CHECKING:
    from medbench.capabilities import ReportLearner
    from medbench_tasks.generation.recipe import GenerationRecipe


class FineTunedReporter(BaseModel):  # type: ignore[misc]
    """A `ReportNet` as mmengine trains it: pixels (B, views, S, S) uint8, or RGB, and B reports."""

    net: Any

    def __init__(self, learner: ReportLearner, recipe: GenerationRecipe, seed: int) -> None:
        super().__init__(data_preprocessor=MoveStudies())
        net: Any = learner.report_net(recipe.views, seed)
        if not isinstance(net, nn.Module):
            raise PluginError("what a method gives to learn reports by is no torch.nn.Module")
        self.net = net.requires_grad_(True)
        self._recipe = recipe

    def init_weights(self) -> None:
        """Nothing: mmengine would have pretrained weights drawn anew."""

    def forward(self, inputs: Tensor, data_samples: list[str], mode: str = "tensor") -> dict[str, Tensor] | list[str]:
        """``loss`` gives the method's own loss, else B reports written with the recipe's ``validate_beams``."""
        flat = normalised(inputs.flatten(0, 1), self.net.preprocess)
        images = flat.reshape(*inputs.shape[:2], *flat.shape[1:])
        if mode == "loss":
            return {"loss": self.net.report_loss(images, data_samples)}
        reports: list[str] = self.net.generate(
            images,
            beams=self._recipe.validate_beams,
            min_length=self._recipe.min_length,
            max_length=self._recipe.max_length,
        )
        return reports
