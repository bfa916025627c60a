"""`import reticent` costs nothing, and its names are there, typed, and no others."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import reticent


def test_importing_the_package_imports_nothing_but_the_standard_library() -> None:
    code = "import sys; before = set(sys.modules); import reticent; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = [name for name in done.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names]
    assert imported == ["reticent"]


def test_declaring_a_model_or_a_recording_needs_neither_torch_nor_flower_nor_hydra() -> None:
    code = (
        "import sys, reticent; reticent.Model, reticent.register, reticent.read_archive, reticent.record_session, reticent.Frame; "
        "reticent.run, reticent.make_model; print([name for name in ('torch', 'flwr', 'hydra') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_public_name_is_there_has_a_docstring_and_is_what_type_checkers_see() -> None:
    (block,) = [node for node in ast.parse(Path(reticent.__file__).read_text()).body if isinstance(node, ast.If)]
    imported = {
        alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert sorted(imported) == reticent.__all__ == sorted(reticent.__all__)
    for name, module in imported.items():
        assert getattr(reticent, name) is getattr(sys.modules[module], name)
        assert getattr(reticent, name).__doc__
    assert set(reticent.__all__) <= set(dir(reticent))


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        reticent.nonsense  # noqa: B018


def test_no_public_name_is_a_modules() -> None:
    """Importing the module would silently replace it."""
    package = Path(reticent.__file__).parent
    modules = {path.stem for path in package.iterdir()}
    assert modules & set(reticent.__all__) == set()
