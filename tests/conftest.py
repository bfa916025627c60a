"""The order of the files: the longest first, so that no worker ends up waiting for another's long file."""

import pytest

LONGEST = (
    "tests/e2e/test_train_on_devices.py",
    "tests/e2e/test_quickstart.py",
    "tests/e2e/test_federation.py",
    "tests/e2e/test_resume.py",
    "tests/test_engines.py",
    "tests/e2e/test_cluster.py",
    "tests/recordings/test_record_office.py",
    "tests/train/test_command.py",
    "tests/train/test_scores.py",
    "tests/server/test_resumption.py",
    "tests/server/test_run.py",
    "tests/keeper/test_killed_keeper.py",
    "tests/train/test_completion.py",
    "tests/train/test_sweeping.py",
    "tests/train/test_tracking.py",
    "tests/aggregate/test_killed_rounds.py",
    "tests/evaluate/test_public_start.py",
)
"""Files that take longer than 20 s. Any other comes after them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.location[0], len(rank)))
