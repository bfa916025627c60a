"""The locked SuperNode: has the network, sees no captures.

It takes two kinds of message from a Flower SuperLink, lays them into the spool and sends back the keeper's bytes as
they are. It never asks for an app bundle, runs no code that anyone sends, reads neither vault nor keys, and imports no
torch.
"""

import os

# Before flwr is imported: it calls home otherwise, and numpy starts a thread a core, which no wall would confine.
os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
os.environ["FLWR_DISABLE_UPDATE_CHECK"] = "1"
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
