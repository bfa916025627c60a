"""Simulated people: the same plan and the same `client.answer`, on one machine."""
