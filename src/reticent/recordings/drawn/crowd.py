"""How are people called who are made from a number alone?"""

import re
from dataclasses import dataclass

from reticent.errors import SettingError

MAX_INDEX = 10**9


@dataclass(frozen=True, slots=True)
class Crowd:
    """prefix: what all their names begin with."""

    prefix: str

    def name(self, index: int) -> str:
        """7 is PREFIX-0007. Raises SettingError unless 0 <= index < MAX_INDEX."""
        if not 0 <= index < MAX_INDEX:
            raise SettingError(f"a drawn person's index lies in 0 to {MAX_INDEX - 1}; nothing was drawn")
        return f"{self.prefix}-{index:04d}"

    def check(self, person: str) -> None:
        """Raises SettingError for a name that is not `name(index)`."""
        match = re.fullmatch(rf"{self.prefix}-([0-9]{{4,10}})", person)
        if match is None or int(match[1]) >= MAX_INDEX or self.name(int(match[1])) != person:
            raise SettingError(f"a drawn person is called {self.name(0)}, {self.name(1)} and so on; nothing was drawn")
