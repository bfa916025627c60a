"""One private step: clip each example's gradient, sum, add noise from the device's source, divide by a constant."""

from collections.abc import Sequence

import torch
from opacus.optimizers import DPOptimizer
from torch import Tensor, nn

from reticent.privacy.noise import NoiseSource
from reticent.records.plan import LocalTraining


class PrivateOptimiser(DPOptimizer):  # type: ignore[misc]
    """Opacus' optimiser for plain SGD, with its clipping, its noise and its divisor replaced where they leak.

    Guarantee, per example and step, add or remove one: the sum before noise moves by at most `clip_norm` in L2, whatever
    weights and examples are; the noise has standard deviation noise_multiplier * clip_norm in every coordinate.
    Opacus' own clipping lets NaN through and overflows in float32; its noise comes from torch's generator, which knows
    32 bits of seed; its divisor would follow from the number of examples.

    real: how many of the gradients of the next step() are examples'; the rest fill up the batch and count nothing.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], *, training: LocalTraining, noise: NoiseSource) -> None:
        super().__init__(
            torch.optim.SGD(parameters, lr=training.learning_rate),
            noise_multiplier=training.noise_multiplier,
            max_grad_norm=training.clip_norm,
            expected_batch_size=training.expected_batch,
            loss_reduction="mean",
        )
        self.noise = noise
        self.real = 0

    def clip_and_accumulate(self) -> None:
        """Add the clipped gradients of the first `real` samples to each parameter's float64 `summed_grad`."""
        samples = [sample[: self.real].flatten(1).to(torch.float64) for sample in self.grad_samples]
        for parameter, clipped in zip(self.params, clipped_sums(samples, clip_norm=self.max_grad_norm), strict=True):
            total = clipped.view_as(parameter)
            parameter.summed_grad = total if parameter.summed_grad is None else parameter.summed_grad + total

    def add_noise(self) -> None:
        """One draw of P normal numbers a step, shared out in the order of the flat vector."""
        sizes = [parameter.numel() for parameter in self.params]
        drawn = torch.from_numpy(self.noise.normal(sum(sizes))) * (self.noise_multiplier * self.max_grad_norm)
        for parameter, part in zip(self.params, drawn.split(sizes), strict=True):
            parameter.grad = (parameter.summed_grad + part.view_as(parameter)).to(parameter.dtype)


def clipped_sums(samples: Sequence[Tensor], *, clip_norm: float) -> list[Tensor]:
    """Scale each example's whole gradient to at most `clip_norm` and sum over examples.

    samples: for each parameter the gradients of the same n examples, shape (n, size), float64. An example with any NaN or
    infinity, or whose norm overflows, counts as zero: its own gradient is its only influence, so the bound holds for it
    as for any other. Returns: for each parameter shape (size,), float64.
    """
    norms = torch.stack([sample.square().sum(dim=1) for sample in samples]).sum(dim=0).sqrt()
    usable = norms.isfinite()
    factors = torch.where(usable, clip_norm / norms.clamp_min(clip_norm), 0.0)
    return [factors @ torch.where(usable.unsqueeze(1), sample, 0.0) for sample in samples]
