"""Flower is imported as in tests/aggregate; scores are taken on two test people instead of all of a source's."""

import pytest

import tests.aggregate.conftest  # noqa: F401
from reticent.recordings import source


@pytest.fixture
def few(monkeypatch):
    """Two test people, one for validation and three public ones, whatever the source."""
    people = source.split("drawn")
    small = source.Split(
        public=people.public[:3], client=people.client, validation=people.validation[:1], test=people.test[:2]
    )
    monkeypatch.setattr(source, "split", lambda name: small)
    return small
