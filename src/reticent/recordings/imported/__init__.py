"""Recordings that others made of people, as this project's own: read once, checked, and written into an archive.

Nothing of them is in the package. Each module says what its source holds and what of that is kept.
"""
