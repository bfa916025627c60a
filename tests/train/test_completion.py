"""Completion in a real bash: Hydra's words after `reticent train`, click's before."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reticent.cli import main

BIN = Path(sys.executable).parent
COMPLETE = 'source <(reticent train -sc install=bash); COMP_WORDS=({words}); COMP_CWORD={at}; COMP_LINE="{line}"; COMP_POINT={end}; _reticent_completion; printf "%s\\n" "${{COMPREPLY[@]}}"'


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("reticent train privacy=", {"privacy=local_eps8", "privacy=secure_eps4", "privacy=secure_eps8"}),
        ("reticent train data=drawn server=co", {"server=cohorts"}),
        ("reticent train server.ro", {"server.rounds="}),
        ("reticent pri", {"privacy"}),
    ],
)
def test_a_line_is_completed(line, expected):
    words = line.split(" ")
    script = COMPLETE.format(words=" ".join(words), at=len(words) - 1, line=line, end=len(line))
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert set(done.stdout.split()) == expected, done.stderr


@pytest.mark.parametrize("option", ["-sc", "--shell-completion"])
@pytest.mark.parametrize("word", ["install=zsh", "install=fish", "query=zsh", "install=", "bash"])
def test_a_shell_whose_words_are_not_completed_is_told_so(option, word, capsys):
    assert main(["train", option, word]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert "words are completed in bash" in shown.err


@pytest.mark.parametrize("option", ["-sc", "--shell-completion"])
def test_either_name_of_the_option_gives_our_script(option, capsys):
    assert main(["train", option, "install=bash"]) == 0
    assert "complete -o nospace -o default -F _reticent_completion reticent" in capsys.readouterr().out
