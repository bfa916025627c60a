"""`reticent train` as people type it: its files, its words, and what it refuses."""

import json
import math
import re
import shutil

import numpy as np
import pytest
import yaml

from reticent import __version__
from reticent.cli import main
from reticent.model.checkpoint_file import read_weights
from reticent.privacy.grid import release_epsilon, release_mu
from reticent.recordings import source
from reticent.train.groups import conf_folder
from reticent.train.summary import summary
from tests.train.samples import WORDS

FILES = {
    "config.yaml",
    "rounds.jsonl",
    "results.json",
    "model.safetensors",
    "privacy.json",
    "report.html",
    "checkpoint",
}
FIELDS = {
    "top1",
    "top3",
    "perplexity",
    "cell_top1",
    "cell_top3",
    "baselines",
    "epsilon",
    "seconds_per_round",
    "clients_per_second",
    "noise_over_path",
    "peak_rss_mb",
    "device",
    "seed",
}


def train(*words, folder, base=WORDS):
    return main(["train", *base, *words, f"hydra.run.dir={folder}"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One run for the tests that look at what it left."""
    from tests.train.conftest import few

    patch = pytest.MonkeyPatch()
    try:
        few.__wrapped__(patch)
        folder = tmp_path_factory.mktemp("run") / "out"
        assert train("seed=3", folder=folder) == 0
        yield folder
    finally:
        patch.undo()


def test_a_run_leaves_every_file_that_the_design_names(finished):
    assert {path.name for path in finished.iterdir()} >= FILES
    results = json.loads((finished / "results.json").read_text())
    assert set(results) >= FIELDS
    assert results["seed"] == 3
    assert (results["people"], results["cohort"], results["rounds"]) == (6, 3, 3)
    assert set(results["baselines"]) == {"majority", "markov1", "markov2", "markov3", "private_ngram"}
    private = results["baselines"]["private_ngram"]
    assert private["epsilon"] == results["epsilon"]["employee"]["server"]["zero_out"]
    assert (private["counted"], private["examples"]) == (6, results["scored"]["examples"])
    assert results["within_person"]["examples"] > 0
    assert set(results["within_person_baselines"]) == {"majority", "markov1", "markov2", "markov3"}
    assert {row["examples"] for row in results["within_person_baselines"].values()} == {
        results["within_person"]["examples"]
    }


def test_the_files_agree_with_each_other(finished):
    lines = [json.loads(line) for line in (finished / "rounds.jsonl").read_text().splitlines()]
    results = json.loads((finished / "results.json").read_text())
    privacy = json.loads((finished / "privacy.json").read_text())
    assert [(line["round"], line["status"]) for line in lines] == [(-1, "start"), *((n, "applied") for n in range(3))]
    assert lines[-1]["metrics"]["top1"] == results["top1"]
    assert lines[0]["metrics"] == results["start"]
    saved = read_weights(finished / "model.safetensors")
    assert (saved.model, saved.round, saved.plan_id) == ("history", 3, lines[-1]["plan_id"])
    assert privacy["rounds_of_one_person"] == 2  # 3 rounds of 3 among 6: nobody is asked three times
    assert results["epsilon"]["employee"]["server"]["zero_out"] <= 4.0
    assert "assumed, not run" in privacy["assumptions"][0]
    assert b"simulated" in (finished / "report.html").read_bytes().lower()


def test_where_the_cache_has_no_room_the_note_says_how_much_holds_everybody(few, tmp_path, capsys):
    note = re.compile(
        r"note +engine\.cache_mb=1 has room for what is prepared of a part of the people.*; (\d+) holds all"
    )
    assert train("engine.cache_mb=1", folder=tmp_path / "narrow") == 0
    (wanted,) = note.findall(capsys.readouterr().err)
    assert train("engine.cache_mb=1", "server.rounds=2", folder=tmp_path / "over") == 0  # nobody is asked again
    assert train(f"engine.cache_mb={wanted}", folder=tmp_path / "wide") == 0
    assert "engine.cache_mb" not in capsys.readouterr().err


def test_who_can_only_be_drowned_in_noise_is_told_so(finished):
    results = json.loads((finished / "results.json").read_text())
    assert results["noise_over_path"] > 1
    assert "expect little from these people" in summary(results, finished)
    assert "expect little" not in summary(results | {"noise_over_path": 0.99}, finished)


def test_the_settings_that_it_kept_are_the_ones_it_ran(finished):
    kept = yaml.safe_load((finished / "config.yaml").read_text())
    assert kept["data"] == {"source": "drawn", "path": None, "sha256": None, "people": 6}
    assert kept["model"] == {"name": "history"}
    assert kept["engine"]["workers"] == 1


def test_the_same_seed_gives_the_same_model_and_another_seed_another(finished, few, tmp_path):
    assert train("seed=3", "engine.workers=2", folder=tmp_path / "same") == 0
    assert train("seed=4", folder=tmp_path / "other") == 0
    weights = {
        name: read_weights(folder / "model.safetensors").weights
        for name, folder in (("run", finished), ("same", tmp_path / "same"), ("other", tmp_path / "other"))
    }
    np.testing.assert_array_equal(weights["run"], weights["same"])
    assert not np.array_equal(weights["run"], weights["other"])


def test_resume_goes_on_after_a_stop_to_the_same_model(finished, few, tmp_path, monkeypatch):
    from reticent.sim.rounds import SimulatedRound

    folder, play = tmp_path / "stopped", SimulatedRound.__call__

    def until_the_third(self, number, *rest):
        if number == 2:
            raise KeyboardInterrupt
        return play(self, number, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(SimulatedRound, "__call__", until_the_third)
        assert train("seed=3", folder=folder) == 130
    assert not (folder / "results.json").exists()
    assert main(["train", f"resume={folder}"]) == 0
    np.testing.assert_array_equal(
        read_weights(folder / "model.safetensors").weights, read_weights(finished / "model.safetensors").weights
    )
    assert json.loads((folder / "results.json").read_text())["rounds"] == 3


def test_no_round_takes_less_time_than_its_training(finished):
    lines = [json.loads(line) for line in (finished / "rounds.jsonl").read_text().splitlines()]
    for line in lines[1:]:  # the first of them began while the start was scored
        assert line["seconds"] >= line["seconds_train"] > 0


def test_a_finished_run_is_read_again_and_nothing_of_it_is_written(finished, capsys):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in finished.rglob("*") if path.is_file()}
    for words in ([f"resume={finished}"], [*WORDS, "seed=3", f"hydra.run.dir={finished}"]):
        assert main(["train", *words]) == 0
        shown = capsys.readouterr()
        assert "this run" in shown.out
        assert shown.out.endswith(f"{finished} was finished before; nothing was trained or written\n")
        assert shown.err == ""
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in finished.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize("lost", ["results.json", "report.html", "model.safetensors"])
def test_what_a_finished_run_lost_is_made_again(lost, finished, few, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / lost).unlink()
    assert main(["train", f"resume={tmp_path / 'run'}"]) == 0
    assert (tmp_path / "run" / lost).is_file()
    assert (tmp_path / "run" / "rounds.jsonl").read_bytes() == (finished / "rounds.jsonl").read_bytes()


def test_a_journal_that_lost_rounds_gives_no_smaller_epsilon(finished, tmp_path, capsys):
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "rounds.jsonl").unlink()
    before = (tmp_path / "run" / "results.json").read_bytes()
    assert main(["train", f"resume={tmp_path / 'run'}"]) != 0
    assert "1 of the 3 rounds" in capsys.readouterr().err
    assert (tmp_path / "run" / "results.json").read_bytes() == before


def test_a_sweep_runs_every_combination_lists_what_failed_and_ends_with_one_table(few, tmp_path, capsys):
    for job in ("2", "3"):
        (tmp_path / job).mkdir()
        (tmp_path / job / "rounds.jsonl").write_text("precious")
    words = ["-m", *WORDS, "server.rounds=1", "privacy.epsilon=2,4,8", "seed=0,1", f"hydra.sweep.dir={tmp_path}"]
    assert main(["train", *words]) == 2
    found = sorted(
        (round(results["epsilon"]["employee"]["server"]["zero_out"]), results["seed"])
        for results in (json.loads(path.read_text()) for path in tmp_path.glob("*/results.json"))
    )
    assert found == [(2, 0), (2, 1), (8, 0), (8, 1)]
    shown = capsys.readouterr()
    assert shown.out.count("public start") == 4
    table = shown.out[shown.out.index("privacy.epsilon  seeds") :].splitlines()
    assert [line.split()[:2] for line in table[1:3]] == [["2", "2"], ["8", "2"]]
    assert table[3].startswith(f"failed      job 2 (privacy.epsilon=4 seed=0): {tmp_path}/2 holds rounds.jsonl and no")
    notes = [line for line in shown.err.splitlines() if line.startswith("note ")]
    assert ["expect little, and harm from a clip norm that is too large" in note for note in notes] == [
        True,
        True,
    ]  # once for each epsilon, not for each job
    said = [line for line in shown.err.splitlines() if line not in notes]
    assert said == ["reticent: job 2 of the sweep has no results: " + table[3].partition("): ")[2]]
    assert (tmp_path / "sweep.svg").is_file()


def test_a_sweep_goes_on_in_its_folder_and_forgets_a_failure_that_is_mended(few, tmp_path, monkeypatch, capsys):
    from reticent.sim.rounds import SimulatedRound

    words = ["-m", *WORDS, "server.rounds=1", "seed=0", f"hydra.sweep.dir={tmp_path}"]
    with monkeypatch.context() as patch:
        patch.setattr(SimulatedRound, "__call__", lambda *_: 1 / 0)
        assert main(["train", *words]) == 1
    assert "ZeroDivisionError, which is a fault of this program" in capsys.readouterr().out
    assert main(["train", *words]) == 0
    assert not list(tmp_path.glob("*/failed.json"))
    assert "failed" not in capsys.readouterr().out


def test_the_end_is_a_table_beside_baselines_with_epsilon_by_unit_and_adversary(few, tmp_path, capsys):
    assert train("server.rounds=1", folder=tmp_path / "out") == 0
    shown = capsys.readouterr().out
    for word in ("this run", "public start", "markov3", "employee, server", "employee, solo", "example, server"):
        assert word in shown
    assert str(tmp_path / "out" / "report.html") in shown


def test_the_config_can_be_shown_without_running(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *WORDS, "--cfg", "job"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["server"]["rounds"] == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["rounds.jsonl", "model.safetensors", "results.json", "report.html"])
def test_what_is_not_of_a_run_is_not_replaced(name, few, tmp_path, capsys):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / name).write_text("precious")
    assert train(folder=folder) == 2
    assert f"mine holds {name} and no run's config.yaml; nothing was trained" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [(name, "precious")]


def test_what_hydra_itself_was_told_can_be_shown(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--cfg", "hydra"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["hydra"]["output_subdir"] is None


def test_a_part_of_the_config_that_there_is_not_is_refused(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--cfg", "job", "--package", "server"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["rounds"] > 0
    assert main(["train", "--cfg", "job", "--package", "nope"]) == 2
    assert capsys.readouterr().err.startswith("reticent: package 'nope' not found in config")


def test_help_shows_groups_and_an_example(capsys):
    assert main(["train", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "reticent train -m privacy.epsilon=2,4,8 seed=0,1,2" in shown
    assert "privacy: local_eps8, secure_eps4, secure_eps8" in shown


@pytest.mark.parametrize("path", sorted(conf_folder().glob("experiment/*.yaml")), ids=lambda path: path.stem)
def test_every_experiment_composes_into_settings_that_make_sense(path, capsys):
    from reticent.train.settings import Settings

    words = ["engine.folder=/srv"] if "superlink" in path.read_text() else []
    assert main(["train", f"+experiment={path.stem}", *words, "--cfg", "job"]) == 0
    Settings.of(yaml.safe_load(capsys.readouterr().out))


def test_noise_instead_of_epsilon_has_no_limit_and_the_report_says_so(few, tmp_path):
    words = ["privacy.epsilon=null", "privacy.noise_multiplier=0.01", "server.rounds=1"]
    assert train(*words, folder=tmp_path / "out") == 0
    assert json.loads((tmp_path / "out" / "privacy.json").read_text())["limits"]["employee"] is None
    assert "no limit is set for it" in (tmp_path / "out" / "report.html").read_text()


def test_a_sweep_is_scored_on_validation_people_and_a_single_run_on_test_people(finished, few, tmp_path):
    assert json.loads((finished / "results.json").read_text())["scored"]["part"] == "test"
    for asked, part in ((), "validation"), (("evaluate.part=test",), "test"):
        folder = tmp_path / part
        assert main(["train", "-m", *WORDS, *asked, "server.rounds=1", f"hydra.sweep.dir={folder}"]) == 0
        (results,) = (json.loads(path.read_text()) for path in folder.glob("*/results.json"))
        theirs = sum(len(source.pool("drawn", person)) for person in few.part(part))
        assert results["scored"] == {"part": part, "people": len(few.part(part)), "examples": theirs}


def test_too_few_people_to_tune_on_are_refused_before_any_work(tmp_path, few, monkeypatch, capsys):
    nobody = source.Split(public=few.public, client=few.client, validation=(), test=few.test)
    monkeypatch.setattr(source, "split", lambda name: nobody)
    assert train("evaluate.part=validation", folder=tmp_path / "out") == 2
    assert "too few people to have validation people" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_people_measure_the_last_model_for_an_epsilon_of_their_own(finished, few, tmp_path, monkeypatch):
    from reticent.sim import rounds

    folder, numbers, drawn = tmp_path / "out", [], rounds.cohort
    monkeypatch.setattr(rounds, "cohort", lambda number, **rest: numbers.append(number) or drawn(number, **rest))
    assert train("seed=3", "evaluate.private_epsilon=2", folder=folder) == 0
    results = json.loads((folder / "results.json").read_text())
    privacy = json.loads((folder / "privacy.json").read_text())
    before = json.loads((finished / "results.json").read_text())
    assert results["top1"] == before["top1"]  # training is as it was
    assert results["measured"]["people"] == 6
    assert numbers[-1] not in numbers[:-1]  # its noise is that of no round
    assert (results["measured"]["epsilon"], before["measured"]) == (2.0, None)
    alone, together = (one["epsilon"]["employee"]["server"]["zero_out"] for one in (before, results))
    both = release_epsilon(
        math.hypot(release_mu(epsilon=alone, delta=1e-5), release_mu(epsilon=2.0, delta=1e-5)), delta=1e-5
    )
    assert together == pytest.approx(both, rel=1e-3)
    assert together <= privacy["limits"]["employee"] < 4.0 + 2.0
    assert "within the limit of" in (folder / "report.html").read_text()
    assert [(event["unit"], event["rounds"]) for event in privacy["events"]] == [("employee", 2), ("employee", 1)]
    for adversary, figures in results["epsilon"]["example"].items():  # training has no example level
        assert figures["zero_out"] == results["epsilon"]["employee"][adversary]["replace_one"]
    assert results["baselines"]["private_ngram"]["epsilon"] == alone


REFUSED = {
    "a group that is null": ("privacy=null", "privacy=null: privacy takes one of local_eps8, secure_eps4"),
    "a group that is a number": ("server=3", "server=3: server takes one of "),
    "a group deleted by number": ("~privacy=3", "~privacy=3: privacy takes one of "),
    "an experiment without its sign": ("experiment=quickstart", "use +experiment=quickstart"),
    "an option of Hydra's without its other half": (
        "--resolve",
        "Hydra can't begin with these words: The --resolve flag",
    ),
    "a number of thousands of digits": (f"seed={'9' * 4_400}", "Hydra can't begin with these words"),
    "a variable that is not set": ("hydra.job.env_copy=[NO_SUCH_ONE]", "Hydra can't begin with these words"),
    "more people than there are": ("data.people=1000001", "in this run, data.people must be 1000000 at most"),
    "a folder that is null": (
        "hydra.sweep.dir=null",
        "Error merging override hydra.sweep.dir=null: field 'hydra.sweep.dir' is not Optional; nothing",
    ),
    "an option that is not there": ("privacy=secur_eps4", "Could not find 'privacy/secur_eps4'; there are: local_eps8"),
    "a setting misspelt": ("privacy.epsilom=3", "Could not override 'privacy.epsilom'; is privacy.epsilon meant?"),
    "a setting of another option": (
        "learn.sampling_rate=0.5",
        "Could not override 'learn.sampling_rate': it is a setting of learn=all, learn=heads; nothing was trained",
    ),
    "a setting of an option below": (
        "privacy.clip.quantile=0.5",
        "Could not override 'privacy.clip.quantile': it is a setting of privacy/clip=adaptive; nothing was trained",
    ),
    "a setting like no other": ("engine.zzz=3", "Could not override 'engine.zzz'; nothing was trained"),
    "several values without -m": ("privacy.epsilon=1,2", "'privacy.epsilon=1,2'; -m makes a run of each value"),
    "a name of another setting's": ("seed=${nope}", "seed: Interpolation key 'nope' not found"),
    "a tag of ours": ("engine.workers=0", "in this run, engine.workers must be 1 at least"),
    "Hydra's own way to call us": ("~hydra.callbacks.sweep", "hydra.callbacks.sweep stays as it is"),
    "more epsilon than the limit for a window": ("privacy.epsilon_example=1", "would pass the example limit"),
}


@pytest.mark.parametrize(("word", "said"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_one_sentence_that_says_what_would(word, said, few, tmp_path, capsys):
    assert train(word, folder=tmp_path / "out") == 2
    sentences = capsys.readouterr().err.splitlines()
    assert len(sentences) == 1
    assert said in sentences[0]
    assert sentences[0].endswith("nothing was trained")
    assert not (tmp_path / "out").exists()


def test_a_group_that_is_null_is_one_sentence_in_a_sweep_and_from_python_too(few, tmp_path, capsys):
    from reticent.errors import SettingError
    from reticent.train.compose import composed

    assert main(["train", "-m", "privacy=null", "seed=0,1", f"hydra.sweep.dir={tmp_path}"]) == 2
    assert "reticent: privacy=null: privacy takes one of local_eps8" in capsys.readouterr().err
    with pytest.raises(SettingError, match="privacy=null: privacy takes one of local_eps8"):
        composed(["model=history", "privacy=null"])
    words = ["model=history,office-10k", "privacy=null,secure_eps4", f"hydra.sweep.dir={tmp_path}"]
    assert main(["train", "-m", *words]) == 2
    assert "reticent: privacy=null,secure_eps4: privacy takes one of" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("hydra.run.dir=",), ("resume=",), ("-m", "seed=0,1", "hydra.sweep.dir=")])
def test_an_empty_name_is_not_the_folder_where_somebody_stands(words, few, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *(WORDS if "resume=" not in words else ()), *words]) == 2
    assert "folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_a_refused_run_made_is_gone_and_what_was_there_stays(few, tmp_path):
    mine, new = tmp_path / "mine", tmp_path / "a" / "b"
    mine.mkdir()
    for folder in (mine, new):
        assert train("seed=-1", folder=folder) == 2
    assert list(tmp_path.iterdir()) == [mine]


def test_a_link_in_a_circle_is_a_sentence(few, tmp_path, capsys):
    (tmp_path / "loop").symlink_to("loop")
    assert train("data=files", f"data.path={tmp_path}/loop", folder=tmp_path / "out", base=()) == 2
    assert "leads to no file or folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "line",
    [b"\0\xff", b"[" * 100_000, b"9" * 5_000, b"3", b"{}", b'{"round": NaN}'],
    ids=["bytes", "deep", "digits", "number", "empty", "nan"],
)
def test_a_journal_that_is_none_is_refused_before_any_work(line, finished, tmp_path, capsys):
    folder = shutil.copytree(finished, tmp_path / "run")
    rounds = folder / "rounds.jsonl"
    rounds.write_bytes(line + b"\n" + rounds.read_bytes())
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert main(["train", f"resume={folder}"]) == 2
    assert "isn't a journal of rounds; nothing was trained" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_run_without_its_checkpoint_is_refused_before_any_work(finished, few, tmp_path, capsys):
    folder = shutil.copytree(finished, tmp_path / "run")
    shutil.rmtree(folder / "checkpoint")
    (folder / "results.json").unlink()  # or it would be read, and nothing else
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert main(["train", f"resume={folder}"]) == 1
    assert "round 2 was applied, and there is no checkpoint of it" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert not (folder / "checkpoint").exists()


def test_settings_that_were_edited_after_the_run_began_are_not_gone_on_with(finished, few, tmp_path, capsys):
    folder = shutil.copytree(finished, tmp_path / "run")
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("seed: 3", "seed: 7"))
    assert main(["train", f"resume={folder}"]) == 2
    assert "config.yaml was changed after its run began" in capsys.readouterr().err
    assert json.loads((folder / "results.json").read_text())["seed"] == 3
    config.write_text(config.read_text().replace("seed: 7", "seed: 3").replace("workers: 1", "workers: 2"))
    assert main(["train", f"resume={folder}"]) == 0  # only how it runs


def test_from_python_a_setting_is_a_word(tmp_path):
    import reticent
    from reticent.errors import SettingError

    for words, folder in (((3,), "f"), ((None,), "f"), (("seed=1",), 3), (("seed=1",), b"f")):
        with pytest.raises(SettingError, match="takes settings as words"):
            reticent.run(*words, folder=folder)


def test_the_version_is_that_of_this_program_and_not_of_hydra(capsys):
    assert main(["train", "--version"]) == 0
    assert capsys.readouterr().out == f"reticent, version {__version__}\n"
