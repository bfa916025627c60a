"""The catalogue tells the truth about the network, and asks nothing of torch."""

import re
import subprocess
import sys
from importlib.resources import files

import pytest

from reticent.errors import SettingError
from reticent.model import catalogue
from reticent.model.network import Network

every_model = pytest.mark.parametrize("name", catalogue.names())


@every_model
def test_names_and_shapes_are_the_networks(name: str) -> None:
    widths = catalogue.entry(name).architecture
    network = Network(widths)
    parameters = {key: tuple(parameter.shape) for key, parameter in network.named_parameters()}
    buffers = {key: tuple(buffer.shape) for key, buffer in network.named_buffers()}
    assert {**widths.heads(), **widths.trunk()} == parameters
    assert dict(widths.statistics()) == buffers


@pytest.mark.parametrize(
    ("name", "heads", "whole"),
    [
        ("history", 8_294, 25_614),
        ("office-10k", 5_898, 10_518),
        ("office-60k", 12_354, 62_578),
        ("office-170k", 14_594, 174_930),
    ],
)
def test_the_family_has_the_sizes_that_its_names_say(name: str, heads: int, whole: int) -> None:
    assert (catalogue.parameters(name, "heads"), catalogue.parameters(name, "all")) == (heads, whole)
    assert len(catalogue.names()) == 4


@every_model
def test_the_vector_is_sorted_by_name_and_heads_come_first(name: str) -> None:
    order = list(catalogue.shapes(name, "all"))
    assert order == sorted(order)
    heads = list(catalogue.shapes(name, "heads"))
    assert order[: len(heads)] == heads


@every_model
def test_a_model_card_names_the_weights_that_ship(name: str) -> None:
    card = files("reticent.model").joinpath("data", f"{name}.md").read_text()
    assert catalogue.entry(name).sha256 in card
    assert f"scripts/fit-trunk --model {name} " in card
    assert "Apache-2.0" in card


@every_model
def test_a_model_card_says_where_a_baseline_does_better_and_what_was_chosen_by_looking(name: str) -> None:
    card = files("reticent.model").joinpath("data", f"{name}.md").read_text()
    assert "The number of epochs was chosen with the figures of office's test people in view" in card
    for source in ("office", "drawn"):
        (table,) = re.findall(rf"\| {source}: [^\n]*\n(?:\|[^\n]*\n)*", card)
        columns, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines())
        figures = {row: dict(zip(columns[1:], map(float, cells), strict=True)) for row, *cells in rows}
        losses = {"perplexity", "cell_distance"}
        worse = [
            column
            for column, ours in figures[name].items()
            if (ours > figures["markov3"][column] if column in losses else ours < figures["markov3"][column])
        ]
        said = f"On {source}, {name} does worse than the baseline markov3 in"
        assert (f"{said} {', '.join(worse)}.\n" in card) if worse else (said not in card)


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
