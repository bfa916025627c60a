"""Recorded sessions: embedded, drawn."""
