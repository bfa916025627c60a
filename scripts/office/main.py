"""Record an office of scripted people, several at once, each on an own X display, into one recording."""

import argparse
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from persona import draw
from rig import end_strays, missing

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "src/reticent/recordings/data"
ATTEMPTS = 2
TITLE = "office: scripted people, real screens"
STAGGER_S = 4.0  # between two who sit down: a browser that starts takes a core for itself


class Office:
    """The people at work now, each a process of its own."""

    def __init__(self, *, seed: int, sessions: int, folder: Path) -> None:
        self._seed, self._sessions, self._folder = seed, sessions, folder
        self._working: dict[int, subprocess.Popen[bytes]] = {}

    def part(self, number: int) -> Path:
        return self._folder / f"{number}.part"

    def seat(self, number: int) -> None:
        command = [sys.executable, str(HERE / "sitter.py"), "--number", str(number), "--seed", str(self._seed)]
        command += ["--sessions", str(self._sessions), "--out", str(self.part(number))]
        environment = os.environ | {"TMPDIR": str(self._folder)}
        self._working[number] = subprocess.Popen(command, env=environment, start_new_session=True)

    def kept(self, number: int) -> bool:
        """Was this person recorded into the folder before? Raises ValueError if it was somebody else."""
        tally = self.part(number).with_suffix(".json")
        if not tally.exists():
            return False
        if json.loads(tally.read_text())["persona"] != json.loads(json.dumps(asdict(draw(number, seed=self._seed)))):
            raise ValueError(f"{self._folder} holds another recording; nothing was recorded")
        return True

    def __len__(self) -> int:
        return len(self._working)

    def finished(self) -> list[tuple[int, bool]]:
        """Who has ended since the last look, and whether with a recording."""
        ended = {number: process.returncode for number, process in self._working.items() if process.poll() is not None}
        for number in ended:
            del self._working[number]
        return [(number, code == 0 and self.part(number).exists()) for number, code in ended.items()]

    def close(self) -> None:
        """Send everybody home; whoever does not go is carried out."""
        for process in self._working.values():
            with suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + 20
        for process in self._working.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
        self._working.clear()
        self.sweep()

    def sweep(self) -> None:
        """Clear away what people who were carried out have left: programs and scratch homes."""
        for home in self._folder.glob("office-*"):
            end_strays(str(home))
            shutil.rmtree(home, ignore_errors=True)


def record(*, people: int, seed: int, sessions: int, at_once: int, folder: Path) -> list[int]:
    """Record everybody who is not in `folder` yet; the numbers of those whose recording is there.

    Raises ValueError for a folder that holds other people, or that another run is recording into.
    """
    with alone(folder):
        return seat_everybody(Office(seed=seed, sessions=sessions, folder=folder), people=people, at_once=at_once)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: another run would sweep away the people of this one."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(f"another run records into {folder} and goes on; nothing was recorded") from None
        yield


def seat_everybody(office: Office, *, people: int, at_once: int) -> list[int]:
    """Let them work, `at_once` at a time, until nobody is left."""
    office.sweep()  # after a recording that was killed
    done = [number for number in range(1, people + 1) if office.kept(number)]
    waiting = [number for number in range(1, people + 1) if number not in done]
    attempts = dict.fromkeys(waiting, ATTEMPTS)
    seated_s = -STAGGER_S
    try:
        while waiting or len(office):
            if waiting and len(office) < at_once and time.monotonic() - seated_s >= STAGGER_S:
                office.seat(waiting.pop(0))
                seated_s = time.monotonic()
            for number, well in office.finished():
                attempts[number] -= 1
                if well:
                    done.append(number)
                    print(f"{len(done)} of {people} people recorded", flush=True)
                elif attempts[number]:
                    print(f"person {number} did not finish; once more", flush=True)
                    waiting.append(number)
                else:
                    print(f"person {number} did not finish and is left out", flush=True)
            time.sleep(0.2)
    finally:
        office.close()
    return sorted(done)


def publish(done: list[int], chosen: argparse.Namespace, folder: Path) -> None:
    """Put everybody into one recording, and write its datasheet, table of people and contact sheet beside it."""
    from datasheet import datasheet
    from figures import count, table

    from reticent.recordings.archive import read_archive, write_archive
    from reticent.recordings.contact_sheet import render

    sessions = []
    tallies = []
    for number in done:
        archive = read_archive(folder / f"{number}.part")
        for person in archive.people:
            sessions += archive.sessions(person)
        tallies.append(json.loads((folder / f"{number}.json").read_text()))
    out: Path = chosen.out
    write_archive(out, sessions, title=TITLE, datasheet="")
    written = read_archive(out)
    figures = count(written, tallies)
    page = datasheet(
        figures, asked=chosen.people, seed=chosen.seed, at_once=chosen.at_once, file_bytes=written.file_bytes
    )
    write_archive(out, sessions, title=TITLE, datasheet=page)
    out.with_name("DATASHEET.md").write_text(page)
    out.with_name("personas.csv").write_text(table(figures))
    out.with_name(f"{out.stem}-frames.png").write_bytes(render(figures.sheet))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/record-office",
        description="Record scripted people at work in a browser, an editor and a terminal, with real X input, through "
        "the project's own listeners and screen capture. People who are done stay in a folder; the same command goes on "
        "from there. Needs Xvfb, openbox, chromium, chromedriver, mousepad and xterm.",
        epilog="example: scripts/record-office --people 220 --seed 1 --at-once 8 --out office.recording",
    )
    parser.add_argument("--people", type=int, default=220, help="how many people (default 220)")
    parser.add_argument("--seed", type=int, default=1, help="what personas and plans are drawn from (default 1)")
    parser.add_argument("--sessions", type=int, default=2, help="sessions a person (default 2)")
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help="displays at once (default 2)")
    parser.add_argument(
        "--folder", type=Path, default=Path("office-parts"), help="keeps each person who is done (default office-parts)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=DATA / "office.recording",
        help="the file to write; its datasheet, personas.csv and a contact sheet lie beside it",
    )
    chosen = parser.parse_args()
    if not (1 <= chosen.people <= 999 and 1 <= chosen.sessions <= 99 and 1 <= chosen.at_once <= 99):
        parser.error("people take 1 to 999, sessions and displays 1 to 99; nothing was recorded")
    if absent := missing():
        parser.error(f"this machine lacks {', '.join(absent)}; nothing was recorded")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    folder: Path = chosen.folder.resolve()
    try:
        done = record(
            people=chosen.people, seed=chosen.seed, sessions=chosen.sessions, at_once=chosen.at_once, folder=folder
        )
    except ValueError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        print(f"interrupted; everything was stopped; who was done is kept in {folder}", file=sys.stderr)
        return 130
    if not done:
        print("nobody could be recorded; nothing was written", file=sys.stderr)
        return 1
    publish(done, chosen, folder)
    print(f"wrote {chosen.out} ({chosen.out.stat().st_size:,} bytes) in {time.monotonic() - began:.0f} s")
    return 0 if len(done) == chosen.people else 1


if __name__ == "__main__":
    sys.exit(main())
