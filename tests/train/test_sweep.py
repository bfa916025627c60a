"""A sweep ends with one table and one plot over whatever lies in its folder, and what failed stands in them."""

import csv
import io
import json
import statistics
import xml.etree.ElementTree as ET
from itertools import product

import pytest

from reticent.errors import FormatError
from reticent.train.sweep import Figure, condensed, keep_failure, read_sweep, spread, table
from reticent.train.sweep_page import write_sweep
from tests.audit.report.test_browser import CONTRAST
from tests.audit.report.window import CHROMIUM, DRIVER, browser
from tests.train.sweeps import job, sweep_over_epsilon


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = sweep_over_epsilon(tmp_path_factory.mktemp("sweep"))
    assert write_sweep(root, read_sweep(root)) == ("sweep.csv", "sweep.html", "sweep.svg")
    return root


def test_seeds_are_merged_into_mean_and_standard_deviation(tmp_path):
    for number, top1 in enumerate((0.5, 0.6, 0.64)):
        job(tmp_path / str(number), top1=top1, seed=number)
    sweep = read_sweep(tmp_path)
    (row,) = sweep.rows
    assert sweep.settings == ()
    assert row.seeds == (0, 1, 2)
    assert row.figures["top1"].mean == pytest.approx(0.58)
    assert row.figures["top1"].sd == pytest.approx(statistics.stdev((0.5, 0.6, 0.64)))
    assert (sweep.baseline, row.baseline) == ("markov3", 0.5)
    assert row.private.mean == pytest.approx(0.44)
    assert "0.440" in table(sweep).splitlines()[1]


def test_one_seed_has_no_spread(tmp_path):
    job(tmp_path / "0", top1=0.5)
    assert read_sweep(tmp_path).rows[0].figures["top1"].sd is None
    assert "±" not in table(read_sweep(tmp_path))


def test_a_simulation_of_the_same_seed_is_the_same_run_and_no_second_seed(tmp_path):
    for number, seed in enumerate((0, 0, 1)):
        job(tmp_path / str(number), top1=0.5 + 0.1 * seed, seed=seed)
    (row,) = read_sweep(tmp_path).rows
    assert row.seeds == (0, 1)
    assert row.figures["top1"].sd == pytest.approx(statistics.stdev((0.5, 0.6)))


def test_a_setting_deep_in_a_group_has_its_own_name_and_axis(tmp_path):
    for number, rate in enumerate((0.5, 1.0, 2.0)):
        optimiser = {"name": "momentum", "learning_rate": rate}
        job(tmp_path / str(number), top1=0.5 + 0.01 * number, server__optimiser=optimiser)
    sweep = read_sweep(tmp_path)
    assert sweep.settings == ("server.optimiser.learning_rate",)
    assert [row.values for row in sweep.rows] == [(0.5,), (1.0,), (2.0,)]
    assert "{" not in table(sweep)
    write_sweep(tmp_path, sweep)
    assert "server.optimiser.learning_rate" in (tmp_path / "sweep.svg").read_text()


def test_settings_that_differ_together_are_one_column_for_a_reader_and_all_in_the_csv(tmp_path):
    """A swept group brings many settings, and its name says them all."""
    momentum = {"name": "momentum", "momentum": 0.9, "learning_rate": 1.0}
    adam = {"name": "adam", "learning_rate": 0.01}
    for number, (optimiser, seed) in enumerate((one, seed) for one in (momentum, adam) for seed in (0, 1)):
        job(tmp_path / str(number), top1=0.5 + 0.01 * number, seed=seed, server__optimiser=optimiser)
    sweep = read_sweep(tmp_path)
    short = condensed(sweep)
    assert short.settings == ("server.optimiser.name",)
    assert [row.values for row in short.rows] == [("adam",), ("momentum",)]
    write_sweep(tmp_path, sweep)
    head, page = (tmp_path / "sweep.csv").read_text().splitlines()[0], (tmp_path / "sweep.html").read_text()
    for others in ("server.optimiser.learning_rate", "server.optimiser.momentum"):
        assert others in head
        assert table(sweep).count(others) == page.count(others) == 1  # in the sentence, and in no column


def test_settings_of_no_group_are_columns_each_also_where_every_row_has_its_own(tmp_path):
    """As a sweeper that draws values leaves them, and an experiment that changes several."""
    for number, (epsilon, mode) in enumerate(((4.0, "secure"), (8.0, "local"))):
        job(tmp_path / str(number), top1=0.5, epsilon=epsilon, privacy__mode=mode, server__rounds=3 + number)
    sweep = read_sweep(tmp_path)
    assert condensed(sweep) == sweep
    assert set(sweep.settings) == {"privacy.mode", "privacy.epsilon", "server.rounds"}


def test_settings_that_cross_are_columns_each(folder):
    assert condensed(read_sweep(folder)) == read_sweep(folder)


def test_a_finished_job_stays_in_the_table_if_another_command_fails_in_its_folder(tmp_path):
    for seed in range(2):
        job(tmp_path / str(seed), top1=0.5, seed=seed)
    keep_failure(tmp_path / "1", ["seed=7"], "it holds a run with other settings", exit_code=2)
    sweep = read_sweep(tmp_path)
    assert [row.seeds for row in sweep.rows] == [(0, 1)]
    assert [one.job for one in sweep.failures] == ["1"]


@pytest.mark.parametrize("mode", ["secure", "local"])
def test_what_a_simulation_assumes_is_said_on_the_page_and_in_the_table(mode, tmp_path):
    job(tmp_path / "0", top1=0.5, privacy__mode=mode)
    sweep = read_sweep(tmp_path)
    write_sweep(tmp_path, sweep)
    for text in (table(sweep), (tmp_path / "sweep.html").read_text()):
        assert "Simulated: no device took part" in text
        assert ("secure aggregation is assumed, not run" in text) is (mode == "secure")


def test_what_only_the_machine_needs_is_no_setting_of_the_sweep(tmp_path):
    for number in range(2):
        job(tmp_path / str(number), top1=0.5, seed=number, engine__workers=number + 1)
    assert read_sweep(tmp_path).settings == ()


def test_the_csv_has_a_line_for_each_setting_and_each_failure(folder):
    lines = list(csv.DictReader(io.StringIO((folder / "sweep.csv").read_text())))
    assert [line["privacy.epsilon"] for line in lines] == ["1.0", "2.0", "4.0", "8.0"] * 2 + ["-1"]
    assert {line["seeds"] for line in lines[:-1]} == {"0 1 2"}
    assert float(lines[0]["top1_sd"]) > 0
    assert "must be 1e-06 at least" in lines[-1]["failed"]
    assert not lines[-1]["top1_mean"]


def test_a_failed_and_a_stopped_job_are_listed(tmp_path):
    job(tmp_path / "0", top1=0.5)
    job(tmp_path / "1", top1=0.5, seed=1)
    (tmp_path / "1" / "results.json").unlink()
    keep_failure(tmp_path / "2", ["seed=2", "data=drawn"], "round 3 was aborted", exit_code=1)
    shown = table(read_sweep(tmp_path, words=["data=drawn", "seed=0,1,2"]))
    assert "failed      job 1 (seed=1): it was stopped before its end" in shown
    assert "failed      job 2 (seed=2): round 3 was aborted" in shown


@pytest.mark.parametrize("wrong", ["", "[]", "{}", '{"seed": 0, "engine": "x", "baselines": 3}', "\xff"])
@pytest.mark.parametrize("name", ["results.json", "failed.json"])
def test_a_file_that_is_none_is_one_sentence(name, wrong, tmp_path):
    job(tmp_path / "0", top1=0.5)
    (tmp_path / "0" / name).write_bytes(wrong.encode("latin-1"))
    with pytest.raises(FormatError, match=f"{name} is not what a job of a sweep leaves"):
        read_sweep(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"top1": float("nan")},
        {"top1": 10**400},
        {"top1": "0.5"},
        {"seed": "0"},
        {"baselines": {}},
        {"scored": {"part": None}},
    ],
    ids=["nan", "huge", "text", "seed", "baselines", "part"],
)
def test_figures_that_are_none_are_one_sentence(changes, tmp_path):
    for number in range(2):
        job(tmp_path / str(number), top1=0.5, seed=number)
    path = tmp_path / "1" / "results.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(FormatError, match=r"results\.json is not what a job of a sweep leaves"):
        read_sweep(tmp_path)


def test_without_any_result_there_is_a_list_and_no_plot(tmp_path):
    keep_failure(tmp_path / "0", ["data=drawn"], "memory was <short>", exit_code=1)
    assert write_sweep(tmp_path, read_sweep(tmp_path)) == ("sweep.csv", "sweep.html")
    assert "memory was &lt;short&gt;" in (tmp_path / "sweep.html").read_text()


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([{"model": {"name": name}} for name in ("history", "office-10k")], ("history", "office-10k")),
        ([{"privacy__clip_norm": 0.1 * n, "learn__clip_norm": 1.0 + n} for n in range(1, 9)], ("learn.clip_norm",)),
        (
            [{"epsilon": one} for one in (1.0, 4.0)],
            ("ε (employee level, against the server)", "Markov chain", "private counts, one release at the same ε"),
        ),
    ],
)
def test_the_plot_is_against_epsilon_a_number_or_names(runs, words, tmp_path):
    for number, changes in enumerate(runs):
        job(tmp_path / str(number), top1=0.5 + number / 100, **changes)
    write_sweep(tmp_path, read_sweep(tmp_path))
    texts = [one.text for one in ET.parse(tmp_path / "sweep.svg").iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314
    assert set(words) <= {text.split(", last")[0] for text in texts if text}


@pytest.mark.parametrize("differ", [True, False])
def test_private_counts_that_differ_between_modes_are_drawn_for_each(differ, tmp_path):
    for number, (mode, epsilon) in enumerate((mode, one) for mode in ("local", "secure") for one in (2.0, 8.0)):
        job(tmp_path / str(number), top1=0.5, epsilon=epsilon, privacy__mode=mode)
        if differ and mode == "local":
            path = tmp_path / str(number) / "results.json"
            results = json.loads(path.read_text())
            results["baselines"]["private_ngram"]["top1"] = 0.1
            path.write_text(json.dumps(results))
    write_sweep(tmp_path, read_sweep(tmp_path))
    page = (tmp_path / "sweep.html").read_text()
    assert ("private counts, one release at the same ε: privacy.mode=local" in page) is differ
    assert ("private counts, one release at the same ε: privacy.mode=secure" in page) is differ


@pytest.mark.parametrize("top1", [0.44, 0.46])
def test_the_public_start_stands_beside_the_best_and_a_sweep_that_did_harm_says_so(top1, tmp_path):
    for number, rate in enumerate((0.5, 5.0)):
        job(tmp_path / str(number), top1=top1 - 0.01 * number, privacy__clip_norm=rate)
    sweep = read_sweep(tmp_path)
    write_sweep(tmp_path, sweep)
    page = (tmp_path / "sweep.html").read_text()
    assert page.count("public start, no training") >= 2  # in words, and beside the plot
    assert ("No training did better than none." in page) is (top1 < 0.45)
    assert "0.450" in table(sweep).splitlines()[1]
    assert [row["start_top1"] for row in csv.DictReader(io.StringIO((tmp_path / "sweep.csv").read_text()))] == [
        "0.45",
        "0.45",
    ]


def test_runs_that_were_scored_on_different_people_are_not_ranked_and_share_no_line(tmp_path):
    for number, (data, markov) in enumerate((("office", 0.5), ("drawn", 0.6))):
        job(tmp_path / str(number), top1=0.55, data__source=data)
        path = tmp_path / str(number) / "results.json"
        results = json.loads(path.read_text())
        results["baselines"]["markov3"]["top1"] = markov
        results["baselines"]["private_ngram"]["top1"] = markov - 0.1
        path.write_text(json.dumps(results))
    write_sweep(tmp_path, read_sweep(tmp_path))
    page = (tmp_path / "sweep.html").read_text()
    assert "none of them is called the best" in page
    assert "At best" not in page
    assert "Markov chain" not in (tmp_path / "sweep.svg").read_text()
    assert "private counts" not in (tmp_path / "sweep.svg").read_text()


def test_rows_of_several_names_are_told_apart_beside_the_plot(tmp_path):
    for number, (model, rule) in enumerate(product(("history", "office-10k"), ("mean", "median"))):
        job(
            tmp_path / str(number),
            top1=0.5 + number / 100,
            model={"name": model},
            server__aggregation={"name": rule},
            privacy__mode="local",
        )
    write_sweep(
        tmp_path, read_sweep(tmp_path)
    )  # matplotlib warns where nothing but labels fits, and warnings fail here
    texts = [one.text for one in ET.parse(tmp_path / "sweep.svg").iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314
    assert [text for text in texts if "=" in text] == [
        word
        for model in ("history", "office-10k")
        for rule in ("mean", "median")
        for word in (f"model={model}", f"aggregation={rule}")
    ]


def test_an_epsilon_is_rounded_up():
    assert spread("epsilon", Figure(mean=9.0811, sd=None)) == "9.09"
    assert spread("epsilon", Figure(mean=3.99999999, sd=0.0)) == "4.00"


def test_what_ran_away_takes_no_line_of_digits(tmp_path):
    job(tmp_path / "0", top1=0.1)
    path = tmp_path / "0" / "results.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"perplexity": 6.3e36}))
    assert "6.3e+36" in table(read_sweep(tmp_path))


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed")
def test_the_page_fits_reads_and_asks_for_nothing(folder, tmp_path):
    with browser(tmp_path / "profile") as window:
        for width in (1280, 390):
            for dark in (False, True):
                window.open(folder / "sweep.html", width=width, dark=dark)
                assert window.ask("return document.scrollingElement.scrollWidth <= innerWidth")
                assert window.complaints() == []
                assert window.ask("return performance.getEntriesByType('resource').length") == 0
                assert window.ask(CONTRAST) == []
