"""The command finds its config groups in an editable install and in an installed wheel, from an empty folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SHOW = "import reticent, sys; print(reticent.__file__); from reticent.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)], cwd=ROOT, check=True, timeout=120
    )
    (built,) = out.glob("*.whl")
    return built


def shown(folder, *, path):
    """Where the package was imported from, and the composed settings; nothing is left in the folder."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", SHOW, "train", "+experiment=drawn_secure_eps4", "model=history", "--cfg", "job"],
        cwd=folder,
        env=environment | ({"PYTHONPATH": str(path)} if path else {}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == []
    package, _, settings = done.stdout.partition("\n")
    return Path(package), yaml.safe_load(settings)


def test_an_installed_wheel_works_from_an_empty_folder(wheel, tmp_path):
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    with zipfile.ZipFile(wheel) as archive:  # what pip does with a pure wheel
        archive.extractall(site)
    package, settings = shown(empty, path=site)
    assert package == site / "reticent" / "__init__.py"
    assert settings["data"]["people"] == 1000
    assert settings["model"] == {"name": "history"}
    assert (site / "hydra_plugins" / "reticent_ray.py").is_file()  # Hydra takes launchers from there alone
    assert not (site / "hydra_plugins" / "__init__.py").exists()  # or it would hide those of other packages


def test_an_editable_install_works_from_an_empty_folder(tmp_path):
    package, settings = shown(tmp_path, path=None)
    assert package == ROOT / "src" / "reticent" / "__init__.py"
    assert settings["data"]["people"] == 1000


def test_the_wheel_stays_small_and_holds_recordings_models_and_config(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert wheel.stat().st_size < 15 << 20
    assert {"reticent/conf/train.yaml", "reticent/recordings/data/office.recording"} <= names
    assert {f"reticent/model/data/{name}.safetensors" for name in ("history", "office-60k", "office-170k")} <= names
