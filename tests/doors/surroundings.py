"""What else can be wrong: folders, ports, disks, newer records that are rightly signed; and the cells that other tests fill."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from reticent.records.canonical import canonical
from reticent.records.keys import Domain
from reticent.records.signed import sign
from tests.doors.door import Row
from tests.doors.files import CONNECTION, DEVICE_KEY, OFFERED_POLICY, POLICY_DRAFT, TICKET
from tests.doors.place import Place, full_disk, listening, read_only, served


def newer(path: Callable[[Place], Path], domain: Domain) -> Callable[[Place], object]:
    return lambda place: place.signed_with(path(place), domain, version=2)


def _newer_offer(place: Place) -> None:
    path = place.server.policy
    offer = json.loads(path.read_bytes())
    newer = sign(Domain.POLICY, offer["policy"]["body"] | {"version": 2}, place.operator)
    path.write_bytes(canonical(offer | {"policy": newer.to_json()}))


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


SINGLE = (
    Row("policy at a device", "newer version", _newer_offer, OFFERED_POLICY.words, "policy.json.*version 2"),
    Row(
        "ticket",
        "newer version",
        newer(lambda place: place.ticket, Domain.TICKET),
        TICKET.words,
        "ticket.json.*version 2",
    ),
    Row(
        "plan of an earlier run",
        "an id that is none",
        lambda place: None,
        lambda place: ["server", "run", place.server.root, "--resume", "../../etc"],
        "no run has plan id",
    ),
    *(
        Row(
            f"state folder, {' '.join(words)}",
            title,
            spoil,
            lambda place, words=words: [*words, place.device.root],  # type: ignore[misc]
            "holds no device",
        )
        for words in (["device", "status"], ["device", "run"])
        for title, spoil in (
            ("missing", lambda place: shutil.rmtree(place.device.root)),
            ("empty", lambda place: _emptied(place.device.root)),
        )
    ),
    Row(
        "state folder, device init",
        "not empty",
        lambda place: None,
        lambda place: ["device", "init", place.device.root],
        "is not empty",
    ),
    Row(
        "state folder, server init",
        "not empty",
        lambda place: None,
        lambda place: ["server", "init", place.server.root],
        "is not empty",
    ),
    Row(
        "state folder, device key",
        "open to other accounts",
        lambda place: place.device.device_key.chmod(0o644),
        DEVICE_KEY.words,
        "device.key is open to other accounts",
    ),
    Row(
        "recordings",
        "a source that isn't there",
        lambda place: None,
        lambda place: ["device", "init", place.root / "new", "--recording", "nobody", "--person", "a"],
        "no data of this name",
    ),
    *(
        Row(
            "ports",
            f"{title}",
            lambda place: None,
            lambda place, address=address: ["server", "init", place.root / "new", "--address", address],  # type: ignore[misc]
            says,
        )
        for title, address, says in (
            ("out of range", "127.0.0.1:65536", "65536"),
            ("negative", "127.0.0.1:-1", "-1"),
            ("no number", "127.0.0.1:https", "https"),
            ("none", "127.0.0.1", "host:port"),
            ("every interface", "0.0.0.0:9443", "0.0.0.0"),  # noqa: S104
        )
    ),
)

SURROUNDINGS = (
    *(
        Row(
            "ports",
            f"{who}'s in use",
            lambda place, port=port: listening(port(place)),  # type: ignore[misc]
            lambda place: ["server", "serve", place.server.root],
            f"which {who} needs, is in use",
        )
        for who, port in (
            ("the gateway", lambda place: json.loads(place.server.settings.read_bytes())["address"]),
            (
                "the SuperLink",
                lambda place: f"127.0.0.1:{json.loads(place.server.settings.read_bytes())['superlink_port']}",
            ),
        )
    ),
    *(
        Row(door, title, disk, words, says)
        for title, disk in (("disk full", full_disk), ("unwritable (read-only)", read_only))
        for door, words, says in (
            ("device init", lambda place: ["device", "init", place.disk / "new"], "new"),
            ("server init", lambda place: ["server", "init", place.disk / "new", "--address", "127.0.0.1:0"], "new"),
            (
                "policy",
                lambda place: ["server", "policy", place.disk / "srv", place.disk / "srv" / "policy.yaml"],
                "policy.json",
            ),
            (
                "policy at a device",
                lambda place: ["device", "consent", place.disk / "device", place.root / "stricter.json"],
                "policy.json|ledger",
            ),
        )
    ),
    Row(
        "policy",
        "unwritable (a folder where it goes)",
        lambda place: (place.server.policy.unlink(), place.server.policy.mkdir()),
        POLICY_DRAFT.words,
        "policy.json can't be replaced",
    ),
    Row(
        "device init",
        "unwritable (below a file)",
        lambda place: None,
        lambda place: ["device", "init", place.ticket / "new"],
        "ticket.json",
    ),
    Row(
        "device init",
        "unwritable (/proc)",
        lambda place: None,
        lambda place: ["device", "init", "/proc/new"],
        "/proc/new",
    ),
    *(
        Row(
            "enrolment request",
            f"unwritable ticket ({title})",
            lambda place: served(place),
            lambda place, out=out: ["server", "enroll", place.server.root, place.request, "--out", place.root / out],  # type: ignore[misc]
            "nobody was enrolled",
        )
        for title, out in (("a file is there", "ticket.json"), ("in no folder", "nowhere/ticket.json"))
    ),
    Row("spool", "missing", lambda place: shutil.rmtree(place.device.spool), CONNECTION.words, "has no spool"),
    Row(
        "spool",
        "a file in its place",
        lambda place: (shutil.rmtree(place.device.spool), place.device.spool.write_bytes(b"")),
        CONNECTION.words,
        "has no spool",
    ),
)

SHOWN_ELSEWHERE = {
    "spool x a request that is truncated, giant, a link, a pipe": "test_spool.py::test_a_hostile_request_is_refused_unread",
    "spool x disk full": "test_spool.py::test_a_full_disk_leaves_nothing_behind",
    "keeper x disk full before the charge": "keeper/test_full_disk.py::test_a_full_disk_sends_nothing_and_the_round_is_charged_once",
    "keeper x disk full before the release": "keeper/test_full_disk.py::test_a_disk_that_fills_up_before_the_release_holds_it_back",
    "node authentication x a clock that is a day off": "courier/test_outages.py::test_a_clock_that_is_a_day_off_is_named_as_the_cause_and_once_it_is_right_the_device_connects",
    "plan x a clock that is a day off": "doors/test_clocks.py::test_a_device_whose_clock_is_a_day_off_abstains_and_is_not_charged",
    "capture x no display": "capture/test_display.py::test_no_display_is_said_in_one_sentence",
    "capture x a display that doesn't answer": "capture/test_display.py::test_a_display_that_does_not_answer_is_a_sentence_and_no_recorder",
    "vault x truncated": "capture/test_vault.py::test_a_truncated_vault_is_refused",
    "vault x newer version": "capture/test_vault.py::test_a_newer_vault_is_refused_as_newer",
    "vault x disk full": "capture/test_vault.py::test_a_full_disk_leaves_the_vault_as_it_was",
    "ports x privileged": "doors/test_processes.py::test_a_port_of_the_system_is_one_sentence",
}
"""Cells that another test fills: `file::test`, below tests/."""
