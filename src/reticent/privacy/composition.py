"""What ran, reduced to what an accountant needs: the distinct mechanisms and how often each ran."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from reticent.errors import SettingError
from reticent.privacy.events import Adjacency, PrivacyEvent
from reticent.privacy.gaussian import composed_mu


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """`steps` runs of a Gaussian on a Poisson sample, sensitivity 1. A part with sampling_rate 1 has one step."""

    noise_multiplier: float
    sampling_rate: float
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """mu: of everything that was not sampled, together. sampled: the rest, distinct, in a canonical order."""

    mu: float
    sampled: tuple[Part, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """Everything; what was not sampled is one Gaussian with noise 1/mu, which is exact."""
        if self.mu == 0:
            return self.sampled
        return (Part(noise_multiplier=1 / self.mu, sampling_rate=1.0, steps=1), *self.sampled)


def compose(events: Sequence[PrivacyEvent], *, adjacency: Adjacency) -> Composition:
    """Merge equal mechanisms, under the adjacency that is asked for (not the one each event was charged for).

    Zero-out of a Poisson-sampled example is the same pair of distributions as adding or removing it: a step sees it with
    probability q or sees nothing of it, and divides by a constant either way.
    Replace-one doubles the sensitivity of what was not sampled.
    Raises: SettingError for events of two units, which must never be added up, and for replace-one of sampled events.
    """
    if len({event.unit for event in events}) > 1:
        raise SettingError("employee and example are two guarantees that are never added up; nothing was computed")
    counts: defaultdict[tuple[float, float], int] = defaultdict(int)
    for event in events:
        counts[event.noise_multiplier, event.sampling_rate] += event.steps
    sampled = tuple(
        Part(noise_multiplier=noise, sampling_rate=rate, steps=steps)
        for (noise, rate), steps in sorted(counts.items())
        if rate < 1
    )
    if sampled and adjacency is Adjacency.REPLACE_ONE:
        raise SettingError(NO_REPLACE_ONE)
    sensitivity = 2 if adjacency is Adjacency.REPLACE_ONE else 1
    unsampled = ((noise / sensitivity, steps) for (noise, rate), steps in counts.items() if rate == 1)
    return Composition(mu=composed_mu(unsampled), sampled=sampled)


NO_REPLACE_ONE = (
    "replace-one is not computed where examples are Poisson-sampled: there the guarantee is zero-out, the same as adding or "
    "removing one example"
)
