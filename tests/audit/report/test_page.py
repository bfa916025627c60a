"""What the page claims, and what it never does."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup

from reticent.aggregate.validation import Reason
from reticent.audit.report import pictures, wording
from reticent.audit.report.files import Adversary
from reticent.audit.report.page import page
from reticent.audit.report.plots import Line
from reticent.audit.report.read import read_run
from reticent.cli import main
from reticent.privacy.guarantees import Adversary as KnownAdversary
from tests.audit.report import samples
from tests.audit.report.samples import Sample


class Text(HTMLParser):
    """What a reader sees, the tags that were met, and every attribute."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.pre: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag in ("pre", "style"):
            self._inside = tag
            self.pre += [""] if tag == "pre" else []

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "pre":
            self.pre[-1] += data
        if self._inside != "style":
            self.parts.append(data)

    @property
    def shown(self) -> str:
        return " ".join(" ".join(self.parts).split())


def made(sample: Sample, folder: Path) -> str:
    return page(read_run(sample.write(folder))).decode()


def small(**changes: Any) -> Sample:
    """A real run without a simulation; `changes` go into privacy.json."""
    sample = samples.real(simulation=False)
    sample.privacy.update(changes)
    return sample


def test_every_epsilon_of_privacy_json_is_shown_rounded_up_and_exactly(folder: Path, html: str) -> None:
    for place in (folder, folder / "simulation"):
        for figure in json.loads((place / "privacy.json").read_text())["guarantees"]:
            shown = wording.epsilon(figure["epsilon"])
            assert f'<data value="{figure["epsilon"]!r}"><b>{shown}</b>' in html
            assert float(shown.replace(",", "")) >= figure["epsilon"]


def test_every_round_is_a_row_with_its_metric_and_epsilon(folder: Path, html: str) -> None:
    privacy = json.loads((folder / "simulation" / "privacy.json").read_text())
    rounds = html[html.index("Simulated rounds") :]
    for one in privacy["by_round"]:
        assert f'scope="row">{one["round"] + 1}</th>' in rounds
        assert f">{wording.epsilon(one['employee']['server'])}</td>" in rounds


def test_what_is_left_of_each_limit_is_a_picture_and_without_limits_there_is_none(html: str, tmp_path: Path) -> None:
    assert html.count("<h4>Budget left by this run</h4>") == 1
    assert html.count("<h4>Budget left (simulated)</h4>") == 1
    assert "what other runs took of a person" in html
    drawn: list[tuple[tuple[float, float], ...]] = []
    real = pictures.curves

    def noted(name: str, lines: Sequence[Line], **rest: Any) -> Markup:
        drawn.extend(line.points for line in lines if name.endswith("-left"))
        return real(name, lines, **rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "curves", noted)
        sample = samples.simulated(rounds=3)
        made(sample, tmp_path / "drawn")
    for points, unit in zip(drawn, ("employee", "example"), strict=True):
        limit = sample.privacy["limits"][unit]
        left = [1 - one[unit]["server"] / limit for one in sample.privacy["by_round"]]
        assert points[0] == (0.0, 1.0)
        assert [share for _, share in points[1:]] == pytest.approx(left)
    assert "one person, of ε = " in html
    sample = small()
    sample.privacy["limits"] = {"employee": None, "example": None}
    unlimited = made(sample, tmp_path)
    assert "Budget left" not in unlimited
    assert '<b class="soft">No limit was set; the audits hold.</b>' in unlimited


def test_the_two_levels_are_never_added(html: str) -> None:
    assert "The two levels are never added." in html
    assert not re.search(r"\b9\.5[1-3]\b", Text(html).shown)  # 7.462 + 2.054


def test_limits_that_held_are_said_to_hold_in_words(html: str) -> None:
    shown = Text(html).shown
    assert "The limits held; the audits hold." in shown
    assert "within the limit of 8" in shown
    assert "OVER" not in shown


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"employee": 7.0, "example": 8.0}, "THE LIMIT WAS PASSED"),
        ({"employee": 8.0, "example": 2.0}, "THE LIMIT WAS PASSED"),
        ({"employee": 7.0, "example": 2.0}, "THE LIMITS WERE PASSED"),
    ],
)
def test_a_passed_limit_is_said_in_words_in_the_verdict_the_tile_and_the_table(
    limits: dict[str, float], said: str, tmp_path: Path
) -> None:
    shown = Text(made(small(limits=limits), tmp_path)).shown
    assert said in shown
    passed = [limit for limit in limits.values() if limit < 8]
    for limit in set(passed):
        assert shown.count(f"OVER the limit of {limit:g}") >= 3
    assert "The limits held" not in shown


def test_a_figure_at_its_limit_is_within_it(tmp_path: Path) -> None:
    sample = small()
    sample.privacy["limits"]["employee"] = sample.privacy["guarantees"][0]["epsilon"]
    assert "OVER" not in made(sample, tmp_path)


def test_a_figure_that_does_not_follow_from_its_events_is_called_out(tmp_path: Path) -> None:
    sample = small()
    sample.privacy["guarantees"][0]["epsilon"] = 3.0
    shown = Text(made(sample, tmp_path)).shown
    assert "figures do NOT follow from the events" in shown
    assert "employee, server, zero-out: the file says 3.00, its events give 7.47" in shown
    assert "and agrees" not in shown


def test_figures_that_follow_from_their_events_are_said_to_in_both_modes(html: str) -> None:
    assert html.count("computed again from the events in privacy.json while this page was made, and agrees") == 2


def test_a_simulation_beside_the_run_is_labelled_and_its_assumption_said(html: str) -> None:
    scale = html[html.index('id="scale"') :]
    assert "Simulated: no device took part, and secure aggregation is assumed, not run" in scale
    assert "secure aggregation was assumed and not run" in scale
    assert "Simulated: no device" not in html[: html.index('id="scale"')]


@pytest.mark.parametrize("simulated", [True, False])
def test_a_run_in_one_process_is_labelled_whatever_its_files_claim(simulated: bool, tmp_path: Path) -> None:
    sample = samples.simulated(rounds=3)
    sample.privacy["simulated"] = simulated
    html = made(sample, tmp_path)
    assert html.index("Simulated: no device took part") < html.index("<nav")
    assert '<b class="soft">The limits would have held; nothing was audited.</b>' in html
    assert "it would have cost each person" in html
    assert "it cost" not in html
    assert f"were simulated by the engine <code>{sample.results['engine']}</code>" in html
    assert "A simulation has no ledgers" in html
    assert "reticent audit verify DEVICE_FOLDER" not in html


def test_a_real_run_that_nobody_audited_says_so(tmp_path: Path) -> None:
    sample = small()
    sample.audit = None
    assert "nobody has checked the ledgers yet" in made(sample, tmp_path)


def test_an_audit_that_does_not_hold_is_said_in_words_in_the_verdict(tmp_path: Path) -> None:
    sample = small()
    assert sample.audit is not None
    sample.audit["ledgers"][1] |= {"holds": False, "lines": ["entry 4 of the ledger was edited"]}
    shown = Text(made(sample, tmp_path)).shown
    assert "the audits do NOT hold" in shown
    assert "3 of 4 ledgers hold" in shown
    assert "entry 4 of the ledger was edited" in shown


def test_aborted_rounds_incidents_and_dropped_replies_are_told_in_words(tmp_path: Path) -> None:
    sample = small()
    failed = sample.rounds[2] | {
        "status": "aborted", "new_weights_hash": None, "metrics": None, "released": 2, "abstained": 1,
        "reason": "2 of 4 devices gave a valid release, the plan needs 3; nothing was applied",
        "dropped": {"silent": 1, "rolled_back": 1}, "incidents": {"4b43a99c": "rolled_back"},
    }  # fmt: skip
    sample.rounds.insert(2, failed)
    shown = Text(made(sample, tmp_path)).shown
    assert "(1 attempt was aborted)" in shown
    assert "ABORTED, nothing applied" in shown
    assert "2 of 4 devices gave a valid release, the plan needs 3" in shown
    assert "1 × no answer in time" in shown
    assert "LOOK HERE: device 4b43a99c: the device's ledger had gone back in time" in shown


def test_every_reason_for_a_dropped_reply_has_words() -> None:
    assert set(wording.DROPPED) == {reason.value for reason in Reason}


def test_the_adversaries_are_those_of_the_guarantees() -> None:
    assert {one.value for one in Adversary} == set(KnownAdversary.__args__)  # type: ignore[attr-defined]


def test_metrics_that_were_never_measured_are_dashes_and_no_plot(tmp_path: Path) -> None:
    sample = small()
    nothing = dict.fromkeys(wording.METRICS)
    for line in sample.rounds:
        line["metrics"] = None
    sample.results |= nothing | {"start": nothing, "baselines": {}, "within_person": None, "per_person": {}}
    html = made(sample, tmp_path)
    assert "How good the model is was not measured." in html
    assert "<h4>Next action right</h4>" not in html
    assert "<h4>One training window</h4>" in html


def test_held_out_time_stands_beside_its_own_baselines(tmp_path: Path) -> None:
    sample = small()
    assert 'there: Markov chain, last 3, of those who trained</th><td class="num">0.612' in made(sample, tmp_path)
    del sample.results["within_person_baselines"]
    assert "of those who trained" not in made(sample, tmp_path)


def test_a_perplexity_that_ran_away_takes_no_line_of_digits() -> None:
    assert (wording.metric("perplexity", 6.3e36), wording.metric("perplexity", 999_999.0)) == ("6.3e+36", "999,999.00")


def test_metrics_that_are_null_in_some_rounds_only_leave_gaps(tmp_path: Path) -> None:
    sample = small()
    sample.rounds[2]["metrics"] = None
    sample.rounds[1]["metrics"]["cell_top1"] = None
    assert "<h4>Next action right</h4>" in made(sample, tmp_path)


def test_a_clip_norm_is_drawn_where_it_moved_and_only_there(tmp_path: Path) -> None:
    sample = small()
    for line in sample.rounds:
        line["clip_norm"] = 0.05
    assert "<h4>Clip norm</h4>" not in made(sample, tmp_path / "fixed")
    sample.rounds[-1]["clip_norm"] = 0.04
    assert "<h4>Clip norm</h4>" in made(sample, tmp_path / "moved")


@pytest.mark.parametrize("rounds", [0, 1])
def test_none_or_one_round_makes_a_page(rounds: int, tmp_path: Path) -> None:
    sample = samples.real(rounds=1, simulation=False)
    if rounds == 0:
        del sample.rounds[1:]
        sample.privacy |= {"events": [], "guarantees": [], "by_round": [], "rounds_of_one_person": 0}
    html = made(sample, tmp_path)
    assert f"in {rounds} of 1 planned round" in html
    assert ("Nobody was charged" in html) == (rounds == 0)


def test_a_thousand_rounds_beside_a_thousand_simulated_ones_stay_under_a_megabyte(tmp_path: Path) -> None:
    sample = samples.real(rounds=1_000, simulation=False)
    sample.simulation = samples.simulated(rounds=1_000)
    html = made(sample, tmp_path)
    assert len(html.encode()) < 1_000_000
    assert html.count('scope="row">1000</th>') == 2


def test_the_same_input_gives_the_same_bytes_whatever_style_somebody_set(folder: Path, html: str) -> None:
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.facecolor": "red"}):
        assert page(read_run(folder)).decode() == html
        assert mpl.rcParams["font.size"] == 30  # and that style is still theirs


def test_the_page_runs_no_script_and_names_nothing_outside_itself(html: str) -> None:
    text = Text(html)
    assert not text.tags & {"script", "iframe", "object", "embed", "img", "form", "base", "audio", "video", "image"}
    assert not re.search(r"https?:|//[a-z]|@import|file:|xmlns", html)
    assert set(re.findall(r"url\(([^)]*)\)", html)) <= {
        f"#{name}" for name, _ in re.findall(r'id="(p[0-9a-f]+)"()', html)
    }
    for name, value in text.attributes:
        assert not name.startswith("on")
        if name in ("href", "src"):
            assert value.startswith("#") or value == "data:,"
    assert "default-src 'none'" in html


def test_ids_are_distinct_and_every_reference_has_its_target(html: str) -> None:
    ids = [value for name, value in Text(html).attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for name, value in Text(html).attributes if name == "href" and value.startswith("#")} <= set(ids)


EVIL = "</style></pre><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}\u202e"


def poisoned(value: Any, keep: frozenset[str], name: str = "") -> Any:
    """Every string EVIL, names of fields and closed words kept."""
    if isinstance(value, dict):
        return {key: poisoned(one, keep, key) for key, one in value.items()}
    if isinstance(value, list):
        return [poisoned(one, keep, name) for one in value]
    return EVIL if isinstance(value, str) and name not in keep else value


def test_hostile_text_in_every_string_stays_text(tmp_path: Path) -> None:
    sample = samples.real()
    closed = frozenset({"status", "unit", "adversary", "adjacency", "mode"})
    assert sample.simulation is not None
    for one in (sample, sample.simulation):
        one.config = EVIL + "\n\ttabs"
        one.rounds = poisoned(one.rounds, closed)
        one.rounds[1] |= {"dropped": {EVIL: 1}, "incidents": {EVIL: EVIL}}
        one.privacy = poisoned(one.privacy, closed)
        one.results = poisoned(one.results, closed)
        one.results["baselines"][EVIL] = one.results["start"]
        one.results["per_person"][EVIL] = one.results["per_person"]["top1"]
        one.audit = poisoned(one.audit, closed)
    html = made(sample, tmp_path)
    text = Text(html)
    assert not text.tags & {"script", "img"}
    assert not [name for name, _ in text.attributes if name.startswith("on")]
    assert "49" not in re.findall(r"onerror=alert\(1\)&gt;([^ ]*)", html)
    assert "{{ 7*7 }}" in text.shown
    assert "\u202e" not in html
    assert "\\u202e" in html


def test_a_hostile_ledger_name_is_one_word_of_the_command_to_paste(tmp_path: Path) -> None:
    sample = small()
    assert sample.audit is not None
    sample.audit["ledgers"][0]["name"] = "a; rm -rf ~ $(id)"
    sample.audit["ledgers"][1]["name"] = "--json"
    commands = [one for one in Text(made(sample, tmp_path)).pre if one.startswith("reticent audit")]
    assert shlex.split(commands[0])[3] == "a; rm -rf ~ $(id)"
    assert shlex.split(commands[1])[5:] == ["a; rm -rf ~ $(id)", "./--json", "device-3", "device-4"]


def test_the_commands_to_paste_give_the_figures_of_the_page(html: str, capsys: pytest.CaptureFixture[str]) -> None:
    page_commands = [one for one in Text(html).pre if one.startswith("reticent privacy epsilon")]
    assert len(page_commands) == 3  # the server and solo are one in mode local
    said = []
    for command in page_commands:
        assert main([*shlex.split(command)[1:], "--json"]) == 0
        said.append(json.loads(capsys.readouterr().out))
    assert [wording.epsilon(one["on_grid"]) for one in said[:2]] == ["7.47", "3.98"]
    assert [wording.epsilon(one["replace_one"]) for one in said[:2]] == ["17.30", "8.85"]
    assert wording.epsilon(said[2]["epsilon"]) == "2.06"


@pytest.mark.parametrize(
    "sample", [samples.real(simulation=False), samples.simulated(rounds=40)], ids=["local", "secure"]
)
def test_the_formula_to_paste_needs_python_alone_and_meets_delta(sample: Sample, tmp_path: Path) -> None:
    (snippet,) = [one for one in Text(made(sample, tmp_path)).pre if one.startswith("from math import")]
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", snippet], capture_output=True, text=True, check=True)
    assert 0.98e-6 < float(ran.stdout) <= 1e-6


def test_rounds_with_different_noise_become_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from reticent.privacy.gaussian import composed_mu
    from reticent.privacy.grid import release_epsilon

    sample = small()
    first = sample.privacy["events"][0]
    sample.privacy["events"] = [first | {"rounds": 2}, first | {"noise_multiplier": 3.0, "rounds": 1}]
    command = next(one for one in Text(made(sample, tmp_path)).pre if one.startswith("reticent privacy epsilon"))
    main([*shlex.split(command)[1:], "--json"])
    expected = release_epsilon(composed_mu([(1.2, 2), (3.0, 1)]), delta=1e-6)
    assert json.loads(capsys.readouterr().out)["on_grid"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.00123, "0.0013"),
        (0.1, "0.10"),
        (7.462135, "7.47"),
        (8.0, "8.00"),
        (3.9999999, "4.00"),
        (4e6, "4,000,000.00"),
    ],
)
def test_an_epsilon_is_never_shown_smaller_than_it_is(value: float, shown: str) -> None:
    assert wording.epsilon(value) == shown


def test_a_delta_that_gives_a_person_away_is_called_out(tmp_path: Path) -> None:
    assert "Ask for a smaller δ" in made(small(people=1_000_001), tmp_path)


def test_the_screen_is_shown_where_it_was_measured_and_nothing_where_not(html: str, tmp_path: Path) -> None:
    assert html.count("row 1, column 2: 60 %") == 2  # of the devices' run and of the simulation
    assert "row 1, column 1:" not in html
    blank = samples.real(simulation=False)
    blank.results["screen"] = [[None] * 16] * 12
    assert "Where on the screen" not in page(read_run(blank.write(tmp_path))).decode()
