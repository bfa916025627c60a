"""Installed packages bring models by name: a sound one trains, and a broken one harms no other."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import reticent
from reticent.audit.report.read import read_run
from reticent.errors import PolicyViolation, SettingError
from reticent.keeper import examination
from reticent.model import catalogue, installed
from reticent.model.bringing import write_model
from reticent.model.checkpoint_file import read_weights
from tests.api import trunks
from tests.model.random_pools import random_pool
from tests.test_client import WEIGHTS, Device
from tests.world import join_request


def install(site: Path, package: str, points: dict[str, str], code: str, **files: bytes) -> None:
    """What an installer leaves of a package: its module, with a trunk beside it, and a dist-info folder."""
    module = site / package.replace("-", "_")
    module.mkdir(parents=True)
    (module / "__init__.py").write_text(code)
    (module / "trunk.py").write_text(Path(trunks.__file__).read_text())
    for name, data in files.items():
        (module / f"{name}.safetensors").write_bytes(data)
    info = site / f"{module.name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in points.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{installed.GROUP}]", *lines, ""]))


def declaration(model: reticent.Model, *, trunk: str = "acme_model.trunk:Sound", sha256: str = "") -> str:
    return (
        "from pathlib import Path\nfrom reticent import Model\n"
        f"MINE = Model(trunk={trunk!r}, weights=Path(__file__).with_name('mine.safetensors'), "
        f"sha256={sha256 or model.sha256!r})\n"
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> reticent.Model:
    torch.manual_seed(0)
    return write_model(trunks.Sound(), tmp_path_factory.mktemp("weights") / "mine.safetensors", random_pool(160))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the search path that nothing else installs into; modules imported from it are forgotten."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    known = set(sys.modules)
    monkeypatch.setattr(sys, "modules", sys.modules)
    yield folder
    for name in set(sys.modules) - known:
        if name.startswith("acme"):
            del sys.modules[name]


def test_a_package_brings_a_model_that_the_command_trains(
    tmp_path: Path, site: Path, recording: Path, model: reticent.Model
) -> None:
    install(site, "acme-model", {"acme": "acme_model:MINE"}, declaration(model), mine=model.weights.read_bytes())
    folder = tmp_path / "run"
    words = ["data=files", f"data.path={recording}", "model.name=acme", "server.rounds=2", "engine.workers=2"]
    done = subprocess.run(
        [sys.executable, "-m", "reticent.cli", "train", *words, f"hydra.run.dir={folder}"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("acme (heads), 2 rounds, 3 of 3 simulated people a round; scored on ")
    results = json.loads((folder / "results.json").read_bytes())
    assert (results["model"], results["data"], results["people"], results["scored"]["people"]) == (
        "acme",
        "files",
        3,
        4,
    )
    assert read_run(folder).results.model == "acme"
    assert "acme" in (folder / "report.html").read_text()
    saved = read_weights(folder / "model.safetensors")
    assert (saved.model, saved.round) == ("acme", 2)
    assert len(saved.weights) == catalogue.parameters("acme", "heads")


def test_names_and_shapes_of_a_packages_model_need_no_torch(site: Path, model: reticent.Model) -> None:
    install(site, "acme-model", {"acme": "acme_model:MINE"}, declaration(model), mine=model.weights.read_bytes())
    code = (
        "import sys; from reticent.model import catalogue; listed = catalogue.names(); assert 'acme_model' not in sys.modules; "
        "print(listed[-1], catalogue.parameters('acme', 'heads')); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"acme {catalogue.parameters('acme', 'heads')}\n"


def test_a_plan_for_a_model_that_the_policy_doesnt_name_imports_nothing(site: Path, model: reticent.Model) -> None:
    install(site, "acme-model", {"acme": "acme_model:MINE"}, declaration(model), mine=model.weights.read_bytes())
    device = Device()
    asked = {"model": "acme", "parameters": 12}
    with pytest.raises(PolicyViolation, match="model"):
        device.join(join_request(device.signed(**asked), WEIGHTS))
    assert "acme_model" not in sys.modules
    allowing = Device(models=("acme",))
    with pytest.raises(SettingError, match="parameters with trainable=heads, not 12"):
        allowing.join(join_request(allowing.signed(**asked), WEIGHTS))
    assert "acme_model" in sys.modules
    fitting = asked | {"parameters": catalogue.parameters("acme", "heads")}
    allowing.join(join_request(allowing.signed(**fitting), WEIGHTS))
    assert allowing.kinds() == ["genesis", "consent", "charge"]


BROKEN = {
    "raises": ("MINE = 1 / 0", r"acme-model 1\.0 can't be used: importing acme_model:MINE fails \(ZeroDivisionError\)"),
    "nothing there": ("", r"acme-model 1\.0 can't be used: importing acme_model:MINE fails \(AttributeError\)"),
    "another thing": ("MINE = 'office-60k'", r"acme-model 1\.0 can't be used: acme_model:MINE is no reticent\.Model"),
    "another file": (None, r"acme-model 1\.0 can't be used: mine\.safetensors is not the file whose SHA-256"),
    "no trunk": ("trunk", r"acme-model 1\.0 can't be used: there is no module acme_trunk"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_package_is_one_sentence_that_names_it_and_harms_no_other(
    case: str, site: Path, model: reticent.Model
) -> None:
    code, sentence = BROKEN[case]
    if code is None:
        code = declaration(model, sha256="0" * 64)
    elif code == "trunk":
        code = declaration(model, trunk="acme_trunk:Trunk")
    install(site, "acme-model", {"acme": "acme_model:MINE"}, code, mine=model.weights.read_bytes())
    with pytest.raises(SettingError, match=sentence):
        catalogue.check("acme", "heads", 12)
    (problem,) = catalogue.problems()
    assert problem.count(";") <= 2
    assert "acme-model 1.0" in problem
    catalogue.check("office-60k", "heads", catalogue.parameters("office-60k", "heads"))
    assert catalogue.largest() == max(catalogue.parameters(name, "all") for name in catalogue.BUILT_IN)


def test_doctor_names_a_package_that_brings_what_cant_be_used(site: Path) -> None:
    install(site, "acme-model", {"acme": "acme_model:MINE"}, "MINE = 1 / 0")
    finding = examination._training()
    assert finding.state == "limited"
    assert "acme-model 1.0 can't be used" in finding.fact


def test_a_name_of_reticents_own_stays_reticents(site: Path, model: reticent.Model) -> None:
    before = catalogue.entry("history")
    install(site, "acme-model", {"history": "acme_model:MINE"}, declaration(model), mine=model.weights.read_bytes())
    assert catalogue.entry("history") is before
    assert catalogue.names() == catalogue.BUILT_IN
    assert catalogue.problems() == (
        "acme-model 1.0 brings a model named history, which is reticent's own; reticent's is used",
    )


def test_a_name_that_two_packages_bring_is_neithers(site: Path, model: reticent.Model) -> None:
    for package in ("acme-one", "acme-two"):
        module = package.replace("-", "_")
        install(site, package, {"acme": f"{module}:MINE"}, declaration(model), mine=model.weights.read_bytes())
    with pytest.raises(
        SettingError, match=r"acme-(one|two) 1\.0 and acme-(one|two) 1\.0 both bring a model named acme"
    ):
        catalogue.entry("acme")
    assert catalogue.names() == catalogue.BUILT_IN
    assert "acme_one" not in sys.modules


def test_a_package_that_is_installed_while_a_process_runs_is_found(site: Path, model: reticent.Model) -> None:
    os.utime(site, ns=(0, 0))
    assert catalogue.names() == catalogue.BUILT_IN
    install(site, "acme-model", {"acme": "acme_model:MINE"}, declaration(model), mine=model.weights.read_bytes())
    assert catalogue.names() == (*catalogue.BUILT_IN, "acme")


def test_a_name_that_no_plan_could_give_is_a_problem_and_no_name(site: Path, model: reticent.Model) -> None:
    install(site, "acme-model", {"My model": "acme_model:MINE"}, declaration(model))
    assert catalogue.names() == catalogue.BUILT_IN
    assert "whose name no plan can give" in "".join(catalogue.problems())


def test_nothing_that_lies_in_the_current_folder_is_a_model(
    site: Path, model: reticent.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, "acme-model", {"acme": "acme_model:MINE"}, declaration(model), mine=model.weights.read_bytes())
    monkeypatch.chdir(site)
    assert "acme" not in catalogue.names()
    with pytest.raises(SettingError, match="no model of this name"):
        catalogue.entry("acme")


def test_a_module_in_the_current_folder_never_stands_in_for_an_installed_one(
    tmp_path: Path, site: Path, model: reticent.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, "acme-model", {"acme": "acme_model:MINE"}, declaration(model), mine=model.weights.read_bytes())
    here = tmp_path / "here"
    (here / "acme_model").mkdir(parents=True)
    (here / "acme_model" / "__init__.py").write_text("raise SystemExit('this was imported')")
    monkeypatch.chdir(here)
    monkeypatch.syspath_prepend("")
    with pytest.raises(SettingError, match="lies in the current folder"):
        catalogue.entry("acme")
