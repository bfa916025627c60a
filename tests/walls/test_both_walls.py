"""What holds for both sides."""

import textwrap
from pathlib import Path

import pytest

from tests.walls.inside import CONFINED, KERNEL, inside

pytestmark = pytest.mark.skipif(KERNEL is None, reason="no kernel walls on this platform")


@pytest.mark.parametrize("side", ["keeper", "courier"])
def test_no_side_types_into_the_terminal_that_it_was_started_from(side: str, state: Path) -> None:
    """TIOCSTI would hand a command to the person's shell, outside every wall."""
    code = """
        import fcntl, pty, termios
        pid, terminal = pty.fork()
        if pid == 0:  # has the pty as its terminal
            walled()
            typed = [tried(fcntl.ioctl, 0, request, b"x") for request in (termios.TIOCSTI, termios.TIOCLINUX)]
            os.write(1, json.dumps({"typed": typed, "size": tried(os.get_terminal_size, 0)}).encode() + b"\\n")
            os._exit(0)
        said = b""
        while not said.endswith(b"\\n"):
            said += os.read(terminal, 4096)
        os.waitpid(pid, 0)
        print(said.decode().strip())
    """
    keeper = "def walled():\n    keeper_wall()\n"
    courier = "def walled():\n" + textwrap.indent(CONFINED, "    ")
    seen = inside((keeper if side == "keeper" else courier) + textwrap.dedent(code), state)
    assert seen == {"typed": ["PermissionError", "PermissionError"], "size": "DONE"}


def test_walls_import_nothing_of_capture_flower_or_torch() -> None:
    seen = inside("""
        told(found=sorted({name.split(".")[0] for name in sys.modules} & {"flwr", "torch", "numpy", "httpx", "pynput"}),
             ours=sorted(name for name in sys.modules if name.startswith("reticent.")))
    """)
    assert seen["found"] == []
    assert all(name == "reticent.errors" or name.startswith("reticent.walls") for name in seen["ours"])
