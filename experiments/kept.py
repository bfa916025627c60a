"""A study's rows in a CSV file that is added to as runs end, so that a stopped study goes on where it was."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def rows(path: Path) -> Iterator[dict[str, str]]:
    """What is there already; nothing where there is no file."""
    if path.exists():
        with path.open(newline="") as file:
            yield from csv.DictReader(file)


def append(path: Path, row: Mapping[str, Any]) -> None:
    """Add a row, after a header if it is the first, and show it."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)
    print(row, flush=True)
