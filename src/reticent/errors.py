"""What can go wrong, as one tree.

::

    ReticentError            everything this package raises on purpose; `exit_code` is what a command ends with
    ├── InputError           wrong use or input that makes no sense; exit 2, nothing sent, nothing lost
    │   ├── SettingError     a number or name outside what is allowed (NaN, negative noise, unknown model)
    │   ├── FormatError      bytes that are not what they claim: truncated, hostile, another type
    │   │   └── NewerFormatError   written by a newer release; never guessed at
    │   └── StateError       a state folder that is missing, in use, or not what the command needs
    ├── Refused              a device's answer is ABSTAIN; nothing is sent, nothing is charged
    │   ├── PolicyViolation  the plan asks for more than the accepted policy allows
    │   ├── BudgetExhausted  the charge would pass a limit
    │   └── Replayed         the same plan and round with other weights, or a receipt that fits nothing
    ├── IntegrityError       evidence does not hold together: fails closed; exit 1
    │   ├── SignatureError   a signature does not verify
    │   └── LedgerError      a ledger is edited, reordered, truncated or restored
    ├── ForgeryError         something tried to make, copy or alter a sealed release outside the door
    ├── WallError            a confinement that was asked for does not stand
    └── RoundAborted         too few valid replies; nothing was applied

Each message says what was asked, what is allowed, and what happened to the data.
"""


class ReticentError(Exception):
    """Everything that this package raises on purpose."""

    exit_code = 1


class InputError(ReticentError):
    """Wrong use, or input that makes no sense; nothing was sent or lost."""

    exit_code = 2


class SettingError(InputError):
    """A number or a name outside what is allowed."""


class FormatError(InputError):
    """Bytes that are not what they claim to be."""


class NewerFormatError(FormatError):
    """A format written by a newer release."""


class StateError(InputError):
    """A state folder that is missing, in use, or not what the command needs."""


class Refused(ReticentError):
    """The device answers ABSTAIN; nothing is sent and nothing is charged."""


class PolicyViolation(Refused):
    """The plan asks for more than the accepted policy allows."""


class BudgetExhausted(Refused):
    """The charge would pass a limit of the accepted policy."""


class Replayed(Refused):
    """The same plan and round with other weights, or a receipt that fits no charge."""


class IntegrityError(ReticentError):
    """Evidence that does not hold together; whoever meets it stops."""


class SignatureError(IntegrityError):
    """A signature that does not verify."""


class LedgerError(IntegrityError):
    """A ledger that was edited, reordered, truncated or restored."""


class ForgeryError(ReticentError):
    """A sealed release was made, copied or altered outside the door."""


class WallError(ReticentError):
    """A confinement that was asked for does not stand."""


class RoundAborted(ReticentError):
    """A round had too few valid replies; nothing was applied."""


def printable(text: str) -> str:
    """Return `text` fit for a terminal: somebody else's names and messages may hold anything."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
