"""What one run of a sweep frees is there for the next."""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def given_back() -> Iterator[None]:
    """At the end the system has the memory that was freed meanwhile. glibc else keeps it, in pieces that the next run's arrays
    don't fit into; a C library without such a call, such as musl, keeps little."""
    try:
        yield
    finally:
        gc.collect()
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
