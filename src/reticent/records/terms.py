"""What one device's person accepted, and whose signatures count because of it."""

from dataclasses import dataclass

from reticent.records.keys import PublicKey
from reticent.records.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The policy in force, its hash, and the operator whose plans are listened to."""

    policy: Policy
    policy_hash: str
    operator: PublicKey
