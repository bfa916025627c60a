"""flwr is imported once, here: its own imports use what click has deprecated, and it must not call home."""

import os
import warnings

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
os.environ["FLWR_DISABLE_UPDATE_CHECK"] = "1"

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import flwr.app
    import flwr.serverapp  # noqa: F401
