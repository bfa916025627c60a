"""The import contracts catch what they claim to: violations of every kind are planted in a copy, and each is reported."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = {
    contract["id"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}


def every_pair(contract: str) -> list[tuple[str, str]]:
    """Importer and imported: each source module of a contract at least once, and each forbidden module at least once."""
    sources, forbidden = CONTRACTS[contract]["source_modules"], CONTRACTS[contract]["forbidden_modules"]
    return [
        (sources[number % len(sources)], forbidden[number % len(forbidden)])
        for number in range(max(len(sources), len(forbidden)))
    ]


FORBIDDEN = [
    pair for name, contract in CONTRACTS.items() if contract["type"] == "forbidden" for pair in every_pair(name)
]
UPWARDS = [
    ("reticent.privacy", "reticent.records"),
    ("reticent.model", "reticent.recordings"),
    ("reticent.egress", "reticent.evaluate"),
    ("reticent.aggregate", "reticent.server"),
    ("reticent.audit", "reticent.cli"),
    ("reticent.train", "reticent.api"),
]
SIBLINGS = [
    ("reticent.capture", "reticent.recordings"),
    ("reticent.spool", "reticent.evaluate"),
    ("reticent.client", "reticent.aggregate"),
    ("reticent.server", "reticent.courier"),
    ("reticent.keeper", "reticent.courier"),
    ("reticent.audit", "reticent.server"),
]
THROUGH = [
    ("reticent.keeper", "reticent.walls.stepping_stone", "ftplib"),
    ("reticent.server", "reticent.evaluate.stepping_stone", "reticent.learn"),
]
"""Importer, an innocent module in between, imported."""


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "400"},
        capture_output=True,
        text=True,
        check=False,
    )


def copy_of_the_project(folder: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("data", "__pycache__"))


def planted_name(importer: str, imported: str) -> str:
    """The module that holds a planted import: one of its own below a package, or the module itself."""
    return f"{importer}.plants_{imported.replace('.', '_')}" if (path_of(importer)).is_dir() else importer


def path_of(module: str, root: Path = ROOT) -> Path:
    return root / "src" / Path(*module.split("."))


def plant(root: Path, importer: str, imported: str) -> None:
    path = path_of(planted_name(importer, imported), root).with_suffix(".py")
    text = path.read_text() if path.exists() else ""
    inside = (
        "import" if len(imported) % 2 else "def later() -> None:\n    import"
    )  # at the top of a file, or within a function
    path.write_text(f"{text}\n{inside} {imported}\n")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the linter says of a copy with every violation of this page in it."""
    root = tmp_path_factory.mktemp("planted")
    copy_of_the_project(root)
    for importer, imported in (*FORBIDDEN, *UPWARDS, *SIBLINGS):
        plant(root, importer, imported)
    for importer, between, imported in THROUGH:
        plant(root, importer, between)
        path_of(between, root).with_suffix(".py").write_text(f"import {imported}\n")
    result = lint(root)
    assert result.returncode == 1, result.stdout + result.stderr
    return result.stdout


def chain(*modules: str) -> str:
    """A pattern for a reported chain of imports."""
    return r"\s+".join(rf"(- +)?{re.escape(one)} -> {re.escape(other)} \(l\.\d+\)" for one, other in pairwise(modules))


def test_the_tree_itself_holds_every_contract(tmp_path: Path) -> None:
    copy_of_the_project(tmp_path)
    result = lint(tmp_path)
    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


@pytest.mark.parametrize(("importer", "imported"), FORBIDDEN)
def test_a_forbidden_import_is_caught_from_every_source_module(importer: str, imported: str, said: str) -> None:
    assert f"{importer} is not allowed to import {imported}:" in said
    assert re.search(chain(planted_name(importer, imported), imported), said)


@pytest.mark.parametrize(("importer", "imported"), UPWARDS + SIBLINGS)
def test_an_import_of_an_upper_layer_or_a_sibling_is_caught(importer: str, imported: str, said: str) -> None:
    assert f"{importer} is not allowed to import {imported}:" in said
    assert re.search(chain(planted_name(importer, imported), imported), said)


@pytest.mark.parametrize(("importer", "between", "imported"), THROUGH)
def test_a_forbidden_import_through_an_innocent_module_is_caught(
    importer: str, between: str, imported: str, said: str
) -> None:
    assert re.search(chain(planted_name(importer, between), between, imported), said)


def test_a_module_that_stands_in_no_layer_is_caught(tmp_path: Path) -> None:
    copy_of_the_project(tmp_path)
    (tmp_path / "src/reticent/newcomer.py").touch()
    result = lint(tmp_path)
    assert result.returncode == 1, result.stdout
    assert "newcomer" in result.stdout
