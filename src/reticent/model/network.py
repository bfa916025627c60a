"""The network by name: public weights in, flat vectors in and out, features of a pool."""

from collections.abc import Iterator
from copy import deepcopy
from functools import lru_cache
from importlib import import_module

import numpy as np
import torch
from torch import Tensor, nn

from reticent.actions.pool import Pool
from reticent.actions.vocabulary import CELLS
from reticent.errors import FormatError, SettingError
from reticent.model import catalogue
from reticent.model.architecture import Architecture
from reticent.model.heads import Heads
from reticent.model.inputs import Inputs, inputs
from reticent.model.own import OwnWidths
from reticent.model.pools import take
from reticent.model.products import ROWS
from reticent.model.public import PUBLIC_VERSION, public_bytes, public_tensors
from reticent.model.tensors import Floats, encode
from reticent.model.trunk import Features, OwnTrunk, Trunk, WhitenedTrunk


class Network(nn.Module):
    """A frozen or trainable trunk, and linear heads."""

    trunk: WhitenedTrunk

    def __init__(self, widths: Architecture | OwnWidths) -> None:
        """Raises SettingError for a trunk that was brought and can't be made."""
        super().__init__()
        self.widths = widths
        self.heads = Heads(widths)
        self.trunk = Trunk(widths) if isinstance(widths, Architecture) else OwnTrunk(widths, made(widths.made_by))

    def forward(self, seen: Inputs) -> tuple[Tensor, Tensor]:
        """Returns: logits of the next kind (n, KINDS) and of the next cell (n, CELLS)."""
        kind, cell = self.heads(self.trunk(seen))
        return kind, cell


def load(name: str) -> Network:
    """A fresh copy of the model with its public weights, float32.

    Raises: SettingError (unknown name, or a trunk that can't be made), FormatError (the file is not the one whose hash the
    catalogue holds, or doesn't fit the trunk).
    """
    return deepcopy(_public(name, catalogue.entry(name)))


def trained(network: Network, trainable: str) -> Iterator[tuple[str, nn.Parameter]]:
    """What `trainable` names, in the order of the flat vector. Raises SettingError for another choice."""
    if trainable not in catalogue.TRAINABLE:
        raise SettingError(f"a model trains {' or '.join(catalogue.TRAINABLE)} and nothing else; nothing was loaded")
    for name, parameter in sorted(network.named_parameters()):
        if trainable == "all" or name.startswith("heads."):
            yield name, parameter


def vector(network: Network, trainable: str) -> Floats:
    """The trained parameters as shape (P,), float32: sorted by name, each in C order."""
    parts = [parameter.detach().to(torch.float32).flatten().numpy() for _, parameter in trained(network, trainable)]
    return np.concatenate(parts)


def set_vector(network: Network, trainable: str, weights: Floats) -> None:
    """Put a flat vector back where `vector` took it from; exact, non-finite numbers included.

    Raises SettingError unless `weights` is a float32 array of shape (P,); the network is then unchanged.
    """
    parts = list(trained(network, trainable))
    expected = sum(parameter.numel() for _, parameter in parts)
    if not isinstance(weights, np.ndarray) or weights.dtype != np.float32 or weights.shape != (expected,):
        raise SettingError(f"the weights must be {expected} float32 numbers in a row; the model is unchanged")
    values = torch.from_numpy(weights.copy())
    with torch.no_grad():
        for (_, parameter), part in zip(parts, torch.split(values, [p.numel() for _, p in parts]), strict=True):
            parameter.copy_(part.view_as(parameter))


def features(network: Network, pool: Pool) -> Features:
    """What the heads see of each example, computed in the network's precision and rounded to float32, without gradients.

    An example's features must not depend on how many others there are, and how a matrix product rounds depends on its shape. So
    in float64 products go by `products`, and in float32, or through a trunk that was brought, every forward pass has the same
    shape, filled up with empty examples. What is left of float64's rounding is gone once the result is float32.
    """
    dtype, trunk = network.heads.kind.weight.dtype, network.trunk
    alike = trunk.alike if isinstance(trunk, Trunk) and dtype == torch.float64 else None
    n = len(pool)
    seen = Features(
        kind=torch.empty(n, network.widths.kind_features),
        grid=torch.empty(n, CELLS, network.widths.cell_features),
        place=torch.empty(n, network.widths.place),
    )
    with torch.no_grad():
        for start in range(0, n, ROWS):
            rows = np.arange(start, min(start + ROWS, n))
            part = (alike or trunk)(inputs(take(pool, rows, size=len(rows) if alike else ROWS), dtype=dtype))
            for into, values in ((seen.kind, part.kind), (seen.grid, part.grid), (seen.place, part.place)):
                into[start : start + len(rows)] = values[: len(rows)]
    return seen


def encode_public(network: Network, *, name: str) -> bytes:
    """The bytes that ship as a model's public weights: parameters and statistics."""
    tensors = {key: value.detach().to(torch.float32).numpy() for key, value in network.state_dict().items()}
    return encode(tensors, {"version": str(PUBLIC_VERSION), "model": name})


def decode_public(data: bytes, *, name: str) -> Network:
    """Raises FormatError, NewerFormatError for bytes that are not the named model's."""
    tensors = public_tensors(data, name=name)
    network = Network(catalogue.entry(name).architecture)
    try:
        network.load_state_dict({key: torch.from_numpy(values.copy()) for key, values in tensors.items()})
    except RuntimeError:  # of a trunk that was brought: this package's own has the shapes that were just checked
        raise FormatError(f"the public weights of {name} don't fit its trunk; nothing was loaded") from None
    network.trunk.requires_grad_(False)
    return network


def made(trunk: str) -> nn.Module:
    """A new trunk from its "module:Class". Raises SettingError for one that can't be imported or made."""
    module, _, name = trunk.partition(":")
    try:
        found = getattr(import_module(module), name)()
    except Exception as error:  # it is somebody else's code
        raise SettingError(
            f"the trunk {trunk} can't be made ({type(error).__name__}: {error}); nothing was loaded"
        ) from error
    if not isinstance(found, nn.Module):
        raise SettingError(f"the trunk {trunk} is no torch module; nothing was loaded")
    return found


@lru_cache(maxsize=8)  # by entry too: a name that is registered again means another model
def _public(name: str, entry: catalogue.Entry) -> Network:
    data = public_bytes(name)
    with torch.random.fork_rng(devices=[]):  # building layers draws from torch's generator; nobody should notice
        return decode_public(data, name=name)
