"""`reticent privacy`: figures that a stranger can check, and one sentence for what makes no sense."""

import json
import math
import subprocess
import sys
from typing import Any

import pytest
from click.testing import CliRunner

from reticent.cli.privacy import privacy
from reticent.errors import SettingError


def run(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(privacy, [*words], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.output


def parsed(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*words, "--json"), parse_constant=pytest.fail)
    return found


EPSILON = ("epsilon", "--noise-multiplier", "1", "--steps", "1", "--delta", "1e-5")
CALIBRATE = ("calibrate", "--epsilon", "4", "--delta", "1e-6", "--steps", "30")


def changed(words: tuple[str, ...], option: str, value: str) -> list[str]:
    if option not in words:
        return [*words, option, value]
    at = words.index(option)
    return [*words[: at + 1], value, *words[at + 2 :]]


def test_epsilon_without_sampling_is_exact() -> None:
    said = parsed("epsilon", "--noise-multiplier", "5", "--steps", "50", "--delta", "1e-6")
    assert said["epsilon"] == said["accountants"]["exact"] == pytest.approx(7.286, abs=0.005)
    assert said["replace_one"] == pytest.approx(16.86, abs=0.005)
    assert said["epsilon"] < said["on_grid"] < said["epsilon"] + 1e-5
    assert list(said["accountants"]) == ["exact", "pld", "rdp", "prv"]
    assert (said["noise_multiplier"], said["sampling_rate"], said["steps"], said["delta"]) == (5.0, 1.0, 50, 1e-6)
    assert said["reasons"] == {}


def test_epsilon_with_sampling_is_pessimistic_and_says_what_is_missing() -> None:
    said = parsed("epsilon", "--noise-multiplier", "1", "--sampling-rate", ".01", "--steps", "1000", "--delta", "1e-5")
    assert said["record"] == "pld"
    assert said["epsilon"] == pytest.approx(1.828, abs=0.001)
    assert said["accountants"]["exact"] is None
    assert said["replace_one"] is None
    assert set(said["reasons"]) == {"exact", "replace_one", "on_grid"}


def test_the_table_marks_the_figure_of_record_and_says_why() -> None:
    said = run(*EPSILON)
    assert "epsilon 4.37718 at delta 1e-05" in said
    assert "of record: exact, because nothing is sampled" in said
    assert len([line for line in said.splitlines() if line.startswith("  > exact")]) == 1
    assert len(said.splitlines()) < 12


def test_an_accountant_that_cannot_answer_is_null_with_a_reason() -> None:
    words = ("epsilon", "--noise-multiplier", ".3", "--sampling-rate", ".1", "--steps", "5000", "--delta", "1e-5")
    said = parsed(*words)
    assert said["accountants"]["prv"] is None
    assert "losses reach" in said["reasons"]["prv"]
    assert "unavailable   privacy losses reach" in run(*words)


@pytest.mark.parametrize("steps", ["1000000000"])
@pytest.mark.parametrize("rate", ["1", "0.01"])
def test_a_thousand_million_steps_are_answered(steps: str, rate: str) -> None:
    said = parsed("epsilon", "--noise-multiplier", "1000", "--sampling-rate", rate, "--steps", steps, "--delta", "1e-5")
    assert math.isfinite(said["epsilon"])
    assert said["record"] == ("exact" if rate == "1" else "rdp")


BAD = [
    *[("--noise-multiplier", bad) for bad in ("nan", "inf", "-inf", "0", "-1", "1e-300", "1e300")],
    *[("--sampling-rate", bad) for bad in ("nan", "inf", "0", "-0.5", "1.01", "1e-300")],
    *[("--steps", bad) for bad in ("0", "-1", "1000000001", "9" * 40)],
    *[("--delta", bad) for bad in ("nan", "inf", "0", "-1e-5", "1", "1.5", "1e-300")],
]


@pytest.mark.parametrize(("option", "value"), BAD, ids="=".join)
def test_an_impossible_setting_is_refused_in_one_sentence(option: str, value: str) -> None:
    with pytest.raises(SettingError, match=option[2:].replace("-", "_")) as caught:
        run(*changed(EPSILON, option, value))
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


BAD_TARGETS = [
    *[("--epsilon", bad) for bad in ("nan", "inf", "0", "-4", "1e7")],
    *[(option, value) for option, value in BAD if option != "--noise-multiplier"],
]


@pytest.mark.parametrize(("option", "value"), BAD_TARGETS, ids="=".join)
def test_an_impossible_target_is_refused_in_one_sentence(option: str, value: str) -> None:
    with pytest.raises(SettingError, match=option[2:].replace("-", "_")) as caught:
        run(*changed(CALIBRATE, option, value))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("option", "value"),
    [("--steps", "1e9"), ("--steps", "1.5"), ("--steps", ""), ("--delta", "small"), ("--noise-multiplier", "five")],
    ids="=".join,
)
def test_what_is_no_number_is_wrong_use(option: str, value: str) -> None:
    said = run(*changed(EPSILON, option, value), code=2)
    assert f"Invalid value for '{option}'" in said


@pytest.mark.parametrize("missing", ["--noise-multiplier", "--steps", "--delta"])
def test_what_is_missing_is_named(missing: str) -> None:
    at = EPSILON.index(missing)
    assert missing in run(*EPSILON[:at], *EPSILON[at + 2 :], code=2)


def test_calibrate_keeps_to_the_target_and_says_what_it_costs() -> None:
    said = parsed(*CALIBRATE)
    assert 3.9999 < said["epsilon"] <= 4
    assert said["noise_multiplier"] == pytest.approx(6.53717, abs=1e-4)
    checked = parsed(
        "epsilon", "--noise-multiplier", repr(said["noise_multiplier"]), "--steps", "30", "--delta", "1e-6"
    )
    assert checked["epsilon"] == said["epsilon"]
    assert checked["on_grid"] <= 4 * (1 + 1e-12)
    assert "noise multiplier 6.537" in run(*CALIBRATE)


def test_calibrate_with_sampling() -> None:
    said = parsed("calibrate", "--epsilon", ".1", "--delta", "1e-5", "--steps", "10000", "--sampling-rate", ".01")
    assert said["noise_multiplier"] == pytest.approx(30.78, abs=0.01)
    assert said["record"] == "pld"
    assert 0.09999 < said["epsilon"] <= 0.1


def test_accountants_that_contradict_each_other_end_with_exit_1(monkeypatch: pytest.MonkeyPatch) -> None:
    from reticent.privacy import accountants

    monkeypatch.setattr(accountants, "rdp_epsilon", lambda parts, *, delta: 0.5)
    assert "DISAGREEMENT" in run(*EPSILON, code=1)
    assert json.loads(run(*EPSILON, "--json", code=1))["disagreements"]


@pytest.mark.parametrize("words", [("--help",), ("epsilon", "--help"), ("calibrate", "--help")], ids=" ".join)
def test_help_shows_an_example(words: tuple[str, ...]) -> None:
    assert "Example: reticent privacy " in run(*words)


def test_help_and_refusals_import_nothing_heavy() -> None:
    program = (
        "import sys; from reticent.cli.privacy import privacy\n"
        "try: privacy(['epsilon', '--noise-multiplier', 'nan', '--steps', '1', '--delta', '.1'], standalone_mode=False)\n"
        "except Exception as error: print(type(error).__name__)\n"
        "print(*sorted({'torch', 'opacus', 'dp_accounting', 'opendp'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["SettingError"]
