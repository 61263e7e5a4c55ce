"""BatchNorm whose statistics in training are those of the whole batch, however many processes it is divided over."""

from __future__ import annotations

import torch
from timm.layers import BatchNormAct2d, convert_sync_batchnorm
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

_PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def share_batchnorm(model: nn.Module, device: torch.device) -> None:
    """Put shared layers in the place of ``model``'s BatchNorms, which keep their parameters and statistics.

    On a GPU they are torch's `SyncBatchNorm`, which knows no CPU; there `SharedBatchNorm`. Subclasses of BatchNorm stay as they
    are, since nobody knows what else they do: only timm's with an activation is known, and on a GPU alone.
    """
    for name, child in model.named_children():
        if type(child) in _PLAIN or (type(child) is BatchNormAct2d and device.type == "cuda"):
            setattr(model, name, convert_sync_batchnorm(child) if device.type == "cuda" else SharedBatchNorm.of(child))
        else:
            share_batchnorm(child, device)


class SharedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """BatchNorm over the batches of all processes on any device; of inputs (B, C) or (B, C, ...)."""

    @classmethod
    def of(cls, layer: nn.Module) -> SharedBatchNorm:
        """A layer with the very parameters and statistics of a BatchNorm."""
        shared = cls(
            layer.num_features,  # type: ignore[arg-type]
            layer.eps,  # type: ignore[arg-type]
            layer.momentum,  # type: ignore[arg-type]
            layer.affine,  # type: ignore[arg-type]
            layer.track_running_stats,  # type: ignore[arg-type]
        )
        shared._parameters = layer._parameters
        shared._buffers = layer._buffers
        return shared.train(layer.training)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions will do."""

    def forward(self, input: Tensor) -> Tensor:
        """The normalised input, in its own precision; in eval mode as ever."""
        if not self.training and self.running_mean is not None:
            return super().forward(input)
        axes = [axis for axis in range(input.ndim) if axis != 1]
        wide = input.float()
        count = wide.new_tensor([float(input.numel() // input.shape[1])])
        sums: Tensor = all_reduce(torch.cat((wide.sum(axes), count)))  # type: ignore[no-untyped-call]
        mean, count = sums[:-1] / sums[-1], sums[-1].detach()
        centred = wide - _by_channel(mean, input.ndim)
        variance: Tensor = all_reduce(centred.square().sum(axes)) / count  # type: ignore[no-untyped-call]
        if self.running_mean is not None:
            self._remember(mean.detach(), variance.detach() * count / (count - 1))
        scale = (variance + self.eps).rsqrt()
        if self.affine:
            scale = scale * self.weight
        answer = centred * _by_channel(scale, input.ndim)
        if self.affine:
            answer = answer + _by_channel(self.bias, input.ndim)
        return answer.to(input.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics, as torch does: by ``momentum``, or to the mean of all batches without one."""
        self.num_batches_tracked += 1  # type: ignore[operator, assignment]
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum  # type: ignore[arg-type]
        with torch.no_grad():
            self.running_mean.lerp_(mean, share)  # type: ignore[union-attr]
            self.running_var.lerp_(variance, share)  # type: ignore[union-attr]


def _by_channel(values: Tensor, ndim: int) -> Tensor:
    return values.reshape(1, -1, *(1,) * (ndim - 2))
