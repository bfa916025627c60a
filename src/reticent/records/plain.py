"""What a simulation may ask for and no device does: training without an example level. It is never signed or sent."""

from typing import Annotated, ClassVar

from pydantic import Field

from reticent.privacy.events import PrivacyEvent
from reticent.records.plan import Plan
from reticent.records.record import Positive, Record


class PlainTraining(Record):
    """epochs: passes over all windows in one round. batch: windows a step; None takes all of them, so that an epoch is one
    step. learning_rate: of one step along a batch's mean gradient."""

    TITLE: ClassVar[str] = "plain training"

    epochs: Annotated[int, Field(ge=1, le=1_000)]
    batch: Annotated[int, Field(ge=1, le=1 << 20)] | None
    learning_rate: Positive


class PlainPlan(Plan):
    """Rounds of plain SGD for simulated people. `read_plan` reads none: to a device these bytes are no plan."""

    TITLE: ClassVar[str] = "plain plan"

    training: PlainTraining  # type: ignore[assignment]  # in place of the example level

    def events(self) -> tuple[PrivacyEvent, ...]:  # type: ignore[override]  # one fewer
        """Return what ONE round does to a person: the employee-level event alone."""
        return (self.employee_event(),)
