"""reticent: federated training of small UI-action models; raw input never leaves the device."""

__version__ = "0.1.0"
