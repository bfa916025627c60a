"""`reticent train`: one experiment, from settings to a folder of results."""

import os

# Before flwr is imported: without them its processes call home.
os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
os.environ["FLWR_DISABLE_UPDATE_CHECK"] = "1"
