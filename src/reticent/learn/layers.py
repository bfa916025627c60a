"""What is each example's gradient of each layer of a trunk? One forward and one backward pass, and no sum over examples."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import group_norm

from reticent.learn.clipping import Outer, Parts, Samples
from reticent.model.convolution import copied, patches
from reticent.model.inputs import Inputs
from reticent.model.trunk import Features, Trunk


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Layer:
    """A layer of a trunk, what it was given and what it made of that."""

    module: nn.Module
    given: Tensor
    made: Tensor


def recorded(trunk: Trunk, seen: Inputs) -> tuple[Features, Sequence[Layer]]:
    """Raw features, as `Trunk.alike` has them, and every layer that has parameters. They must require gradients: that keeps what
    the way back needs."""
    layers: list[Layer] = []
    with _watched(trunk, layers), torch.enable_grad():
        return trunk.raw(seen, alike=True), layers


def trunk_parts(raw: Features, slopes: Features, layers: Sequence[Layer]) -> Parts:
    """Each example's gradient of the layers. slopes: the gradient of the loss in the raw features."""
    backwards = torch.autograd.grad(
        (raw.kind, raw.grid, raw.place), [layer.made for layer in layers], (slopes.kind, slopes.grid, slopes.place)
    )
    n = len(raw)
    with torch.no_grad():
        return [
            part
            for layer, slope in zip(layers, backwards, strict=True)
            for part in _parts(layer.module, layer.given[:n], slope[:n])  # what filled a product up is of no example
        ]


@contextmanager
def _watched(trunk: Trunk, layers: list[Layer]) -> Iterator[None]:
    def note(module: nn.Module, given: tuple[Tensor], made: Tensor) -> None:
        layers.append(Layer(module=module, given=given[0].detach(), made=made))

    watched = [module for module in trunk.modules() if any(True for _ in module.parameters(recurse=False))]
    handles = [module.register_forward_hook(note) for module in watched]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _parts(layer: nn.Module, given: Tensor, slope: Tensor) -> Parts:
    """given: what the layer was given. slope: the gradient of the loss in what it made, of its shape."""
    module: Any = layer
    if isinstance(layer, nn.Linear):
        return [
            Outer(parameter=module.weight, left=slope, right=given),
            Samples(parameter=module.bias, values=slope),
        ]
    if isinstance(layer, nn.Conv2d):
        everywhere = slope.flatten(2)
        return [
            Samples(parameter=module.weight, values=_kernels(given, everywhere, layer)),
            Samples(parameter=module.bias, values=everywhere.sum(dim=2)),
        ]
    assert isinstance(layer, nn.GroupNorm)  # noqa: S101  # a trunk of this package has no other layers; a test says so
    normed = group_norm(given, module.num_groups, eps=module.eps)
    return [
        Samples(parameter=module.weight, values=torch.linalg.vecdot(slope.flatten(2), normed.flatten(2))),
        Samples(parameter=module.bias, values=slope.sum(dim=(2, 3))),
    ]


def _kernels(given: Tensor, slope: Tensor, conv: nn.Conv2d) -> Tensor:
    """Each example's gradient of the convolution's weight, shape (n, size). slope: shape (n, out, places)."""
    kernels = slope.new_empty((len(given), *conv.weight.flatten(1).shape))
    for some, seen in copied(patches(given, conv)):
        torch.bmm(slope[some], seen.transpose(1, 2), out=kernels[some])
    return kernels.flatten(1)
