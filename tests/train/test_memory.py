"""A sweep's jobs share a process: what one frees must not add up."""

import ctypes

import numpy as np
import psutil
import pytest

from reticent.train.memory import given_back

PIECE_BYTES, PIECES = 64_000, 3_000  # too small for pages of their own


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this C library has no malloc_trim")
def test_what_is_freed_in_pieces_goes_back_to_the_system() -> None:
    def resident() -> int:
        return int(psutil.Process().memory_info().rss)

    with given_back():
        pass  # what earlier tests freed would be taken first
    before = resident()
    with given_back():
        pieces = [np.ones(PIECE_BYTES, dtype=np.uint8) for _ in range(PIECES)]
        last = pieces[-1]  # above all others, so that those are no end that could be cut off
        del pieces
        kept = resident() - before
    assert kept > 0.8 * PIECE_BYTES * PIECES
    assert resident() - before < 0.2 * PIECE_BYTES * PIECES
    assert last.all()
