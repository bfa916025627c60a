"""Whose recordings does a simulation train on?"""

from dataclasses import dataclass

from reticent.actions.pool import Pool
from reticent.errors import SettingError
from reticent.recordings import source


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Some people of one source, none of whom the public weights learnt from or are tested on.

    A name and some names travel to a worker; a pool is read or drawn when its person is asked.
    """

    source: str
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"<Population of {len(self)} people of {self.source}>"

    def pool(self, person: int) -> Pool:
        """What one person trains on, by place in `names`: all but the last sessions, which are held out."""
        return source.split_time(self.source, self.names[person]).earlier


def population(data: str, *, people: int | None) -> Population:
    """The first `people` clients of a source; all there are, where None.

    Raises: SettingError for an unknown source, or where it has fewer.
    """
    names = source.clients(data, people=people)
    if people is not None and len(names) < people:
        raise SettingError(f"{data} has {len(names)} people to train on, not {people:,}; nothing was trained")
    return Population(source=data, names=names)
