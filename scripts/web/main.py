"""Record scripted people at the web tasks of MiniWoB++ in headless browsers, into one recording."""

import argparse
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from chromium import NAME
from publish import publish
from sitter import record

DATA = Path(__file__).resolve().parents[2] / "src/reticent/recordings/data"
FONTS = ("Liberation Sans", "Arimo", "Arial")


def pages() -> Path | None:
    """The folder of the installed package's pages; nothing of the package is run."""
    found = find_spec("miniwob")
    places = list(found.submodule_search_locations or ()) if found else []
    return Path(places[0]) / "html" if places else None


def missing() -> list[str]:
    """What this machine lacks: the browser, the pages, or a font as wide as their Arial, without which they look otherwise."""
    absent = [name for name in (NAME, "fc-match") if shutil.which(name) is None]
    if pages() is None:
        absent.append("the package miniwob")
    if "fc-match" not in absent:
        told = subprocess.run(["fc-match", "-f", "%{family}", "Arial"], capture_output=True, text=True, check=False)
        absent += [] if told.stdout in FONTS else ["fonts-liberation"]
    return absent


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/record-web",
        description="Record scripted people at the web tasks of MiniWoB++: the pages of the package `miniwob` in headless "
        "Chromium, real input events of the browser, and a frame drawn from the page's elements before each action, by the "
        "code that imports human demonstrations of these pages. Needs chromium, fc-match and fonts-liberation.",
        epilog="example: scripts/record-web --people 200 --seed 1 --at-once 2 --out web.recording",
    )
    parser.add_argument("--people", type=int, default=200, help="how many people (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="what people and tasks are drawn from (default 1)")
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help="browsers at once (default 2)")
    parser.add_argument(
        "--out",
        type=Path,
        default=DATA / "web.recording",
        help="the file to write; its datasheet and a contact sheet lie beside it",
    )
    chosen = parser.parse_args()
    if not (1 <= chosen.people <= 999 and 1 <= chosen.at_once <= 99):
        parser.error("people take 1 to 999, browsers 1 to 99; nothing was recorded")
    html = pages()
    if (absent := missing()) or html is None:
        parser.error(f"this machine lacks {', '.join(absent)}; nothing was recorded")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    recorded = []
    at_work = ProcessPoolExecutor(chosen.at_once)
    try:
        for one in at_work.map(partial(record, seed=chosen.seed, html=html), range(1, chosen.people + 1)):
            recorded.append(one)
            print(f"{len(recorded)} of {chosen.people} people recorded", flush=True)
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    finally:
        at_work.shutdown(cancel_futures=True)
    publish(chosen.out, recorded, seed=chosen.seed)
    broken: Counter[str] = sum((one.broken for one in recorded), Counter())
    for what, count in broken.most_common(20):
        print(f"{count} times not found or not kept: {what}")
    print(f"wrote {chosen.out} ({chosen.out.stat().st_size:,} bytes) in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
