"""Trunk and heads by name; flat vector to named tensors and back."""
