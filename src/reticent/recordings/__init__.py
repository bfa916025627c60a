"""Recorded sessions: embedded, drawn, imported."""
