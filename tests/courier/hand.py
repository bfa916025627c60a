"""The ServerApp of the tests' run: sends what it finds in a folder, and writes down what comes back."""

import json
import time
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


def record(spec):
    if spec == "npy":
        return ArrayRecord({"a": Array(np.zeros(4))})
    if spec == "metric":
        return MetricRecord({"a": 1.0})
    values = {}
    for key, value in spec.items():
        if isinstance(value, dict):
            value = bytes.fromhex(value["hex"]) if "hex" in value else bytes(value["zeros"])
        values[key] = value
    return ConfigRecord(values)


@app.main()
def main(grid: Grid, context: Context) -> None:
    folder = Path(context.run_config["orders"])
    waiting = {}
    while not (folder / "end").exists():
        for order in sorted(folder.glob("*.order")):
            said = json.loads(order.read_text())
            content = RecordDict({name: record(spec) for name, spec in said["records"].items()})
            message = Message(content, dst_node_id=said["node"], message_type=said["type"])
            started = time.monotonic()
            for identifier in grid.push_messages([message]):
                waiting[identifier] = (order, started)
            order.unlink()
        for reply in grid.pull_messages(list(waiting)) if waiting else ():
            order, started = waiting.pop(reply.metadata.reply_to_message_id)
            records = {}
            if reply.has_content():
                records = {name: next(iter(held.values())).hex() for name, held in reply.content.items()}
            answer = {
                "type": reply.metadata.message_type,
                "error": [reply.error.code, reply.error.reason or ""] if reply.has_error() else None,
                "records": records,
                "seconds": time.monotonic() - started,
            }
            order.with_suffix(".tmp").write_text(json.dumps(answer))
            order.with_suffix(".tmp").rename(order.with_suffix(".answer"))
        time.sleep(0.05)
