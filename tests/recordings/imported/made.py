"""Made-up sources in the shapes that the importers read: nobody's data, and every way in which somebody's may be broken."""

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ASSIGNMENTS = ("3AAAAAAAAAAAAAAAAAAAAAAAAAAAA1", "3BBBBBBBBBBBBBBBBBBBBBBBBBBBB2", "3CCCCCCCCCCCCCCCCCCCCCCCCCCCC3")
CODES = {"a": 65, "c": 67, "5": 53, " ": 32, "enter": 13, "tab": 9, "back": 8, "shift": 16, "ctrl": 17, "down": 40}
CLASSES = {
    **dict.fromkeys("ac", "letter"),
    "5": "digit",
    " ": "space",
    "enter": "enter",
    "tab": "tab",
    "back": "delete",
    "shift": "modifier",
    "ctrl": "modifier",
    "down": "nav",
}


def page(*elements, height=210):
    return {"tag": "BODY", "left": 0, "top": 0, "width": 900, "height": height, "children": list(elements)}


def element(tag="DIV", *, box=(0, 0, 160, 210), **more):
    left, top, width, height = box
    return {"tag": tag, "left": left, "top": top, "width": width, "height": height, **more}


GREY = page(element(bgColor="rgb(100, 100, 100)"))


def click(t_ms, x, y, *, ms=80):
    """A press and what follows it, as (time, event, x, y, key)."""
    return [(t_ms, "mousedown", x, y, ""), (t_ms + ms, "mouseup", x, y, ""), (t_ms + ms, "click", x, y, "")]


def key(t_ms, name, *, writes=None):
    """A key pressed and let go; `writes`: whether a keypress came too, by default for what has a character."""
    writes = name in ("a", "c", "5", " ", "enter") if writes is None else writes
    return [
        (t_ms, "keydown", -1, -1, name),
        *([(t_ms, "keypress", -1, -1, name)] if writes else []),
        (t_ms + 60, "keyup", -1, -1, name),
    ]


SOME = [
    *click(1_000, 20, 60),
    *key(2_000, "a"),
    *key(2_200, "5"),
    (3_900, "keydown", -1, -1, "ctrl"),
    *key(4_000, "c", writes=False),
    (4_100, "keyup", -1, -1, "ctrl"),
    (5_000, "scroll", -1, -1, ""),
    *click(7_000, 150, 205),
]
SOME_KINDS = ["click", "type", "shortcut", "scroll", "click"]


def demonstration(events, *, dom=GREY):
    """As upstream has it: a first state without an event, and every event twice. dom: of all states, or one an event."""
    states = [{"time": 0, "action": None, "dom": dom if isinstance(dom, dict) else dom[0]}]
    for number, (t_ms, kind, x, y, name) in enumerate(events):
        action = {"type": kind}
        if kind in ("mousedown", "mouseup", "click", "dblclick"):
            action |= {"x": x, "y": y}
        elif kind != "scroll":
            action |= {"keyCode": CODES.get(name, 0), "charCode": 0}
        for timing in (1, 3):
            shown = dom if isinstance(dom, dict) else dom[number]
            states.append({"time": t_ms, "action": action | {"timing": timing}, "dom": shown})
    return {"taskName": "made-up", "utterance": "Click.", "states": states, "reward": 1, "rawReward": 1}


def name(assignment, number, *, task="click-it", suffix=".json.gz"):
    return f"{task}_{assignment}_d{number}{suffix}"


def write(root, data, *, assignment=ASSIGNMENTS[0], number=1, batch="2017-01-01_turk", task="click-it", file=None):
    """One demonstration below `root`; bytes are written as they are."""
    path = Path(root) / batch / task / (file or name(assignment, number, task=task))
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(data, bytes):
        data = json.dumps(data).encode()
        data = gzip.compress(data, 1, mtime=0) if path.suffix == ".gz" else data
    path.write_bytes(data)
    return path


def write_tables(folder, demonstrations, *, frames=None):
    """Tables of {(session, demonstration): events}; every event shows the frame of its number, modulo those there are."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = np.full((1, 53, 40), 100, dtype=np.uint8) if frames is None else frames
    demos = {
        "demo_id": [demo for _, demo in demonstrations],
        "session": [session for session, _ in demonstrations],
        "n_events": [len(events) for events in demonstrations.values()],
    }
    rows = [
        (demo, seq, t_ms, kind, x, y, CLASSES.get(held, held), seq % len(frames))
        for (_, demo), events in demonstrations.items()
        for seq, (t_ms, kind, x, y, held) in enumerate(events)
    ]
    columns = ("demo_id", "seq", "t_ms", "type", "x", "y", "key_class", "frame")
    events = {column: [row[at] for row in rows] for at, column in enumerate(columns)}
    write_table(folder / "demos.parquet", demos)
    write_table(folder / "events.parquet", events)
    np.savez_compressed(folder / "frames.npz", frames=frames)
    return folder


def write_table(path, columns, **types):
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({name: pa.array(values, type=types.get(name)) for name, values in columns.items()})
    pq.write_table(table, path)
    return path


def changed(path, **columns):
    """The table at `path` with other columns; None takes one away."""
    table = pq.read_table(path).to_pydict() | columns
    write_table(path, {name: values for name, values in table.items() if values is not None})


HEADER = "record timestamp,client timestamp,button,state,x,y"
MOUSE = [  # seconds, button, state, x, y
    (0.0, "NoButton", "Move", 1000, 500),
    (1.0, "Left", "Pressed", 1919, 500),
    (1.1, "Left", "Released", 1919, 500),
    (3.0, "NoButton", "Move", 500, 1079),
    (3.5, "Scroll", "Down", 0, 0),
    (3.9, "Scroll", "Down", 0, 0),
    (6.0, "Left", "Pressed", 100, 100),
    (6.2, "NoButton", "Drag", 400, 400),
    (6.5, "Left", "Released", 402, 400),
    (9.0, "Right", "Pressed", 960, 540),
    (9.1, "Right", "Released", 960, 540),
]
MOUSE_KINDS = ["click", "scroll", "drag", "right_click"]
MOUSE_ACTIONS = [  # action, start and length in seconds, x, y
    ("click", 1.0, 0.1, 1919, 500),
    ("scroll_down", 3.5, 0.4, 0, 0),
    ("drag", 6.0, 0.5, 402, 400),
    ("click_r", 9.0, 0.1, 960, 540),
]


def mouse_file(rows=MOUSE, *, header=HEADER):
    return "\n".join([header, *(f"{row[0] + 0.01},{','.join(map(str, row))}" for row in rows)]) + "\n"


def write_mouse(root, data=None, *, user="user7", session="session_0041905381", folder="training_files"):
    path = Path(root) / folder / user / session
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((mouse_file() if data is None else data).encode() if not isinstance(data, bytes) else data)
    return path


def write_mouse_table(folder, sessions):
    """Of {(user, session): actions}."""
    rows = [
        (user, session, seq, *action)
        for (user, session), actions in sessions.items()
        for seq, action in enumerate(actions)
    ]
    columns = ("user", "session", "seq", "action", "t_start", "dur_s", "x", "y")
    write_table(folder / "actions.parquet", {column: [row[at] for row in rows] for at, column in enumerate(columns)})
    return folder


def kinds(sittings):
    from reticent.recordings.recorded import session

    return [[action.kind.name.lower() for action in session(one).actions] for one in sittings]
