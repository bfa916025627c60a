"""Does a trunk keep to what every model needs, and which public weights does it start from?"""

import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from torch import nn

from reticent.actions.pool import Pool
from reticent.actions.vocabulary import CELLS
from reticent.errors import SettingError
from reticent.model.fitting import fit_heads
from reticent.model.inputs import inputs
from reticent.model.network import Network, encode_public
from reticent.model.own import LIMIT_BYTES, OWN, Model, OwnWidths
from reticent.model.pools import take
from reticent.model.tensors import write_atomically
from reticent.model.trunk import Features

WHITENING = 0.5  # as for this package's own models (docs/adr/0008-trunk-and-heads.md)
_PROBED = 16
_TOLERANCE = 1e-9


def write_model(trunk: nn.Module, weights: Path, pool: Pool) -> Model:
    """Fit statistics and heads for `trunk` as it is, without privacy, and write all of it to `weights`.

    trunk: as `Model` says, its own weights trained on public data or just drawn. pool: public examples, 128 or more; 15,000 of
    them count. Raises: SettingError for a trunk that breaks the contract, StateError where nothing can be written.
    """
    if not isinstance(trunk, nn.Module):
        raise SettingError("a trunk is a torch module that was made, not its class; nothing was written")
    made_by = _importable(trunk)
    if type(trunk).forward is nn.Module.forward:
        raise SettingError("a trunk has a method forward, from Inputs to their Features; nothing was written")
    if next(trunk.buffers(), None) is not None:
        raise SettingError(
            "a trunk keeps no buffers, such as batch statistics: make constants anew or parameters; nothing was written"
        )
    with torch.random.fork_rng(devices=[]):
        kind, cell, place = _probed(trunk, pool)
        shapes = tuple((OWN + name, tuple(parameter.shape)) for name, parameter in sorted(trunk.named_parameters()))
        network = Network(
            OwnWidths(made_by=made_by, kind_features=kind, cell_features=cell, place=place, shapes=shapes)
        )
        try:
            network.trunk.own.load_state_dict(trunk.state_dict())  # type: ignore[union-attr]
        except RuntimeError:
            raise SettingError(f"{made_by} made anew has other tensors than this trunk; nothing was written") from None
        fit_heads(network, pool, whitening=WHITENING)
    data = encode_public(network, name=made_by)
    if len(data) > LIMIT_BYTES:
        raise SettingError(
            f"the weights take {len(data):,} bytes; at most {LIMIT_BYTES:,} are read; nothing was written"
        )
    write_atomically(weights, data)
    return Model(trunk=made_by, weights=weights, sha256=sha256(data).hexdigest())


def _importable(trunk: nn.Module) -> str:
    """Its "module:Class", by which workers and devices make it anew."""
    kind = type(trunk)
    module = sys.modules.get(kind.__module__)
    if kind.__module__ == "__main__" or getattr(module, kind.__qualname__, None) is not kind:
        raise SettingError("a trunk's class stands at the top of a module that can be imported; nothing was written")
    return f"{kind.__module__}:{kind.__qualname__}"


def _probed(trunk: nn.Module, pool: Pool) -> tuple[int, int, int]:
    """How many features it makes, after seeing that the same example has the same ones beside any others.

    An example's gradient is clipped alone, and that means nothing where its features depend on other examples.
    """
    rows = np.arange(min(_PROBED, len(pool)))
    alone, beside = (
        _features(trunk, take(pool, order, size=2 * _PROBED)) for order in (rows, np.concatenate([rows, rows[::-1]]))
    )
    sizes = []
    for name, between in (("kind", ()), ("grid", (CELLS,)), ("place", ())):
        one, other = getattr(alone, name), getattr(beside, name)
        if one.shape[:-1] != (2 * _PROBED, *between) or one.shape != other.shape or not one.shape[-1]:
            expected = ", ".join(str(size) for size in ("n", *between, "features"))
            raise SettingError(f"a trunk's features of {name} have the shape ({expected}); nothing was written")
        if not (one.isfinite().all() and other.isfinite().all()):
            raise SettingError(f"a trunk's features of {name} are finite numbers; nothing was written")
        if not torch.allclose(one[: len(rows)], other[: len(rows)], rtol=_TOLERANCE, atol=_TOLERANCE):
            raise SettingError(
                "a trunk gives the same example the same features whatever stands beside it, without dropout or statistics "
                "of a batch: its gradient is clipped alone; nothing was written"
            )
        sizes.append(int(one.shape[-1]))
    return sizes[0], sizes[1], sizes[2]


def _features(trunk: nn.Module, pool: Pool) -> Features:
    before = next((parameter.dtype for parameter in trunk.parameters()), torch.float32)
    with torch.no_grad():
        try:
            found = trunk.double()(inputs(pool, dtype=torch.float64))
        except Exception as error:  # of somebody else's code
            raise SettingError(
                f"this trunk fails on Inputs: {type(error).__name__}: {error}; nothing was written"
            ) from error
        finally:
            trunk.to(before)
    if not isinstance(found, Features):
        raise SettingError("a trunk returns reticent.Features; nothing was written")
    return found
