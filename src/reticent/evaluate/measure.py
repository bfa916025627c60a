"""How well does a model do on one person's windows? A few shares of bounded length, for the door."""

import numpy as np

from reticent.actions.pool import Pool
from reticent.evaluate.metrics import Scorer
from reticent.model.tensors import Floats
from reticent.records.plan import LEAST_WINDOWS, LOSS_CAP


def measure(pool: Pool, weights: Floats, *, model: str, trainable: str) -> Floats:
    """MEASURES of the model with these weights, shape (6,), float32, each in [0, 1].

    Shares of the person's windows, so everybody with LEAST_WINDOWS or more weighs the same; whoever has fewer weighs less, and
    an empty pool gives zeros. One window more or less moves the vector by sqrt(6) / LEAST_WINDOWS at most.
    Raises: SettingError for an unknown model, or weights of another length or not finite.
    """
    hits = Scorer(model, trainable, pool).hits(weights)
    loss = np.clip(-hits.log_likelihood, 0.0, LOSS_CAP) / LOSS_CAP
    sums = [
        len(pool),
        (hits.kind_rank < 1).sum(),
        (hits.kind_rank < 3).sum(),
        (hits.cell_rank < 1).sum(),
        (hits.cell_rank < 3).sum(),
        loss.sum(),
    ]
    shares: Floats = (np.array(sums, dtype=np.float64) / max(len(pool), LEAST_WINDOWS)).astype(np.float32)
    return shares
