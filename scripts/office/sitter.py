"""One scripted person at work, recorded through the project's own listeners and screen capture."""

import argparse
import json
import random
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

import persona as personas
from persona import Persona
from plan import PLACES, Unit, sessions
from rig import Rig, wait_for

PER_SESSION_S = 420.0
TOOLBARS, PAGE_HEIGHT = 120, 214  # of the browser, in screen pixels; of a task's page, in its own


def arrange(desktop, persona: Persona, boxes) -> None:  # type: ignore[no-untyped-def]
    for name in ("xterm", "mousepad", "chromium"):
        desktop.place(name, boxes[name])
        desktop.raise_up(name)


def layout(persona: Persona):  # type: ignore[no-untyped-def]
    """Where the three windows stand."""
    from desktop import Box

    width, height = persona.screen
    match persona.layout:
        case "tiled":
            left = int(width * persona.browser_width)
            upper = int(height * persona.desk_height)
            return {
                "chromium": Box(left=0, top=0, width=left - 6, height=height - 26),
                "mousepad": Box(left=left, top=0, width=width - left - 4, height=upper - 26),
                "xterm": Box(left=left, top=upper, width=width - left - 4, height=height - upper - 26),
            }
        case "stacked":
            wide, high = int(width * persona.desk_width), int(height * persona.desk_height)
            return {
                "chromium": Box(left=20, top=70, width=int(width * persona.browser_width), height=height - 110),
                "mousepad": Box(left=width - wide - int(width * 0.04), top=0, width=wide, height=high),
                "xterm": Box(left=width - wide - 6, top=height - high - 30, width=wide, height=high),
            }
        case _:
            whole = Box(left=0, top=0, width=width - 4, height=height - 26)
            return {"chromium": whole, "mousepad": whole, "xterm": whole}


def settle(rig: Rig, persona: Persona) -> None:
    """How the persona has set the desktop: folders first in file dialogs, a light or a dark theme."""
    folder = rig.home / ".config/glib-2.0/settings"
    folder.mkdir(parents=True)
    (folder / "keyfile").write_text(
        "[org/gtk/settings/file-chooser]\nsort-directories-first=true\nshow-hidden=false\nlocation-mode='path-bar'\n"
    )
    if persona.dark_desktop:
        rig.environment["GTK_THEME"] = "Adwaita:dark"


class Sitter:
    """Carries out units with one hand on one desktop."""

    def __init__(self, persona: Persona, rig: Rig, address: str, browser, hand, desktop) -> None:  # type: ignore[no-untyped-def]
        from desk import Editor, Terminal
        from files import Filing

        self.persona, self.rig, self.address = persona, rig, address
        self.browser, self.hand, self.desktop = browser, hand, desktop
        self.dice = random.Random(f"sitter {persona.seed}")
        self.desks = {
            "editor": Editor(hand, desktop, dice=self.dice),
            "files": Filing(hand, desktop, dice=self.dice, home=rig.home),
            "terminal": Terminal(hand, desktop, dice=self.dice),
        }
        self.tried = self.solved = self.failed = self.helped = 0

    def go(self, name: str) -> None:
        """Switch to a window as the persona does."""
        if self.desktop.has_focus(name):
            return
        clicks = self.persona.switch == "click" or (self.persona.switch == "mixed" and self.dice.random() < 0.5)
        spot = self.desktop.spot(name)
        if clicks and spot is not None:
            self.hand.click(*spot)
        else:
            for tabs in (1, 2, 2, 1):
                self.hand.think()
                self.hand.hold("alt", held=True)
                time.sleep(0.06)
                for _ in range(tabs):
                    self.hand.key("Tab")
                    time.sleep(0.18)
                self.hand.hold("alt", held=False)
                time.sleep(0.25)
                if self.desktop.has_focus(name):
                    break
        for _ in range(10):
            if self.desktop.has_focus(name):
                return
            time.sleep(0.05)
        self.helped += 1
        self.desktop.raise_up(name)

    def do(self, unit: Unit, number: int) -> None:
        self.go(PLACES[unit.place])
        self.dice.seed(unit.seed)
        if unit.place != "web":
            getattr(self.desks[unit.place], unit.what)()
            return
        from web_tasks import Page, work_on

        self.home()
        link = f"return document.getElementById('task{number}')"
        inside = f"const b = document.getElementById('task{number}').getBoundingClientRect(); return b.top < 10 ? -1 : b.bottom > innerHeight - 10 ? 1 : 0"
        self.browser.forget_place()
        for _ in range(15):
            where = int(self.browser.ask(inside))
            if not where:
                break
            self.hand.move(
                *self.browser.point("return document.querySelector('h2, p')")
            ) if not self.over_page() else None
            self.hand.wheel(self.dice.randint(1, 3), up=where < 0)
            time.sleep(0.35)
        self.browser.click(link, part_x=0.3)
        self.browser.wait_until(
            f"return location.pathname.includes({unit.what!r}) && !!window.core", what="the task's page"
        )
        page = Page(self.browser, self.hand, dice=self.dice)
        for again in range(self.dice.choice((1, 1, 2, 3))):
            self.tried += 1
            if not work_on(page, unit.what, seed=unit.seed % 9973 + again):
                break
            self.solved += 1

    def over_page(self) -> bool:
        box = self.desktop.box("chromium")
        return box.left < self.hand.x < box.left + box.width and box.top + 120 < self.hand.y < box.top + box.height

    def home(self) -> None:
        """Back to the list of work."""
        for _ in range(4):
            if "/day/" in self.browser.address:
                break
            if self.persona.back == "alt-left":
                self.hand.chord("alt+Left")
            else:
                box = self.desktop.box("chromium")
                self.hand.click(box.left + 23, box.top + 62)
            time.sleep(0.5)
        self.browser.wait_until("return !!document.getElementById('task0')", what="the list of work")


def sit(number: int, *, seed: int, out: Path, count: int) -> None:
    """Record one person's sessions into `out`."""
    persona = personas.draw(number, seed=seed)
    plans = sessions(persona, count=count)
    width, height = persona.screen
    with Rig(width=width, height=height) as rig:
        from browser import Browser, list_of_work, pages
        from desk import furnish
        from desktop import Desktop
        from hand import Hand

        from reticent.capture.recorder import Recorder
        from reticent.recordings.archive import RecordedSession, write_archive

        dice = random.Random(f"sitting {persona.seed}")
        days = rig.home / ".days"
        days.mkdir()
        furnish(rig.home, dice)
        boxes = layout(persona)
        desktop = Desktop()
        wait_for(lambda: desktop.managed(), what="the window manager")
        hand = Hand(persona, dice=random.Random(f"hand {persona.seed}"), width=width, height=height)
        settle(rig, persona)
        rig.run(["mousepad", "--disable-server", "notes.txt"])
        colours = ["-bg", "black", "-fg", "grey90"] if persona.dark_terminal else ["-bg", "white", "-fg", "black"]
        rig.run(["xterm", "-fa", "Monospace", "-fs", str(persona.font), *colours, "-e", "bash", "--rcfile", ".bashrc"])
        with pages(days) as address:
            fitting = (boxes["chromium"].height - TOOLBARS) / PAGE_HEIGHT
            browser = Browser(rig, hand, zoom=min(persona.zoom, fitting), box=boxes["chromium"])
            try:
                sitter = Sitter(persona, rig, address, browser, hand, desktop)
                recorded: list[RecordedSession] = []
                for index, plan in enumerate(plans):
                    tasks = [unit.what for unit in plan if unit.place == "web"]
                    list_of_work(days / f"{index}.html", tasks, dice=dice, title=f"Work of day {index + 1}")
                    browser.open(f"{address}/day/{index}.html")
                    arrange(desktop, persona, boxes)
                    sittings = []  # type: ignore[var-annotated]
                    recorder = Recorder(deliver=sittings.append)
                    recorder.start()
                    wait_for(lambda: recorder.permitted, what="the recorder")  # noqa: B023
                    time.sleep(0.5)
                    began, at = time.monotonic(), 0
                    for unit in plan:
                        if time.monotonic() - began > PER_SESSION_S:
                            break
                        try:
                            sitter.do(unit, at)
                        except Exception as trouble:  # one step that fails is not worth the session
                            sitter.failed += 1
                            print(
                                f"{persona.name}: {unit.place} {unit.what}: {type(trouble).__name__} {trouble}"[:120],
                                file=sys.stderr,
                            )
                            hand.let_go()
                            hand.strike("esc")
                        at += unit.place == "web"
                        if not recorder.is_alive():
                            raise RuntimeError(f"the recorder ended: {recorder.failure}")
                    hand.pause(0.5)
                    recorder.stop()
                    if recorder.dropped:
                        raise RuntimeError(f"{recorder.dropped} events were dropped")
                    recorded += [
                        RecordedSession(person=persona.name, events=one.events, frames=one.frames, aspect=one.aspect)
                        for one in sittings
                    ]
                    actions = sum(len(one.actions) for one in sittings)
                    if not actions:
                        raise RuntimeError(f"nothing was recorded; the recorder says {recorder.failure}")
                    print(f"{persona.name}: session {index + 1} of {len(plans)}, {actions} actions", flush=True)
                write_archive(out, recorded, title=persona.name, datasheet="")
                tally = {
                    "tried": sitter.tried,
                    "solved": sitter.solved,
                    "failed": sitter.failed,
                    "helped": sitter.helped,
                }
                beside = out.with_suffix(".json.part")
                beside.write_text(json.dumps({"persona": asdict(persona), **tally}))
                beside.replace(out.with_suffix(".json"))  # last: a person with a tally is a person who is done
            finally:
                browser.close()
                hand.close()
                desktop.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sit(chosen.number, seed=chosen.seed, out=chosen.out, count=chosen.sessions)


if __name__ == "__main__":
    main()
