"""What do linear heads need of examples once the trunk is frozen? Computed once, for any number of rounds and scores."""

from dataclasses import dataclass

from reticent.actions.pool import Ints, Pool
from reticent.model.network import Network, features
from reticent.model.trunk import Features


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Frozen:
    """n examples as the heads of one network see them: float32 features, and labels, (n,), int64, as the pool had them."""

    seen: Features
    next_kind: Ints
    next_cell: Ints

    def __len__(self) -> int:
        return len(self.next_kind)

    def __repr__(self) -> str:
        return f"<Frozen features of {len(self)} examples>"

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        tensors = (self.seen.kind, self.seen.grid, self.seen.place)
        return sum(tensor.nbytes for tensor in tensors) + self.next_kind.nbytes + self.next_cell.nbytes


def freeze(network: Network, pool: Pool) -> Frozen:
    """Every example of `pool`, through the trunk as it is now."""
    return Frozen(seen=features(network, pool), next_kind=pool.next_kind.copy(), next_cell=pool.next_cell.copy())
