"""How are pools cut and joined?"""

from collections.abc import Iterable

import numpy as np

from reticent.actions.pool import Ints, Pool


def take(pool: Pool, rows: Ints, *, size: int) -> Pool:
    """The examples at `rows`, filled up with zeros to exactly `size` examples."""
    columns = {}
    for field in Pool.__slots__:
        values = getattr(pool, field)
        columns[field] = np.zeros((size, *values.shape[1:]), dtype=values.dtype)
        columns[field][: len(rows)] = values[rows]
    return Pool(**columns)


def together(pools: Iterable[Pool]) -> Pool:
    """Every example of every pool, in order."""
    parts = [Pool.empty(), *pools]
    return Pool(**{field: np.concatenate([getattr(part, field) for part in parts]) for field in Pool.__slots__})
