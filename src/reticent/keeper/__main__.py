"""The keeper process: `python -m reticent.keeper STATE --courier-wall NAME`. Started by `reticent device run`."""

import argparse
import json
import logging
import os
import sys
from pathlib import Path

import torch

from reticent import walls
from reticent.errors import ReticentError
from reticent.keeper.daemon import Keeper
from reticent.keeper.state import opened
from reticent.keeper.supervisor import stop_flag
from reticent.records.files import replace_private


def main() -> int:
    """Confine this process, open the enrolment, answer until SIGTERM."""
    parser = argparse.ArgumentParser(prog="reticent-keeper")
    parser.add_argument("state", type=Path)
    parser.add_argument("--courier-wall", default="unknown")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="keeper: %(message)s", stream=sys.stderr)
    torch.set_num_threads(1)
    stopped = stop_flag()
    try:
        standing = {"keeper": walls.keeper_wall(), "courier": arguments.courier_wall}
        with opened(arguments.state) as state:
            keeper = Keeper(state, walls=standing)
            status = {"version": 1, "pid": os.getpid(), "walls": standing}
            replace_private(state.folder.keeper / "status.json", json.dumps(status).encode())
            print(json.dumps({"ready": True, "walls": standing}), flush=True)
            keeper.run(stopped)
    except ReticentError as error:
        print(f"reticent: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
