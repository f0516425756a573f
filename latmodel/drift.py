"""How fast the machine was during each reading, told by one that is repeated all the time.

A machine's speed drifts with its clock, its heat and its neighbours. Among the readings of
many counts one, the reference, comes again every few readings; were the machine steady, it
would always take the same. Its series, smoothed, is the machine's speed, and each reading
between two references is corrected by it. Where two references that follow each other
disagree, the speed between them is anyone's guess, and it is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["LIMIT", "feels", "find_speeds"]

LIMIT = 2.0
"""Above or below the usual speed by this factor, a correction is no longer believed.

Source: DeiT-S in eager mode on one core of a shared virtual machine whose speed had two
states, 1.53 apart. Corrected, blocks and the whole model agreed between both to 4 %, MLP
halves to 6 %, single counts below 9 tokens to 10 % and worse; beyond that nothing is known."""

_JUMP = 0.10
"""References further apart than this, in logarithm, leave the speed between them unknown."""

_SIGMAS = 4.0
_SIGMA_PER_MAD = 1.4826
"""A reference that many standard deviations off its neighbours was itself disturbed."""

_REACHES = (1, 2, 4, 8, 16)
"""Neighbours on either side that a smooth value is the median of, itself included."""

_AS_GOOD = 1.1
"""The widest smoothing is taken whose error is within a tenth of the least: with noise and
no drift, all of them predict about as well, and the widest adds least noise of its own."""

_CLEARLY = 0.9
"""Raw readings are trusted where they scatter by less than that part of corrected ones."""

_FEWEST = 5
"""References below which nothing is corrected: nothing tells drift from noise."""

_Floats = npt.NDArray[np.float64]


def find_speeds(latencies_ns: Sequence[int], reference: Sequence[bool]) -> tuple[float, ...]:
    """The machine's speed during each reading, as a fraction of its usual one.

    The time is what the readings took: reading ``i`` stands in its own middle. At each
    reference the smooth is the median of the references around it, as many as predict
    the one left out best; between two it is the straight line, in logarithms. The usual
    speed is the median of all references.

    Args:
        latencies_ns: shape (readings,), of different counts, in the order they were taken.
        reference: shape (readings,), which of them are readings of the reference.

    Returns:
        Shape (readings,): a latency times its speed is what it would be at the usual
        speed. 0 where the speed is unknown: beside a reference that was itself disturbed,
        between two that disagree by over 10 %, and where the machine was `LIMIT` times
        faster or slower than usual. A reference is judged by its neighbours alone. All 1
        where nothing drifts.

    >>> find_speeds([10, 3, 10, 3, 10, 3, 10, 3, 10], [True, False] * 4 + [True])
    (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    """
    places = np.flatnonzero(np.asarray(reference, dtype=bool))
    if len(places) < _FEWEST:
        return (1.0,) * len(latencies_ns)
    logs = np.log(np.asarray(latencies_ns, dtype=np.float64)[places])
    reach = _choose_reach(logs)
    smooth = _smooth(logs, reach, left_out=False)
    alone = _smooth(logs, reach, left_out=True)
    level = np.sort(smooth)[(len(smooth) - 1) // 2]
    noise = _SIGMA_PER_MAD * float(np.median(np.abs(logs - alone)))
    sound = np.abs(logs - smooth) <= max(_SIGMAS * noise, _JUMP)
    drift = _between(latencies_ns, places, smooth)
    drift[places] = alone
    known = _known_between(len(drift), places, smooth, sound) & (
        np.abs(drift - level) <= np.log(LIMIT)
    )
    return tuple(np.where(known, np.round(np.exp(level - drift), 4), 0.0).tolist())


def feels(latencies_ns: Sequence[int], speeds: Sequence[float]) -> bool:
    """Whether readings of one count slow down when the reference does.

    Not all do: what the operating system or one thread does may keep its pace while the
    cores that compute slow down, and correcting would bring in the drift it never had.

    Args:
        latencies_ns: shape (readings,), of one count.
        speeds: shape (readings,), as `find_speeds` gives them.

    Returns:
        False if the raw readings agree clearly better with each other than the corrected
        ones; readings at an unknown speed are looked at in neither.

    >>> feels([100, 200, 100, 200], [1.0, 0.5, 1.0, 0.5])
    True
    >>> feels([100, 101, 100, 101], [1.0, 0.5, 1.0, 0.5])
    False
    """
    known = np.asarray(speeds, dtype=np.float64)
    taken = np.log(np.asarray(latencies_ns, dtype=np.float64))[known > 0]
    corrected = taken + np.log(known[known > 0])
    if not taken.size:
        return True
    raw, after = _error(taken - np.median(taken)), _error(corrected - np.median(corrected))
    return raw >= _CLEARLY * after


def _choose_reach(logs: _Floats) -> int:
    """How many neighbours on either side predict a reference best; all, where none does."""
    reaches = [reach for reach in _REACHES if 2 * reach < len(logs)]
    reaches.append(len(logs))
    errors = [_error(logs - _smooth(logs, reach, left_out=True)) for reach in reaches]
    good = _AS_GOOD * min(errors)
    return max(reach for reach, error in zip(reaches, errors, strict=True) if error <= good)


def _error(misses: _Floats) -> float:
    # Clipped, so that one interrupted call weighs no more than one that is far off.
    return float(np.mean(np.minimum(np.abs(misses), np.log(LIMIT))))


def _smooth(logs: _Floats, reach: int, *, left_out: bool) -> _Floats:
    """The median of the neighbours of each; near the ends of fewer, alike on both sides."""
    number = len(logs)
    if reach >= number:
        return np.full(number, np.median(logs))
    smooth = np.empty(number)
    for place in (*range(reach), *range(number - reach, number)):
        # A window with more on one side than on the other would lag behind a drift.
        near = max(1, min(place, number - 1 - place))
        around = np.arange(max(0, place - near), min(number, place + near + 1))
        smooth[place] = np.median(logs[around[around != place] if left_out else around])
    windows = np.lib.stride_tricks.sliding_window_view(logs, 2 * reach + 1)
    inner = np.delete(windows, reach, axis=1) if left_out else windows
    smooth[reach : number - reach] = np.median(inner, axis=1)
    return smooth


def _between(
    latencies_ns: Sequence[int], places: npt.NDArray[np.intp], smooth: _Floats
) -> _Floats:
    """The smooth at the middle of every reading; flat before the first and after the last."""
    taken = np.asarray(latencies_ns, dtype=np.float64)
    middles = np.cumsum(taken) - taken / 2
    return np.interp(middles, middles[places], smooth)


def _known_between(
    number: int, places: npt.NDArray[np.intp], smooth: _Floats, sound: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Whether the references on both sides of each reading are sound and agree."""
    jump = np.abs(np.diff(smooth)) > _JUMP
    # Before the first reference and after the last there is one side only.
    agree = np.concatenate((sound[:1], sound[:-1] & sound[1:] & ~jump, sound[-1:]))
    known = agree[np.searchsorted(places, np.arange(number), side="right")]
    known[places] = sound & ~np.append(jump, False) & ~np.insert(jump, 0, False)
    return known
