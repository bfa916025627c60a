"""Launchers and sweepers that Hydra's plugins bring, and what a sweep on people says before it begins."""

import json
import math
import shutil
from collections import Counter
from itertools import product

import pytest
import yaml
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from reticent.cli import main
from reticent.errors import SettingError
from reticent.privacy.gaussian import gaussian_epsilon, gaussian_mu
from reticent.privacy.grid import release_mu
from reticent.recordings import drawn, source
from reticent.recordings.archive import write_archive
from reticent.train import app, sweeping
from reticent.train.folder import RunFolder
from reticent.train.groups import conf_folder
from reticent.train.sweep import read_sweep
from reticent.train.sweeping import Charge, told
from tests.train.samples import WORDS


def charged(*epsilons, people="the people of a.recording"):
    return told(Counter(Charge(people, release_mu(epsilon=one, delta=1e-5), 1e-5) for one in epsilons))


def together(said):
    return float(said.partition("each and ")[2].split()[0])


def test_runs_on_the_same_people_cost_what_they_compose_to():
    said = charged(4, 4, 4, 4)
    exact = gaussian_epsilon(2 * gaussian_mu(epsilon=4, delta=1e-5), delta=1e-5)
    assert together(said) == pytest.approx(exact, abs=0.02)
    assert together(said) >= exact
    assert said.startswith("4 runs on the people of a.recording, who are not public, cost them at most epsilon 4 each")


def test_a_stronger_run_costs_more_than_a_weaker_one():
    found = [together(charged(*one)) for one in ((1, 1), (1, 8), (8, 8))]
    assert found == sorted(found)
    assert 8 < found[1] < 8.2


def test_nothing_is_said_of_one_run_or_of_public_people():
    assert charged(4) is None
    assert charged(4, 8, people=None) is None


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Of the same few people: one in which they are public and one in which they aren't."""
    folder = tmp_path_factory.mktemp("recordings")
    sittings = [one for index in range(12) for one in drawn.recorded(drawn.name(index))]
    for name in ("public", "private"):
        write_archive(folder / name, sittings, title="some", datasheet="-", public=name == "public")
    return folder


@pytest.fixture
def private(recordings):
    return recordings / "private"


def sweep(*words, path, folder):
    """Of some runs on these people. Returns the exit status."""
    data = ("data=files", f"data.path={path}", "model=history", "server.rounds=1", "engine.workers=1")
    return main(["train", "-m", *data, *words, f"hydra.sweep.dir={folder}"])


def test_noise_in_place_of_epsilon_costs_what_it_comes_to(private, tmp_path, capsys):
    said = []
    for words in (
        ("privacy.epsilon=null", "privacy.noise_multiplier=2", "privacy.mode=local"),
        ("privacy.epsilon=null", "privacy.noise_multiplier=2", "privacy.mode=secure"),
    ):
        assert (
            sweep(*words, "privacy.delta=1e-6", "server.rounds=4", "seed=0,1", path=private, folder=tmp_path / "sweep")
            == 2
        )
        said.append(capsys.readouterr().err)
    for one in said:
        exact = gaussian_epsilon(math.sqrt(2 * 4) / 2, delta=1e-6)
        assert together(one) == pytest.approx(exact, abs=0.02)
        assert together(one) >= exact


@pytest.mark.parametrize(
    "words",
    [
        ("privacy.epsilon=2,4", "privacy.delta=0,1e-5"),
        ("privacy.epsilon=two,2,4",),
        ("privacy.epsilon=nan,2,4",),
        ("privacy.epsilon=2,4", "data.people=100"),
        ("privacy.epsilon=2,4", "evaluate.tune_on=people,nobody"),
    ],
)
def test_a_value_that_makes_no_sense_opens_no_way_to_people(words, private, begun, tmp_path, capsys):
    assert sweep(*words, path=private, folder=tmp_path / "sweep") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.endswith("nothing was trained\n")
    assert not (tmp_path / "sweep").exists()


def test_a_fault_while_a_sweep_is_looked_at_begins_no_job(begun, tmp_path, monkeypatch):
    monkeypatch.setattr(sweeping, "_charge_of", lambda settings: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["train", "-m", *WORDS, "seed=0,1", f"hydra.sweep.dir={tmp_path / 'sweep'}"])
    assert not (tmp_path / "sweep").exists()


def test_a_sweeper_that_does_not_say_how_many_jobs_it_begins_may_begin_the_most():
    for sweeper, trials in (
        ({"_target_": "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"}, None),
        ({"_target_": "somebody.Sweeper"}, sweeping.MOST_JOBS),
        ({"_target_": "somebody.Sweeper", "n_trials": 7}, 7),
    ):
        assert sweeping.trials_of(OmegaConf.create({"sweeper": sweeper})) == trials


def test_a_recipe_gives_no_leave_to_ask_other_people(private, begun, tmp_path, capsys):
    words = ["+experiment=miniwob_secure_eps4", f"data.path={private}", "data.people=5", "seed=0,1"]
    assert main(["train", "-m", *words, f"hydra.sweep.dir={tmp_path / 'sweep'}"]) == 2
    assert "evaluate.tune_on=people asks them all the same; nothing was trained" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "cost"),
    [
        (("privacy.epsilon=choice(8,16)",), 16),
        (("privacy.epsilon=interval(1,12)",), 12),
        (("privacy.epsilon=range(1,6)",), 6),
        (("data.path=choice({public},{private})",), 4),
        (("data=choice(drawn,files)", "data.path=null"), None),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_a_sweeper_may_choose_is_told_at_the_most_that_it_costs(words, cost, private, begun, tmp_path, capsys):
    chosen = ("hydra/sweeper=optuna", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=1", "privacy.mode=secure")
    words = [word.format(private=private, public=private.parent / "public") for word in words]
    assert sweep(*chosen, *words, path=private, folder=tmp_path / "sweep") == 2
    said = capsys.readouterr().err
    if cost is not None:
        assert f"3 runs on the people of {private}, who are not public, cost them at most epsilon {cost} each" in said
    assert said.endswith("nothing was trained\n")
    assert not (tmp_path / "sweep").exists()


@pytest.mark.filterwarnings("ignore")
def test_a_job_whose_settings_only_its_sweeper_knew_is_refused_by_itself(private, begun, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(sweeping, "_begin", lambda config: seen.append(config))  # as where nothing could be seen before
    words = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=2", "hydra.sweeper.n_jobs=1", "seed=choice(0,1)"]
    sweep(*words, path=private, folder=tmp_path / "sweep")
    said = [json.loads(path.read_text())["sentence"] for path in (tmp_path / "sweep").glob("*/failed.json")]
    assert len(seen) == 1
    assert len(said) == 2
    assert all(f"choose between runs on the people of {private}, who are not public" in one for one in said)


def test_a_copy_of_a_recording_holds_the_same_people(private, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sweeping, "_met", {})
    copy = tmp_path / "another.recording"
    shutil.copy(private, copy)
    assert sweep(path=f"{copy},{private}", folder=tmp_path / "sweep") == 2
    assert f"2 runs on the people of {copy}, who are not public" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["public", "private"])
def test_a_sweep_on_people_says_so_before_it_begins(name, recordings, begun, tmp_path, capsys):
    words = ["privacy.epsilon=2,4", "seed=0,1", "evaluate.tune_on=people"]
    sweep(*words, path=recordings / name, folder=tmp_path / "sweep")
    said = capsys.readouterr().err.splitlines()
    note = (
        f"note        4 runs on the people of {recordings / name}, who are not public, cost them at most epsilon 4 each"
    )
    assert said[0].startswith(note) is (name == "private")


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        (("seed=0,1",), True),
        (("seed=0,1", "evaluate.tune_on=public,people"), True),
        (("hydra/sweeper=optuna", "hydra.sweeper.n_trials=2", "seed=choice(0,1)"), True),
        (("seed=0",), False),
        (("seed=0,1", "evaluate.tune_on=people"), False),
        (("seed=0,1", "data=office"), False),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_sweep_asks_nobody_again_who_is_not_public_unless_told_to(words, refused, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        source, "split", lambda name: source.Split(public=(), client=("b",), validation=("d",), test=("c",))
    )
    begun = []
    monkeypatch.setattr(app, "_experiment", lambda config: begun.append(config) or 1.0)
    folder = tmp_path / "sweep"
    data = () if "data=office" in words else ("data=files", f"data.path={tmp_path}/a")
    main(["train", "-m", *data, *words, f"hydra.sweep.dir={folder}"])
    said = capsys.readouterr().err
    assert ("who are not public, cost them" in said) is (refused or "evaluate.tune_on=people" in words)
    assert ("evaluate.tune_on=people asks them all the same; nothing was trained" in said) is refused
    assert bool(begun) is not refused
    if refused:
        assert not folder.exists()


def test_a_folder_that_holds_another_sweep_is_refused_before_any_job(few, tmp_path, capsys):
    words = ["train", "-m", *WORDS, "server.rounds=1", f"hydra.sweep.dir={tmp_path}"]
    assert main([*words, "seed=0,1"]) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert main([*words, "privacy.clip_norm=0.1,0.2", "seed=0,1"]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path}/0 holds a run with other settings than job 0 of this sweep" in said
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert main([*words, "seed=0,1,2"]) == 0  # the same jobs and one more
    assert {path: path.read_bytes() for path in before if path.parent != tmp_path} == {
        path: text for path, text in before.items() if path.parent != tmp_path
    }  # what was finished was neither trained nor scored again: not even its seconds changed
    assert f"{tmp_path}/1 is finished" in capsys.readouterr().out
    (tmp_path / "1" / "results.json").write_text("{")
    assert main([*words, "seed=0,1,2"]) == 2
    assert f"{tmp_path}/1/results.json is not what a job of a sweep leaves" in capsys.readouterr().err
    (tmp_path / "1" / "results.json").write_bytes(before[tmp_path / "1" / "results.json"])
    (tmp_path / "0" / "report.html").unlink()
    assert main([*words, "seed=0,1"]) == 0
    assert "is finished" not in capsys.readouterr().out  # the one has no report, and the other had failed since
    assert (tmp_path / "0" / "report.html").is_file()
    assert not (tmp_path / "1" / "failed.json").exists()
    assert main([*words, "seed=5", f"hydra.sweep.dir={tmp_path}/more"]) == 0
    assert [row.seeds for row in read_sweep(tmp_path).rows] == [(0, 1, 2, 5)]


@pytest.mark.parametrize(
    ("words", "goes_on"), [(("seed=0,1",), True), (("hydra/sweeper=optuna", "seed=choice(0,1)"), False)]
)
@pytest.mark.filterwarnings("ignore")
def test_a_sweep_that_was_stopped_says_how_it_goes_on_where_it_does(words, goes_on, tmp_path, capsys, monkeypatch):
    def stopped(settings, root, *, alone, noted):
        RunFolder(root).begin(settings.pinned())
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "_run", stopped)
    assert main(["train", "-m", *WORDS, *words, f"hydra.sweep.dir={tmp_path}"]) == 130
    said = capsys.readouterr().err
    assert (f"the same command with hydra.sweep.dir={tmp_path} goes on with this sweep" in said) is goes_on
    assert said.endswith("reticent: stopped\n")


@pytest.fixture
def begun(monkeypatch):
    """Runs that leave their settings and train nothing."""

    def played(settings, root, *, alone, noted):
        RunFolder(root).begin(settings.pinned())
        return {"perplexity": 1.0}

    monkeypatch.setattr(app, "_run", played)


@pytest.mark.parametrize("second", [("seed=0,1",), ("seed=0,1,2",), ("seed=0,1", "privacy.delta=1e-05")])
def test_the_same_jobs_go_on_in_their_folder(second, begun, tmp_path):
    words = ["train", "-m", *WORDS, "privacy.delta=1e-5", f"hydra.sweep.dir={tmp_path}"]
    for asked in (("seed=0,1",), second):
        main([*words, *asked])
    assert not list(tmp_path.rglob("failed.json"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("seed=1,0",), "(seed is 0 there and 1 here)"),
        (("seed=0,1", "engine.workers=2"), "(engine.workers is 1 there and 2 here)"),
        (("hydra/sweeper=optuna", "hydra.sweeper.n_trials=2", "seed=choice(0,1)"), "give it a folder of its own"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_other_jobs_in_a_folder_are_named(words, said, begun, tmp_path, capsys):
    main(["train", "-m", *WORDS, "seed=0,1", f"hydra.sweep.dir={tmp_path}"])
    assert main(["train", "-m", *WORDS, *words, f"hydra.sweep.dir={tmp_path}"]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.rglob("failed.json"))


def test_the_folders_of_named_jobs_and_of_own_configs_are_compared_as_their_launcher_composes_them(begun, tmp_path):
    own, folder = tmp_path / "own", tmp_path / "sweep"
    own.mkdir()
    (own / "mine.yaml").write_text("defaults:\n  - train\n  - _self_\nprivacy:\n  clip_norm: 0.125\n")
    for _ in range(2):
        words = [f"--config-dir={own}", "--config-name=mine", *WORDS, "seed=0,1", f"hydra.sweep.dir={folder}"]
        main(["train", "-m", *words])
        main(["train", "-m", *WORDS, "seed=5", f"hydra.sweep.dir={folder}", "++hydra.sweep.subdir='n${seed}'"])
    assert yaml.safe_load((folder / "0" / "config.yaml").read_text())["privacy"]["clip_norm"] == 0.125
    assert (folder / "n5" / "config.yaml").exists()
    assert not list(folder.rglob("failed.json"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("seed=range(0,0)",), "no job of the sweep lies in"),
        (("seed=range(0,1e9)",), "this sweep has 1,000,000,000 jobs, and 10,000 are the most"),
        (("seed=0,1", "hydra.output_subdir=.hydra"), "hydra.output_subdir must be null"),
        (("seed=0,1", "server.rounds=0"), "in this run, server.rounds must be 1 at least"),
    ],
)
def test_a_sweep_that_makes_no_sense_touches_no_finished_job(words, said, begun, tmp_path, capsys):
    main(["train", "-m", *WORDS, "seed=0,1", f"hydra.sweep.dir={tmp_path}/done"])
    folder = tmp_path / ("done" if "server.rounds=0" in words else "new")
    capsys.readouterr()
    assert main(["train", "-m", *WORDS, *words, f"hydra.sweep.dir={folder}"]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.rglob("failed.json"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("hydra/launcher=joblib", "hydra.launcher.batch_size=0"), "the sweep can't begin: batch_size must be"),
        (("hydra/sweeper=optuna", "hydra.sweeper.n_jobs=0"), "hydra.sweeper.n_jobs must be 1 at least"),
        (("hydra/sweeper=optuna", "hydra.sweeper.n_trials=0"), "hydra.sweeper.n_trials must be 1 at least"),
        (("hydra/sweeper=optuna", "hydra.sweeper.direction=maximize"), "hydra.sweeper.direction must be minimize"),
        (("hydra/sweeper=optuna", "hydra.sweeper.direction=[maximize]"), "hydra.sweeper.direction must be minimize"),
        (("hydra.sweeper.max_batch_size=0",), "hydra.sweeper.max_batch_size must be 1 at least"),
        (("hydra/launcher=ray", "+hydra.launcher.cores=1"), "there is no setting cores there"),
        (("hydra/launcher=ray", "~hydra.launcher.cpus_per_job"), "the setting cpus_per_job is needed there"),
        (("hydra/launcher=null",), "hydra/launcher takes one of basic, joblib, ray, submitit_local"),
        (("hydra.sweep.dir=null",), "field 'hydra.sweep.dir' is not Optional"),
        (("a b",), "a b can't be read"),
        (("privacy.epsilon=[",), "privacy.epsilon=[ can't be read"),
        (("~hydra.callbacks.sweep",), "hydra.callbacks.sweep stays as it is"),
        (("hydra.callbacks.sweep._target_=os.getcwd",), "hydra.callbacks.sweep stays as it is"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_hydra_can_t_begin_is_one_sentence_and_leaves_nothing(words, said, tmp_path, capsys):
    folder = tmp_path / "a" / "sweep"
    assert main(["train", "-m", *WORDS, "seed=0,1", f"hydra.sweep.dir={folder}", *words]) == 2
    sentences = capsys.readouterr().err.splitlines()
    assert said in sentences[-1]
    assert sentences[-1].endswith("nothing was trained")
    assert list(tmp_path.iterdir()) == []


def test_joblib_runs_a_job_in_another_process_and_hears_what_it_said(tmp_path, capsys):
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "rounds.jsonl").write_text("precious")
    words = [*WORDS, "privacy.epsilon=2", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    assert main(["train", "-m", *words, f"hydra.sweep.dir={tmp_path}"]) == 2
    kept = json.loads((tmp_path / "0" / "failed.json").read_text())
    assert kept["words"].endswith("privacy.epsilon=2")
    said = f"job 0 of the sweep has no results: {tmp_path}/0 holds rounds.jsonl and no run's config.yaml"
    assert said in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")  # the newest Optuna that Hydra's plugin takes is an old one
def test_optuna_makes_the_returned_number_small(tmp_path, monkeypatch):
    asked = []

    def played(settings, root, *, alone, noted):
        asked.append(settings.privacy.clip_norm)
        RunFolder(root).begin(settings)
        return {"perplexity": 3 + math.log(settings.privacy.clip_norm / 0.2) ** 2}

    monkeypatch.setattr(app, "_run", played)
    words = [*WORDS, "hydra/sweeper=optuna", "hydra.sweeper.n_trials=12", "hydra.sweeper.n_jobs=1"]
    words += ["privacy.clip_norm=tag(log,interval(0.05,1))", f"hydra.sweep.dir={tmp_path}"]
    assert main(["train", "-m", *words]) == 1  # the table misses the results
    best = yaml.safe_load((tmp_path / "optimization_results.yaml").read_text())
    assert len(set(asked)) == 12
    nearest = min(asked, key=lambda one: abs(math.log(one / 0.2)))
    assert best["best_params"]["privacy.clip_norm"] == nearest


def test_a_launcher_that_is_not_there_is_one_sentence(tmp_path, capsys):
    words = ["-m", *WORDS, "hydra/launcher=magic", f"hydra.sweep.dir={tmp_path / 'out'}"]
    assert main(["train", *words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "pip install 'reticent[sweep]'; nothing was trained" in said


def test_what_a_sweeper_may_choose_has_each_value_and_each_combination_that_asks_people():
    words = ["privacy.epsilon=choice(1,2)", "server.rounds=range(10,40)", "model=choice(a,b,c,d,e)", "seed=0"]
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        found = sweeping.jobs([*words, "learn.learning_rate=interval(1,2)"], chosen=True)
        assert {(job[0], job[1]) for job in found} == set(
            product(("privacy.epsilon=1", "privacy.epsilon=2"), ("server.rounds=10", "server.rounds=40"))
        )
        assert {job[2] for job in found} == {f"model={name}" for name in "abcde"}
        assert {job[4] for job in found} == {"learn.learning_rate=1.0", "learn.learning_rate=2.0"}
        assert len(found) == 5
        many = [f"privacy.{name}=choice({','.join(map(str, range(1, 40)))})" for name in ("epsilon", "clip_norm")]
        with pytest.raises(SettingError, match="chooses from more than 1,024 combinations"):
            sweeping.jobs(many, chosen=True)
        assert sweeping.jobs(["seed=1"], chosen=True) == [("seed=1",)]
