"""Read many counts in turn, round after round, until each is known well enough.

Each round reads the counts in an order drawn anew, and a reference count every few readings,
which tells how fast the machine was (see `latmodel.drift`). Counts that are known well are
read less often, so that the time goes to those that are not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from random import Random

from latmodel.drift import feels, find_speeds
from latmodel.errors import MeasurementError
from latmodel.measurement import Measurement

__all__ = ["Effort", "Estimate", "Key", "Reading", "estimate", "interleave"]

Key = tuple[str, int]
"""A part and a token count."""

Reading = tuple[Key, int]
"""A key and what one call of it took, in ns."""

_EVERY = 8
"""Readings between two references, which then take about a fifth of the time."""

_LEAST = 3
"""Rounds that are made whatever time they take; below three, a median is no median."""

_BELIEVED = 7
"""Undisturbed samples below which a standard error is not believed."""

_SELDOM = 4
"""A count that is known is read in every fourth round only."""

_SMALL = 25
"""What takes less than a 25th of the reference (a cut, a head) need be known no better in ns
than what takes a 25th: it is a small part of any latency that is ever predicted."""

_MOST = 30_000
"""Readings in all, so that a profile stays below the megabyte that `latmodel.files` reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """When readings are enough: whichever comes first.

    Attributes:
        target: one standard error of every count, as a fraction of its latency, that
            suffices.
        limit_s: seconds that all rounds may take, unless it needs more for three rounds;
            making parts ready to be read is not counted.
        rounds: rounds made at most.

    Raises:
        MeasurementError: the target is negative, the limit not positive, or there is no
            round.
    """

    target: float = 0.01
    limit_s: float = 30.0
    rounds: int = 60

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise MeasurementError(f"rounds is {self.rounds}: must be 1 or more")
        if not self.target >= 0:
            raise MeasurementError(f"target is {self.target}: must be 0 or more")
        if not self.limit_s > 0:
            raise MeasurementError(f"limit_s is {self.limit_s}: must be above 0")

    def to_dict(self) -> dict[str, float]:
        """As plain numbers."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the readings say of every key.

    Attributes:
        measured: by key, its samples in the order they were taken, with the machine's
            speed during each; no speeds where all were taken at the usual one.
        blind: keys that were never read while the speed was known. Their samples all
            count, uncorrected.
    """

    measured: dict[Key, Measurement]
    blind: frozenset[Key]

    def unknown(self, reference: Key, target: float) -> frozenset[Key]:
        """The keys not yet known to `target`."""
        least_ns = self.measured[reference].centre_ns / _SMALL
        return self.blind | {
            key
            for key, m in self.measured.items()
            if len(m.steady_ns) < _BELIEVED
            or m.relative_error * m.centre_ns > target * max(m.centre_ns, least_ns)
        }


def estimate(readings: Sequence[Reading], reference: Key) -> Estimate:
    """Put readings together by key, each with the machine's speed while it was taken.

    A key whose readings do not slow down when the reference does is not corrected.

    Raises:
        MeasurementError: a reading is not positive.
    """
    for (_, count), taken in readings:
        Measurement(count, (taken,))  # says what is wrong before its logarithm is taken
    speeds = find_speeds([ns for _, ns in readings], [key == reference for key, _ in readings])
    samples: dict[Key, list[tuple[int, float]]] = {}
    for (key, taken), speed in zip(readings, speeds, strict=True):
        samples.setdefault(key, []).append((taken, speed))
    measured, blind = {}, set()
    for key, pairs in samples.items():
        taken_ns, speed_of = zip(*pairs, strict=True)
        if not any(speed_of):
            blind.add(key)
        elif not feels(taken_ns, speed_of):
            speed_of = tuple(float(speed > 0) for speed in speed_of)
        steady = key in blind or set(speed_of) == {1.0}
        measured[key] = Measurement(key[1], taken_ns, () if steady else speed_of)
    return Estimate(measured, frozenset(blind))


def interleave(
    read: Callable[[Key], int],
    keys: Sequence[Key],
    *,
    reference: Key,
    clock: Callable[[], float],
    effort: Effort | None = None,
    on_progress: Callable[[str, float], None] = lambda _what, _done: None,
) -> tuple[Reading, ...]:
    """Read every key in turn, and the reference all the time, until all are known.

    Args:
        read: takes one reading, in ns.
        keys: what is read; the reference need not be among them.
        reference: the key whose readings tell the machine's speed.
        clock: the time in seconds, from any start.
        effort: when to stop; by default that of `Effort()`.
        on_progress: called after every reading with what is going on and the fraction
            done of the longest that it may take.

    Returns:
        Every reading, in the order it was taken.
    """
    effort = effort or Effort()
    wanted = [key for key in dict.fromkeys(keys) if key != reference]
    unknown, known = frozenset(wanted) | {reference}, ""
    readings: list[Reading] = []
    began, spent = clock(), 0.0
    for turn in range(1, effort.rounds + 1):
        queue = _in_turn(_due(wanted, unknown, turn), reference, turn)
        for place, key in enumerate(queue, start=1):
            late = turn > _LEAST and spent >= 1
            if late and key != reference:
                continue  # what was read since the last reference needs one after it too
            readings.append((key, read(key)))
            spent = (clock() - began) / effort.limit_s
            on_progress(
                f"round {turn}{known}", _done(turn - 1 + place / len(queue), spent, effort)
            )
            if late:
                break
        if turn >= _BELIEVED:
            unknown = estimate(readings, reference).unknown(reference, effort.target)
            sure = len(wanted) + 1 - len(unknown)
            known = f", {sure} of {len(wanted) + 1} counts known to {effort.target:.1%}"
        if not unknown or len(readings) >= _MOST or (turn >= _LEAST and spent >= 1):
            break
    return tuple(readings)


def _done(rounds: float, spent: float, effort: Effort) -> float:
    """The fraction done of the longest that all rounds may take."""
    least = min(_LEAST, effort.rounds)
    return min(max(spent, rounds / effort.rounds), rounds / least, 1.0)


def _due(wanted: Sequence[Key], unknown: frozenset[Key], turn: int) -> list[Key]:
    return [key for key in wanted if key in unknown or turn % _SELDOM == 0]


def _in_turn(due: Sequence[Key], reference: Key, turn: int) -> list[Key]:
    """The keys of one round in an order of its own, the reference first, last and between."""
    order = list(due)
    Random(turn).shuffle(order)  # noqa: S311 (an order, no secret)
    queue = [reference]
    for start in range(0, len(order), _EVERY):
        queue += [*order[start : start + _EVERY], reference]
    return queue
