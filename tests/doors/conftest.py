"""flwr imported quietly: see tests/aggregate/conftest.py."""

import tests.aggregate.conftest  # noqa: F401
