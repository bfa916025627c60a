"""The browser: where things are on a page. It only looks; every click and key goes through the hand."""

import json
import math
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import miniwob
from desktop import Box
from hand import Hand
from rig import Rig, wait_for
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

PAGES = Path(miniwob.__file__).parent / "html"
FLAGS = [
    "--no-sandbox",
    "--test-type",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--disable-default-apps",
    "--metrics-recording-only",
    "--disable-breakpad",
    "--disable-client-side-phishing-detection",
    "--no-pings",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--password-store=basic",
    "--disable-extensions",
    "--disable-translate",
    "--renderer-process-limit=1",
    "--in-process-gpu",
    "--disable-search-engine-choice-screen",
    "--lang=en-US",
]
OFF = "Translate,OptimizationHints,MediaRouter,AutofillServerCommunication,PasswordManagerOnboarding,PrivacySandboxSettings4"

SET_UP = """
(function (seed) {
  Math.seedrandom(seed);
  core.EPISODE_MAX_TIME = 1e7;
  const hidden = document.createElement('style');
  hidden.textContent = '#reward-display, #click-canvas { display: none !important; }';
  document.head.appendChild(hidden);
  if (window.jQuery) jQuery.fx.off = true;
})(arguments[0]);
"""
TRACK = """
if (!window.officeTracks) {
  window.officeTracks = true;
  const note = e => { window.officeAt = [e.clientX, e.clientY]; };
  window.addEventListener('mousemove', note, true);
  window.addEventListener('mousedown', note, true);
}
"""
BOX = """
const found = (() => { %s })();
if (!found) return null;
const box = found.getBoundingClientRect ? found.getBoundingClientRect() : found;
return [box.left, box.top, box.width, box.height];
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def translate_path(self, path: str) -> str:
        if path.startswith("/day/"):
            return str(self.days / Path(path).name)
        return super().translate_path(path)

    days = Path()


@contextmanager
def pages(days: Path) -> Iterator[str]:
    """Serve miniwob's pages, and the persons' lists of work under /day/, on loopback; yields the address."""
    handler = partial(type("_Here", (_Quiet,), {"days": days}), directory=str(PAGES))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Browser:
    """Headed Chromium; an oracle that knows where elements are."""

    def __init__(self, rig: Rig, hand: Hand, *, zoom: float, box: Box) -> None:
        self._hand = hand
        self._origin: tuple[float, float] | None = None
        profile = rig.home / ".chromium"
        (profile / "Default").mkdir(parents=True)
        settings = {
            "partition": {"default_zoom_level": {"x": math.log(zoom) / math.log(1.2)}},
            "browser": {"custom_chrome_frame": False},
            "credentials_enable_service": False,
            "profile": {"password_manager_enabled": False},
            "bookmark_bar": {"show_on_all_tabs": False},
        }
        (profile / "Default" / "Preferences").write_text(json.dumps(settings))
        options = ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in (*FLAGS, f"--disable-features={OFF}", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.add_argument(f"--window-position={box.left},{box.top}")
        options.add_argument(f"--window-size={box.width},{box.height}")
        options.add_experimental_option("excludeSwitches", ["enable-automation", "enable-logging"])
        service = Service("/usr/bin/chromedriver", env=rig.environment, popen_kw={"start_new_session": True})
        self._driver = Chrome(options=options, service=service)
        self._driver.set_script_timeout(20)

    def close(self) -> None:
        self._driver.quit()

    def open(self, address: str) -> None:
        """Only while the scene is set."""
        self._driver.get(address)

    def ask(self, script: str, *values: Any) -> Any:
        return self._driver.execute_script(script, *values)

    @property
    def address(self) -> str:
        return str(self._driver.current_url)

    def wait_until(self, script: str, *, what: str, patience_s: float = 10.0) -> Any:
        return wait_for(lambda: self._try(script), what=what, patience_s=patience_s)

    def _try(self, script: str) -> Any:
        try:
            return self.ask(script)
        except Exception:  # a page that is being replaced answers with a dozen errors
            return None

    def calibrate(self) -> None:
        """Learn where the page lies on the screen from where the page says the pointer is."""
        scale = float(self.ask(TRACK + "return window.devicePixelRatio"))
        guess = self.ask("return [screenX, screenY, outerWidth, outerHeight, innerWidth, innerHeight]")
        left = guess[0] + (guess[2] - guess[4] * scale) / 2
        top = guess[1] + guess[3] - guess[5] * scale
        self.ask("window.officeAt = null")
        for _ in range(10):
            self._hand.move(left + 60 + self._hand.dice.random() * 60, top + 60 + self._hand.dice.random() * 60)
            time.sleep(0.05)
            seen = self.ask("return window.officeAt")
            if seen:
                self._origin = (self._hand.x - seen[0] * scale, self._hand.y - seen[1] * scale)
                return
        raise RuntimeError("the page never saw the pointer")

    def box(self, script: str) -> tuple[float, float, float, float] | None:
        """Left, top, width and height on the screen of the element that `script` returns; None if there is none."""
        if self._origin is None:
            self.calibrate()
        found = self.ask(BOX % script)
        scale = float(self.ask("return window.devicePixelRatio"))
        if found is None or self._origin is None:
            return None
        left, top, width, height = (value * scale for value in found)
        return self._origin[0] + left, self._origin[1] + top, width, height

    def place(self, script: str) -> tuple[float, float, float, float]:
        """`box` of an element that must be there."""
        return wait_for(lambda: self.box(script), what="an element", patience_s=3.0)

    def point(self, script: str, *, part_x: float = 0.5, part_y: float = 0.5) -> tuple[float, float]:
        """A point on the element, near these parts of its width and height."""
        left, top, width, height = self.place(script)
        dice = self._hand.dice
        return (
            left + width * part_x + dice.uniform(-0.12, 0.12) * width,
            top + height * part_y + dice.uniform(-0.12, 0.12) * height,
        )

    def click(self, script: str, *, times: int = 1, part_x: float = 0.5) -> None:
        self._hand.click(*self.point(script, part_x=part_x), times=times)

    def forget_place(self) -> None:
        self._origin = None


def list_of_work(path: Path, tasks: list[str], *, dice: random.Random, title: str) -> None:
    """A page with a link a task, and words between them so that it must be scrolled."""
    words = [
        "report",
        "order",
        "invoice",
        "meeting",
        "plan",
        "draft",
        "team",
        "budget",
        "review",
        "client",
        "site",
        "update",
        "notes",
        "travel",
        "room",
        "list",
    ]
    parts = [f"<h2>{title}</h2>"]
    for number, task in enumerate(tasks):
        filler = " ".join(dice.choice(words) for _ in range(dice.randint(4, 14)))
        parts.append(
            f'<p><a id="task{number}" href="/miniwob/{task}.html">{number + 1}. {task.replace("-", " ")}</a><br>{filler}</p>'
        )
    style = "body{font-family:sans-serif;margin:10px;max-width:260px;font-size:11px} h2{font-size:13px}"
    path.write_text(f"<!doctype html><title>{title}</title><style>{style}</style>" + "\n".join(parts))
    os.utime(path, (0, 0))
