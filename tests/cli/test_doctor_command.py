"""`reticent doctor` tries each part for real and says what to do."""

import json

import pytest

from reticent.cli import main


def test_the_doctor_finds_what_a_device_needs(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])
    findings = {finding["part"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert code == (1 if any(finding["state"] == "missing" for finding in findings.values()) else 0)
    for part in ("keeper wall", "courier wall", "noise", "vault", "recordings", "training", "flower"):
        assert findings[part]["state"] != "missing", findings[part]
    assert all(finding["advice"] for finding in findings.values() if finding["state"] == "missing")
