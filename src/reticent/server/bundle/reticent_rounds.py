"""Where Flower finds the organisation's half of a round: in the installed package."""

from reticent.aggregate.app import app

__all__ = ["app"]
