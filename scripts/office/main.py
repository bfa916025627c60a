"""Record an office of scripted people: two at a time, each on an own X display, into one recording."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "src/reticent/recordings/data"
AT_ONCE = 2
ATTEMPTS = 2


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
        from rig import end_strays

        for home in self._folder.glob("office-*"):
            end_strays(str(home))


def record(*, people: int, seed: int, sessions: int, folder: Path) -> list[int]:
    """Record everybody; the numbers of those whose recording is there."""
    office = Office(seed=seed, sessions=sessions, folder=folder)
    waiting = [(number, ATTEMPTS) for number in range(1, people + 1)]
    attempts = dict(waiting)
    done: list[int] = []
    try:
        while waiting or len(office):
            while waiting and len(office) < AT_ONCE:
                office.seat(waiting.pop(0)[0])
            for number, well in office.finished():
                attempts[number] -= 1
                if well:
                    done.append(number)
                    print(f"{len(done)} of {people} people recorded", flush=True)
                elif attempts[number]:
                    print(f"person {number} did not finish; once more", flush=True)
                    waiting.append((number, attempts[number]))
                else:
                    print(f"person {number} did not finish and is left out", flush=True)
            time.sleep(0.2)
    finally:
        office.close()
    return sorted(done)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/record-office",
        description="Record scripted people at work in a browser, an editor and a terminal, with real X input, through "
        "the project's own listeners and screen capture. Needs Xvfb, openbox, chromium, chromedriver, mousepad and xterm.",
        epilog="example: scripts/record-office --people 20 --seed 1 --out office.recording",
    )
    parser.add_argument("--people", type=int, default=20, help="how many people (default 20)")
    parser.add_argument("--seed", type=int, default=1, help="what personas and plans are drawn from (default 1)")
    parser.add_argument("--sessions", type=int, default=2, help="sessions a person (default 2)")
    parser.add_argument("--out", type=Path, default=DATA / "office.recording", help="the file to write")
    chosen = parser.parse_args()
    if not (1 <= chosen.people <= 999 and 1 <= chosen.sessions <= 99):
        parser.error("people take 1 to 999, sessions 1 to 99; nothing was recorded")
    from rig import missing

    if absent := missing():
        parser.error(f"this machine lacks {', '.join(absent)}; nothing was recorded")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="office-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        try:
            done = record(people=chosen.people, seed=chosen.seed, sessions=chosen.sessions, folder=folder)
        except KeyboardInterrupt:
            print("interrupted; everything was stopped and nothing was written", file=sys.stderr)
            return 130
        if not done:
            print("nobody could be recorded; nothing was written", file=sys.stderr)
            return 1
        from report import describe, personas

        from reticent.recordings.archive import read_archive, write_archive

        sessions = []
        tallies = []
        for number in done:
            archive = read_archive(folder / f"{number}.part")
            for person in archive.people:
                sessions += archive.sessions(person)
            tallies.append(json.loads((folder / f"{number}.json").read_text()))
        sheet = DATA / "DATASHEET.md"
        datasheet = sheet.read_text() if sheet.exists() else ""
        write_archive(chosen.out, sessions, title="office: scripted people, real screens", datasheet=datasheet)
    print(describe(chosen.out))
    print(personas(tallies))
    print(f"wrote {chosen.out} ({chosen.out.stat().st_size:,} bytes) in {time.monotonic() - began:.0f} s")
    return 0 if len(done) == chosen.people else 1


if __name__ == "__main__":
    sys.exit(main())
