"""`reticent ... | head -1`: whoever read the output has enough, and that is no error."""

import subprocess
import sys

import pytest

from reticent.cli import CLOSED_PIPE


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "privacy epsilon --help",
        "train --help",
        "train --cfg job",
        "privacy epsilon --noise-multiplier 5 --steps 50 --delta 1e-6",
        "privacy epsilon --noise-multiplier 5 --steps 50 --delta 1e-6 --json",
    ],
)
def test_a_closed_pipe_ends_a_command_quietly_with_the_code_of_sigpipe(words: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "reticent.cli", *words.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    said = child.stderr.read()
    child.stderr.close()
    assert (child.wait(120), said) == (CLOSED_PIPE, b"")
