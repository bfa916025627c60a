"""The YAML files that an operator writes: policies and plans."""

import contextlib
import datetime
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent.aggregate.optimiser import Adam, Momentum
from reticent.errors import FormatError, InputError, PolicyViolation, SettingError, SignatureError, StateError
from reticent.privacy.filters import admits
from reticent.privacy.mechanism import check_grid
from reticent.records.keys import SigningKey
from reticent.records.policy import PolicyOffer, approve, check_acceptance, check_plan
from reticent.server import plans, policies
from reticent.server.creation import create
from reticent.server.documents import read_yaml
from reticent.server.settings import ServerPaths

NOW = 1_800_000_000


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    root = tmp_path_factory.mktemp("drafts") / "srv"
    create(root, address="127.0.0.1:0", now=datetime.datetime.now(datetime.UTC))
    policies.publish(ServerPaths(root), root / "policy.yaml", council=None)
    return ServerPaths(root)


def written(folder: Path, text: str) -> Path:
    path = folder / "draft.yaml"
    path.write_text(text, "utf-8")
    return path


def changed(draft: Path, folder: Path, line: str, by: str) -> Path:
    """The shipped draft with the line that starts with `line` replaced."""
    lines = draft.read_text("utf-8").split("\n")
    assert sum(one.lstrip("# ").startswith(line) for one in lines) == 1
    return written(folder, "\n".join(by if one.lstrip("# ").startswith(line) else one for one in lines))


def test_the_shipped_policy_is_what_a_new_device_may_accept(paths):
    offer, policy = policies.publish(paths, paths.policy_draft, council=None)
    stored = PolicyOffer.from_bytes(paths.policy.read_bytes())
    assert check_acceptance(stored, accepted=None, fresh_yes=True) == policy
    assert policy.receipt_key == SigningKey.load(paths.receipt_key).public.hex
    assert policies.current(paths) == (offer, policy)


def test_the_shipped_plan_fits_the_shipped_policy_to_its_last_round(paths):
    _, policy = policies.publish(paths, paths.policy_draft, council=None)
    plan = plans.complete(plans.read_draft(paths.plan_draft), now=NOW)
    for number in (0, plan.rounds - 1):
        check_plan(plan, policy, round=number, now=NOW)
    events = plan.events() * plan.rounds
    for event, limit in zip(plan.events(), (policy.epsilon_employee, policy.epsilon_example), strict=True):
        assert admits(events, unit=event.unit, epsilon=limit, delta=policy.delta)


def test_the_grid_is_filled_in_and_a_given_one_is_kept(paths, tmp_path):
    plan = plans.complete(plans.read_draft(paths.plan_draft), now=NOW)
    release = plan.release
    check_grid(
        clip_norm=release.clip_norm,
        grid=release.grid,
        noise_multiplier=release.noise_multiplier,
        parameters=plan.parameters,
    )
    draft = changed(paths.plan_draft, tmp_path, "grid", "  grid: 1.0e-5")
    assert plans.complete(plans.read_draft(draft), now=NOW).release.grid == 1e-5


def test_a_draft_chooses_the_server_s_optimiser_and_the_plan_doesn_t_say_it(paths, tmp_path):
    before = plans.read_draft(paths.plan_draft)
    draft = written(tmp_path, paths.plan_draft.read_text("utf-8") + "\noptimiser:\n  name: adam\n  tau: 0.01\n")
    asked = plans.read_draft(draft)
    assert (before.optimiser, asked.optimiser) == (Momentum(), Adam(tau=0.01))
    assert plans.complete(asked, now=NOW) == plans.complete(before, now=NOW)


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ("name: lion", "optimiser must name one of"),
        ("tau: 1.0", "optimiser must have a name"),
        ("name: momentum\n  momentum: 1", "optimiser.momentum.momentum must be less than 1"),
        ("name: adam\n  learning_rate: -1", "optimiser.adam.learning_rate"),
    ],
)
def test_an_optimiser_that_makes_no_sense_is_named(paths, tmp_path, lines, named):
    draft = written(tmp_path, paths.plan_draft.read_text("utf-8") + f"\noptimiser:\n  {lines}\n")
    with pytest.raises(SettingError, match=re.escape(named)):
        plans.read_draft(draft)


def test_the_summary_shows_the_hash_and_what_a_person_pays(paths):
    offer, policy = policies.publish(paths, paths.policy_draft, council=None)
    text = policies.summary(offer, policy)
    assert offer.hash in text
    assert "costs a person epsilon 7.29" in text  # exact composition: sigma 5, 50 rounds, delta 1e-6
    assert "no council" in text


@pytest.mark.parametrize(
    ("line", "by", "named"),
    [
        ("min_noise_multiplier", "min_noise_multiplier: .nan", "min_noise_multiplier"),
        ("min_noise_multiplier", "min_noise_multiplier: .inf", "min_noise_multiplier"),
        ("min_noise_multiplier", "min_noise_multiplier: 0", "min_noise_multiplier"),
        ("min_noise_multiplier", "min_noise_multiplier: -5.0", "min_noise_multiplier"),
        ("min_noise_multiplier", 'min_noise_multiplier: "5"', "min_noise_multiplier"),
        ("min_noise_multiplier", "min_noise_multiplier: true", "min_noise_multiplier"),
        ("min_noise_multiplier", "min_noise_multiplier: 1e400", "min_noise_multiplier"),
        ("min_noise_multiplier", "", "min_noise_multiplier"),
        ("min_noise_multiplier", "noise: 5.0", "min_noise_multiplier"),
        ("max_rounds", "max_rounds: 5.5", "max_rounds"),
        ("max_rounds", "max_rounds: 50\nmax_rounds: 500", "max_rounds"),
        ("trainable", "trainable: heads", "trainable"),
        ("trainable", "trainable: [legs]", "trainable"),
        ("modes", "modes: []", "modes"),
        ("receipt_key", "receipt_key: abc", "receipt_key"),
        ("council_key", "council_key: 12", "council_key"),
        ("organisation", "organisation: 2026-01-01", None),
        ("organisation", "surprise: 1\norganisation: x", "surprise"),
    ],
)
def test_a_wrong_policy_names_the_field_and_signs_nothing(paths, tmp_path, line, by, named):
    before = paths.policy.read_bytes()
    draft = changed(paths.policy_draft, tmp_path, line, by)
    if named is None:  # a date is text here, as it stands
        assert policies.read_draft(draft, receipt_key=SigningKey.generate().public).organisation == "2026-01-01"
        return
    with pytest.raises(SettingError, match=named):
        policies.publish(paths, draft, council=None)
    assert paths.policy.read_bytes() == before


@pytest.mark.parametrize(
    ("line", "by", "why"),
    [
        ("models", "models: [office-9000, other]", "models names none that devices know"),
        ("modes", "modes: [secure]", "modes allows secure alone"),
        ("steps", "steps: 2000000", "no plan can have more than 1,000,000"),
        ("expected_batch", "expected_batch: 2000000", "no plan can have more than 1,000,000"),
    ],
)
def test_terms_under_which_every_plan_would_be_refused_are_not_signed(paths, tmp_path, line, by, why):
    before = paths.policy.read_bytes()
    with pytest.raises(SettingError, match=why):
        policies.publish(paths, changed(paths.policy_draft, tmp_path, line, by), council=None)
    assert paths.policy.read_bytes() == before


@pytest.mark.parametrize(
    ("line", "by", "warning"),
    [
        ("models", "models: [office-60k, office-9000]", "devices of this release don't know office-9000"),
        ("modes", "modes: [local, secure]", "refuse every plan of mode secure"),
        ("min_cohort", "min_cohort: 1", "min_cohort 1 lets a round be one device's alone"),
    ],
)
def test_terms_that_devices_take_in_part_are_signed_with_one_warning(paths, tmp_path, line, by, warning):
    before = paths.policy.read_bytes()
    signed = policies.publish(paths, changed(paths.policy_draft, tmp_path, line, by), council=None)
    (said,) = [one for one in policies.summary(*signed).splitlines() if one.startswith("warning  ")]
    assert warning in said
    paths.policy.write_bytes(before)


def test_the_shipped_policy_is_signed_without_a_warning(paths):
    assert policies.warnings(policies.current(paths)[1]) == ()


def test_numbers_in_any_usual_spelling(tmp_path):
    values = read_yaml(written(tmp_path, "a: 1e-6\nb: 1.0e-6\nc: 5\nd: -0.5\ne: no\nf: ~\ng: [true, x]\nh: {i: 2}"))
    assert values == {"a": 1e-6, "b": 1e-6, "c": 5, "d": -0.5, "e": "no", "f": None, "g": [True, "x"], "h": {"i": 2}}


@pytest.mark.parametrize(
    "text",
    [
        *("", "- a", "a", "a: b: c", "a: [", "a: &x 1\nb: *x", "a: !!python/object:os.system x", "a: !!binary aGk="),
        *(
            "1: a",
            "a: {1: b}",
            "? [a]\n: b",
            "a: " + "[" * 2000,
            "a: \x00",
            "---\na: 1\n---\nb: 2",
            "a: " + "x" * 70_000,
        ),
    ],
)
def test_yaml_with_surprises_is_refused(tmp_path, text):
    with pytest.raises(InputError):
        read_yaml(written(tmp_path, text))


@given(st.binary(max_size=60))
def test_no_bytes_at_all_end_in_anything_but_a_sentence(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("noise", numbered=True) / "draft.yaml"
    path.write_bytes(data)
    with contextlib.suppress(InputError):
        read_yaml(path)


def test_a_missing_draft_is_a_sentence(paths, tmp_path):
    with pytest.raises(StateError, match="does not exist"):
        policies.publish(paths, tmp_path / "nowhere.yaml", council=None)


def test_no_policy_yet_is_a_sentence(tmp_path):
    create(tmp_path / "srv", address="127.0.0.1:0", now=datetime.datetime.now(datetime.UTC))
    with pytest.raises(StateError, match="reticent server policy"):
        policies.current(ServerPaths(tmp_path / "srv"))


def test_the_council_approves_exactly_one_policy(paths, tmp_path):
    council, other = SigningKey.generate(), SigningKey.generate()
    draft = changed(paths.policy_draft, tmp_path, "council_key", f"council_key: {council.public.hex}")
    offer, policy = policies.publish(paths, draft, council=None)
    assert "NOT yet approved" in policies.summary(offer, policy)
    with pytest.raises(PolicyViolation):
        check_acceptance(offer, accepted=None, fresh_yes=True)

    approval = tmp_path / "approval.json"
    approval.write_text(json.dumps(approve(offer.policy, council).to_json(), indent=2))
    offer, policy = policies.publish(paths, draft, council=approval)
    assert check_acceptance(offer, accepted=None, fresh_yes=True) == policy
    assert "approved by the council" in policies.summary(offer, policy)

    before = paths.policy.read_bytes()
    stricter = changed(draft, tmp_path, "max_rounds", "max_rounds: 49")
    with pytest.raises(SettingError, match="the council approved"):
        policies.publish(paths, stricter, council=approval)
    approval.write_text(json.dumps(approve(offer.policy, other).to_json()))
    with pytest.raises(SignatureError):
        policies.publish(paths, draft, council=approval)
    with pytest.raises(SettingError, match="names no council_key"):
        policies.publish(paths, paths.policy_draft, council=approval)
    approval.write_text("{}")
    with pytest.raises(FormatError, match="approval"):
        policies.publish(paths, draft, council=approval)
    assert paths.policy.read_bytes() == before


@pytest.mark.parametrize(
    ("line", "by", "named"),
    [
        ("model", "model: office-9000", "model"),
        ("rounds", "rounds: 0", "rounds"),
        ("rounds", "", "rounds"),
        ("lifetime_days", "lifetime_days: .nan", "lifetime_days"),
        ("lifetime_days", "lifetime_days: 0", "lifetime_days"),
        ("mode:", "  mode: secret", "mode"),
        ("grid", "  grid: -1.0", "grid"),
        ("grid", "  grid: null\n  parameters: 3", "parameters"),
        ("learning_rate", "  learning_rate: 0", "learning_rate"),
        ("purpose", "purpose: [next-action]", "purpose"),
        ("purpose", "purpose: next-action\nparameters: 12", "parameters"),
        ("purpose", "purpose: next-action\nissued_at: 12", "issued_at"),
    ],
)
def test_a_wrong_plan_names_the_field(paths, tmp_path, line, by, named):
    with pytest.raises(SettingError, match=named):
        plans.complete(plans.read_draft(changed(paths.plan_draft, tmp_path, line, by)), now=NOW)


@pytest.mark.parametrize(("enrolled", "devices"), [(0, 10), (3, 10), (400, 400)])
def test_the_outlook_is_how_long_the_noise_is_against_the_longest_update(paths, enrolled, devices):
    plan = plans.complete(plans.read_draft(paths.plan_draft), now=NOW)
    random, release = np.random.default_rng(0), plan.release
    noise = random.normal(0, release.noise_multiplier * release.clip_norm, (devices, plan.parameters)).mean(axis=0)
    times = float(np.linalg.norm(noise) / release.clip_norm)
    assert plans.noise_in_average(plan, devices=devices) == pytest.approx(times, rel=0.05)
    said = plans.outlook(plan, enrolled=enrolled)
    assert said.startswith(f"with {devices} devices the noise in a round's average is ")
    needed = int(re.search(r"want ([\d,]+) devices", said)[1].replace(",", ""))
    assert plans.noise_in_average(plan, devices=needed) <= 1 < plans.noise_in_average(plan, devices=needed - 1)


def test_a_plan_whose_noise_is_shorter_than_the_longest_update_has_no_outlook_to_fear(paths):
    plan = plans.complete(plans.read_draft(paths.plan_draft), now=NOW)
    assert plans.outlook(plan, enrolled=1_000_000) is None
