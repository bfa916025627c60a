"""What an auditor is told: a sentence on one thing that does not hold, and whose it is."""

from dataclasses import dataclass

from pydantic import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """kind: a fixed word for programs, such as "forked". sentence: for people.

    subject: a device, a file, "server", or "server and device disagree" where the evidence can't tell which of them.
    """

    subject: str
    kind: str
    sentence: str

    def to_json(self) -> dict[str, JsonValue]:
        return {"subject": self.subject, "kind": self.kind, "sentence": self.sentence}

    def __str__(self) -> str:
        return f"{self.subject}: {self.sentence}"
