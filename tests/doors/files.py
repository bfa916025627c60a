"""The doors that are files: which command reads them, and what can be wrong with them."""

import json
from pathlib import Path

from tests.doors.door import EVERY_FILE, JSON_FILE, Door, changed_signature, draft, replaced, with_
from tests.doors.place import certificate

POLICY_DRAFT = Door(
    name="policy",
    file=lambda place: place.server.policy_draft,
    words=lambda place: ["server", "policy", place.server.root, place.server.policy_draft],
    names="policy.yaml",
    inputs=(
        *draft("policy.yaml", "min_noise_multiplier", "5.0", "organisation"),
        ("newer version", lambda data: data + b"\nversion: 2\n", "version 2"),
        ("every model unknown", replaced(b"models: [office-60k]", b"models: [nobody]"), "models"),
        ("mode secure alone", replaced(b"modes: [local]", b"modes: [secure]"), "secure"),
    ),
)
PLAN_DRAFT = Door(
    name="plan",
    file=lambda place: place.server.plan_draft,
    words=lambda place: ["server", "run", place.server.root, place.server.plan_draft],
    names="plan.yaml",
    inputs=(
        *draft("plan.yaml", "rounds", "50", "purpose"),
        ("noise 0", replaced(b"noise_multiplier: 5.0", b"noise_multiplier: 0"), "release.noise_multiplier"),
        ("noise below the policy's", replaced(b"noise_multiplier: 5.0", b"noise_multiplier: 1.0"), "noise_multiplier"),
        ("clip 1e9", replaced(b"clip_norm: 0.5", b"clip_norm: 1.0e9"), "release.clip_norm"),
        ("unknown model", replaced(b"model: office-60k", b"model: nobody"), "nobody|no model of this name"),
        ("cohort 1", replaced(b"min_cohort: 10", b"min_cohort: 1"), "min_cohort"),
        ("10,000 rounds", replaced(b"rounds: 50", b"rounds: 10000"), "rounds"),
        ("mode secure", replaced(b"mode: local", b"mode: secure"), "release.mode"),
        ("a server that isn't running", lambda data: data, "isn't running"),
    ),
)
OFFERED_POLICY = Door(
    name="policy at a device",
    file=lambda place: place.server.policy,
    words=lambda place: ["device", "consent", place.device.root, place.server.policy],
    names="policy.json",
    inputs=(
        *JSON_FILE,
        ("NaN", replaced(b'"min_noise_multiplier":5', b'"min_noise_multiplier":NaN'), "policy.json"),
        ("infinity", replaced(b'"min_noise_multiplier":5', b'"min_noise_multiplier":1e999'), "policy.json"),
        ("edited", replaced(b'"min_noise_multiplier":5', b'"min_noise_multiplier":4'), "policy.json.*signature"),
        ("a changed signature", changed_signature, "policy.json.*signature"),
        ("pretty-printed", lambda data: json.dumps(json.loads(data), indent=1).encode(), "policy.json.*canonical"),
    ),
    codes={"edited": 1, "a changed signature": 1},
)
TICKET = Door(
    name="ticket",
    file=lambda place: place.ticket,
    words=lambda place: ["device", "enroll", place.device.root, place.ticket],
    names="ticket.json",
    inputs=(
        *JSON_FILE,
        ("a policy instead", lambda data: json.dumps(json.loads(data)["body"]["policy"]).encode(), "ticket.json"),
        ("edited", replaced(b"127.0.0.1:9443", b"127.0.0.2:9443"), "ticket.json.*signature"),
    ),
    codes={"edited": 1},
)
REQUEST = Door(
    name="enrolment request",
    file=lambda place: place.request,
    words=lambda place: ["server", "enroll", place.server.root, place.request],
    names="enrolment-request.json",
    inputs=(*JSON_FILE, ("a changed signature", changed_signature, "enrolment-request.json.*signature")),
    codes={"a changed signature": 1},
)
RECORDING = Door(
    name="recordings",
    file=lambda place: place.recording,
    words=lambda place: ["data", "describe", place.recording],
    names="pilot.recording",
    inputs=(
        *EVERY_FILE,
        ("newer version", replaced(b"reticent-recording 1 ", b"reticent-recording 3 "), "pilot.recording.*version 3"),
        ("a flipped bit", lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:], "pilot.recording.*damaged"),
    ),
)
TABLE = Door(
    name="a table to import",
    file=lambda place: place.table,
    words=lambda place: ["data", "import", "balabit", place.table.parent, place.root / "mice.recording"],
    names="actions.parquet",
    inputs=EVERY_FILE,
)
CHECKPOINT = Door(
    name="checkpoint",
    file=lambda place: place.checkpoint,
    words=lambda place: ["evaluate", place.checkpoint, "--data", "office"],
    names="model.safetensors",
    inputs=(
        *EVERY_FILE,
        ("newer version", replaced(b'"version":"1"', b'"version":"2"'), "model.safetensors.*version 2"),
        ("another model's name", replaced(b'"model":"office-60k"', b'"model":"office-99k"'), "model.safetensors"),
        ("NaN", lambda data: data[:-4] + b"\x00\x00\xc0\x7f", "model.safetensors"),
        ("infinity", lambda data: data[:-4] + b"\x00\x00\x80\x7f", "model.safetensors"),
    ),
)
LEDGER = Door(
    name="ledger",
    file=lambda place: place.device.ledger,
    words=lambda place: ["device", "consent", place.device.root, place.server.policy],
    names="ledger|holds no device",
    inputs=(
        *(one for one in EVERY_FILE if one[0] not in {"truncated"}),
        ("edited", replaced(b'"round":0', b'"round":1'), "entry 2"),
        ("reordered", lambda data: b"".join(data.splitlines(True)[index] for index in (0, 2, 1)), "entry 1"),
        ("newer version", lambda data: data.replace(b'"version":1}\n', b'"version":2}\n'), "version 2"),
    ),
    codes={"empty": 1, "giant": 1, "binary": 1, "edited": 1, "reordered": 1},
)
AUDITED_LEDGER = Door(
    name="ledger at an auditor",
    file=lambda place: place.device.ledger,
    words=lambda place: ["audit", "verify", place.device.ledger],
    names="ledger",
    inputs=(
        *(one for one in EVERY_FILE if one[0] in {"missing", "a folder in its place", "a pipe in its place"}),
        ("newer version", lambda data: data.replace(b'"version":1}\n', b'"version":2}\n'), "version 2"),
    ),
)
DEVICE_KEY = Door(
    name="state folder, device key",
    file=lambda place: place.device.device_key,
    words=lambda place: ["device", "consent", place.device.root, place.server.policy],
    names="device.key|holds no device",
    inputs=EVERY_FILE,
)
VAULT = Door(
    name="state folder, vault",
    file=lambda place: place.device.vault,
    words=lambda place: ["device", "consent", place.device.root, place.server.policy],
    names="vault",
    inputs=EVERY_FILE,
)
VAULT_KEY = Door(
    name="state folder, vault key",
    file=lambda place: place.device.vault_key,
    words=lambda place: ["device", "consent", place.device.root, place.server.policy],
    names="vault",
    inputs=(*EVERY_FILE, ("newer version", replaced(b"vault-key 1 ", b"vault-key 2 "), "version 2")),
)
ACCEPTED_POLICY = Door(
    name="state folder, accepted policy",
    file=lambda place: place.device.policy,
    words=lambda place: ["device", "status", place.device.root],
    names="policy.json",
    inputs=JSON_FILE,
    codes={"missing": 1, "a folder in its place": 1, "a pipe in its place": 1, "giant": 1},
)
SERVER_SETTINGS = Door(
    name="state folder, server",
    file=lambda place: place.server.settings,
    words=lambda place: ["server", "serve", place.server.root],
    names="server.json|not a server folder",
    inputs=(
        *JSON_FILE,
        ("newer version", replaced(b'"version": 1', b'"version": 2'), "server.json.*version 2"),
        ("port 0", lambda data: with_(data, address="127.0.0.1:0"), "server.json"),
        ("port 70000", lambda data: with_(data, address="127.0.0.1:70000"), "server.json"),
        ("a listening address that is none", lambda data: with_(data, listen="everywhere"), "server.json"),
    ),
)
OPERATOR_KEY = Door(
    name="state folder, operator's key",
    file=lambda place: place.server.operator_key,
    words=lambda place: ["server", "policy", place.server.root, place.server.policy_draft],
    names="operator.key",
    inputs=EVERY_FILE,
)
DIRECTORY = Door(
    name="state folder, directory of devices",
    file=lambda place: _touched(place.server.devices),
    words=lambda place: ["server", "status", place.server.root],
    names="devices.jsonl",
    inputs=(
        ("a folder in its place", None, ""),
        ("a list", lambda data: b"[1]\n", ""),
        ("binary", lambda data: bytes(range(256)) * 16, ""),
        ("newer version", lambda data: b'{"version":2}\n', "devices.jsonl.*version 2"),
    ),
)
CONNECTION = Door(
    name="courier's connection",
    file=lambda place: place.device.connection,
    words=lambda place: ["courier", place.device.root, "--wall", "none"],
    names="connection.json",
    inputs=(
        *JSON_FILE,
        ("newer version", replaced(b'"version": 1', b'"version": 2'), "connection.json.*version 2"),
        ("port 0", lambda data: with_(data, address="127.0.0.1:0"), "host:port"),
        ("port 70000", lambda data: with_(data, address="127.0.0.1:70000"), "host:port"),
        ("no certificate", lambda data: with_(data, ca_certificate="none"), "certificate"),
    ),
)
NODE_KEY = Door(
    name="courier's node key",
    file=lambda place: place.device.node_key,
    words=lambda place: ["courier", place.device.root, "--wall", "none"],
    names="node.key",
    inputs=EVERY_FILE,
)
CERTIFICATE = Door(
    name="certificate",
    file=lambda place: place.server.certificate,
    words=lambda place: ["server", "serve", place.server.root],
    names="server.crt",
    inputs=(
        *EVERY_FILE,
        ("expired", lambda data: certificate(days_ago=40), "certificate ended on .* clock says"),
        (
            "not valid yet, or the clock is days behind",
            lambda data: certificate(days_ago=-3),
            "begins on .* clock says",
        ),
    ),
)
RUN_PLAN = Door(
    name="plan of an earlier run",
    file=lambda place: place.run / "plan.json",
    words=lambda place: ["server", "run", place.server.root, "--resume", place.run.name],
    names="plan.json|no run has plan id",
    inputs=(*JSON_FILE, ("edited", replaced(b'"rounds":50', b'"rounds":49'), "plan.json")),
)


def _touched(path: Path) -> Path:
    path.touch()
    return path


FILES = (
    POLICY_DRAFT,
    PLAN_DRAFT,
    OFFERED_POLICY,
    TICKET,
    REQUEST,
    RECORDING,
    TABLE,
    CHECKPOINT,
    LEDGER,
    AUDITED_LEDGER,
    DEVICE_KEY,
    VAULT,
    VAULT_KEY,
    ACCEPTED_POLICY,
    SERVER_SETTINGS,
    OPERATOR_KEY,
    DIRECTORY,
    RUN_PLAN,
    CONNECTION,
    NODE_KEY,
    CERTIFICATE,
)
