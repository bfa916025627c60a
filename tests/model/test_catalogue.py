"""The catalogue tells the truth about the network, and asks nothing of torch."""

import subprocess
import sys

import pytest

from reticent.errors import SettingError
from reticent.model import catalogue
from reticent.model.network import Network


def test_names_and_shapes_are_the_networks() -> None:
    entry = catalogue.entry("office-60k")
    network = Network()
    parameters = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    buffers = {name: tuple(buffer.shape) for name, buffer in network.named_buffers()}
    assert {**entry.heads, **entry.trunk} == parameters
    assert dict(entry.statistics) == buffers


def test_the_model_is_as_small_as_its_name_says() -> None:
    assert 55_000 < catalogue.parameters("office-60k", "all") < 65_000
    assert 11_000 < catalogue.parameters("office-60k", "heads") < 14_000


def test_the_vector_is_sorted_by_name_and_heads_come_first() -> None:
    order = list(catalogue.shapes("office-60k", "all"))
    assert order == sorted(order)
    heads = list(catalogue.shapes("office-60k", "heads"))
    assert order[: len(heads)] == heads


def test_check_accepts_the_exact_number_and_nothing_else() -> None:
    known = catalogue.parameters("office-60k", "heads")
    catalogue.check("office-60k", "heads", known)
    for asked in (0, -1, known - 1, known + 1, catalogue.parameters("office-60k", "all"), 10**30):
        with pytest.raises(SettingError, match="nothing was loaded"):
            catalogue.check("office-60k", "heads", asked)


@pytest.mark.parametrize(("name", "trainable"), [("", "heads"), ("../office", "heads"), ("office-60k", "trunk")])
def test_an_unknown_model_or_choice_is_refused(name: str, trainable: str) -> None:
    with pytest.raises(SettingError):
        catalogue.check(name, trainable, 12)


@pytest.mark.parametrize("module", ["reticent.model.catalogue", "reticent.model.checkpoint_file"])
def test_a_server_asks_without_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
