"""Where things lie in a device's and a server's state folder. Paths only; whoever owns a file reads and writes it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DeviceFolder:
    """One enrolment's state. `keeper/` is the keeper's alone, `courier/` the courier's; they meet in `spool/` only."""

    root: Path

    @property
    def keeper(self) -> Path:
        return self.root / "keeper"

    @property
    def device_key(self) -> Path:
        return self.keeper / "device.key"

    @property
    def ledger(self) -> Path:
        return self.keeper / "ledger.jsonl"

    @property
    def policy(self) -> Path:
        return self.keeper / "policy.json"

    @property
    def vault(self) -> Path:
        return self.keeper / "vault.db"

    @property
    def vault_key(self) -> Path:
        return self.keeper / "vault.key"

    @property
    def pending(self) -> Path:
        return self.keeper / "pending"

    @property
    def courier(self) -> Path:
        return self.root / "courier"

    @property
    def node_key(self) -> Path:
        return self.courier / "node.key"

    @property
    def connection(self) -> Path:
        """The courier's settings: gateway address and CA certificate."""
        return self.courier / "connection.json"

    @property
    def spool(self) -> Path:
        return self.root / "spool"


@dataclass(frozen=True, slots=True)
class ServerFolder:
    """One organisation's server state."""

    root: Path

    @property
    def settings(self) -> Path:
        return self.root / "server.json"

    @property
    def ca_certificate(self) -> Path:
        return self.root / "tls" / "ca.crt"

    @property
    def operator_key(self) -> Path:
        """Signs plans, policies and tickets."""
        return self.root / "keys" / "operator.key"

    @property
    def receipt_key(self) -> Path:
        """Counter-signs ledger heads."""
        return self.root / "keys" / "receipt.key"

    @property
    def policy(self) -> Path:
        return self.root / "policy.json"

    @property
    def devices(self) -> Path:
        """The directory of enrolled devices, one JSON object a line."""
        return self.root / "devices.jsonl"

    @property
    def receipts(self) -> Path:
        """The receipt index, one signed receipt a line."""
        return self.root / "receipts.jsonl"

    def run(self, plan_id: str) -> Path:
        """Everything that one plan leaves behind."""
        return self.root / "runs" / plan_id
