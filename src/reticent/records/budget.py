"""May this be charged? A device's own limit, asked before anything is learned."""

from collections.abc import Sequence

from reticent.errors import BudgetExhausted
from reticent.privacy.events import PrivacyEvent, Unit
from reticent.privacy.filters import admits
from reticent.records.policy import Policy


def check_budget(charges: Sequence[PrivacyEvent], asked: Sequence[PrivacyEvent], policy: Policy) -> None:
    """Pass if everything charged so far and what is asked for stay within both limits of the policy.

    charges: the events of every charge in the ledger, aborted rounds too. asked: those of the plan's next round.
    Guarantee: sound although later plans depend on earlier answers (`reticent.privacy.filters`).
    Raises: BudgetExhausted, naming the unit and the limit.
    """
    together = (*charges, *asked)
    for unit, limit in ((Unit.EMPLOYEE, policy.epsilon_employee), (Unit.EXAMPLE, policy.epsilon_example)):
        if not admits(together, unit=unit, epsilon=limit, delta=policy.delta):
            rounds = sum(event.unit is unit for event in charges)
            raise BudgetExhausted(
                f"after {rounds} charged rounds this one would pass the {unit} limit of epsilon {limit:g} at delta "
                f"{policy.delta:g} in the accepted policy; nothing was sent or charged"
            )
