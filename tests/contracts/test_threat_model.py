"""Each claim of docs/threat-model.md names a test that attacks it, and each named test exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "threat-model.md").read_text()
NAMED = re.compile(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`")
NO_CLAIM = ("**Not prevented**", "**Never claimed**", "**Out of scope**")


def section(title: str) -> str:
    """What stands below a heading, up to the next one of its rank."""
    return TEXT.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


ROWS = [line for line in section("Promises").splitlines() if line.startswith("| ")][1:]  # without the header
ADVERSARIES = dict(part.split("\n", 1) for part in section("Adversaries").split("### ")[1:])
BULLETS = [
    bullet.strip()
    for text in ADVERSARIES.values()
    for bullet in re.split(r"^- ", text, flags=re.MULTILINE)[1:]
    if not bullet.startswith(NO_CLAIM)
]


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED.findall(TEXT))))
def test_each_named_test_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_each_promise_has_a_test_that_attacks_it(row: str) -> None:
    assert NAMED.search(row.split("|")[3])


@pytest.mark.parametrize("bullet", BULLETS, ids=lambda bullet: bullet[:40])
def test_each_claim_about_an_adversary_names_a_test(bullet: str) -> None:
    assert NAMED.search(bullet)


@pytest.mark.parametrize("adversary", ADVERSARIES)
def test_what_is_said_of_each_adversary_names_a_test(adversary: str) -> None:
    assert NAMED.search(ADVERSARIES[adversary])


def test_all_eight_promises_are_there() -> None:
    assert len(ROWS) == 8
    assert len(BULLETS) >= 8
