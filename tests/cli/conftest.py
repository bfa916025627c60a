"""Flower is imported as in tests/aggregate."""

import tests.aggregate.conftest  # noqa: F401
