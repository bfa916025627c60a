"""Listeners, screen, focus, exclusions and the vault; the only code that sees raw input."""
