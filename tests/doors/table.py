"""Door x input: what is spoilt, by which command it comes in, and what the one sentence must name.

A new door is a `Door` in `files`, with the command that reads it; the inputs that fit every file come with it. What fits one
door alone is a `Row` of its own, in `surroundings`.
"""

from tests.doors.experiments import TRAIN
from tests.doors.files import FILES
from tests.doors.surroundings import SINGLE, SURROUNDINGS

ROWS = (*(row for door in FILES for row in door.rows()), *SINGLE, *SURROUNDINGS, *TRAIN)
