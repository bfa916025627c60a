"""Completion in bash: Hydra knows the words after `reticent train`, click all others."""

import os
from collections.abc import Sequence

from reticent.errors import SettingError

_OPTIONS = ("-sc", "--shell-completion")
_INSTALL, _QUERY = "install=bash", "query=bash"

SCRIPT = """\
_reticent_completion()
{
    local choices word="${COMP_WORDS[COMP_CWORD]}"
    if [ "$COMP_CWORD" -gt 1 ] && [ "${COMP_WORDS[1]}" = train ]; then
        choices=$(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" reticent train -sc query=bash 2>/dev/null)
    else
        choices=$(COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD="$COMP_CWORD" _RETICENT_COMPLETE=bash_complete reticent | sed 's/^[a-z]*,//')
    fi
    COMPREPLY=($(compgen -W "$choices" -- "$word"))
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=}
complete -o nospace -o default -F _reticent_completion reticent
"""


def is_asked(arguments: Sequence[str]) -> bool:
    """Whether they are Hydra's option for completion."""
    return bool(arguments) and arguments[0] in _OPTIONS


def is_query(arguments: Sequence[str]) -> bool:
    """Whether the shell asks for words."""
    return is_asked(arguments) and tuple(arguments[1:]) == (_QUERY,)


def install(arguments: Sequence[str]) -> None:
    """Print what a shell is to read. Raises: SettingError for any but bash."""
    if tuple(arguments[1:]) != (_INSTALL,):
        raise SettingError(
            f"words are completed in bash, after source <(reticent train -sc {_INSTALL}); nothing was installed"
        )
    print(SCRIPT, end="")


def prepare_query(arguments: Sequence[str]) -> None:
    """Hydra takes one word off the line for the program's name; ours has two."""
    line = os.environ.get("COMP_LINE", "")
    if is_query(arguments) and line.split()[:2] == ["reticent", "train"]:
        os.environ["COMP_LINE"] = line.replace("train", "", 1)
