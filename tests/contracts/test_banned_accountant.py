"""Opacus GDP, whose epsilon lies below a proven lower bound, enters by no door: ruff refuses each import of it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def checked(code: str) -> str:
    """What ruff says of a module of the product with this code in it."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--no-cache",
            "--stdin-filename",
            "src/reticent/privacy/planted.py",
            "-",
        ],
        cwd=ROOT,
        input=code,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "code",
    [
        "from opacus.accountants import GDPAccountant\n\nprint(GDPAccountant)\n",
        "from opacus.accountants.gdp import GDPAccountant\n\nprint(GDPAccountant)\n",
        "import opacus.accountants.gdp\n\nprint(opacus)\n",
        "import opacus.accountants\n\nprint(opacus.accountants.GDPAccountant)\n",
        "from opacus import accountants\n\nprint(accountants.GDPAccountant())\n",
        "from opacus.accountants.analysis import gdp\n\nprint(gdp)\n",
        "from opacus.accountants.analysis.gdp import compute_eps_poisson\n\nprint(compute_eps_poisson)\n",
        'def later() -> object:\n    from opacus.accountants import create_accountant\n\n    return create_accountant("gdp")\n',
    ],
)
def test_an_import_of_opacus_gdp_is_refused(code: str) -> None:
    assert "TID251" in checked(code)


def test_the_accountant_that_is_used_is_not() -> None:
    assert "TID251" not in checked(
        "from opacus.accountants.analysis.prv import PRVAccountant\n\nprint(PRVAccountant)\n"
    )
