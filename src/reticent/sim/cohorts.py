"""Who is asked in which round, and how often is anybody asked?

People are shuffled once an epoch and the shuffled row is cut into cohorts; what is left over sits the epoch out. So nobody
is asked twice before everybody else had the same chance, and how often a person can be asked at most is known beforehand:
that number is what privacy is calibrated for. Nothing is claimed from not being asked: the server sees who takes part.
"""

import math

import numpy as np
import numpy.typing as npt

from reticent.errors import SettingError

Indices = npt.NDArray[np.int64]


def cohort(number: int, *, people: int, size: int, seed: int) -> Indices:
    """The people of round `number` (from 0), ascending, shape (size,), each in [0, people).

    Depends on its arguments alone, so a resumed run asks the same people. Raises: SettingError, unless 1 <= size <= people.
    """
    epoch, place = divmod(number, cohorts_an_epoch(people=people, size=size))
    order = np.random.default_rng([seed, epoch]).permutation(people)
    return np.sort(order[place * size : (place + 1) * size]).astype(np.int64)


def most_rounds(rounds: int, *, people: int, size: int) -> int:
    """How many of `rounds` rounds any one person takes part in at most. Raises: as `cohort`."""
    return math.ceil(rounds / cohorts_an_epoch(people=people, size=size))


def cohorts_an_epoch(*, people: int, size: int) -> int:
    """How many cohorts one shuffled row gives. Raises: as `cohort`."""
    if not 1 <= size <= people:
        raise SettingError(f"a cohort of {size:,} can't be drawn from {people:,} people; nothing was trained")
    return people // size
