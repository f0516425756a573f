"""Which token count to probe next.

First both sides of wide tiles' edges, then the middle of the widest gaps. After that each
probe goes where it is worth most: where it narrows what a gap may hide, where it halves the
place of a suspected step, or where a count may prove faster for its tokens than those that
are known to be, which is what the solver looks for. The last few only do the latter.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from latmodel.fitting import Fit, fit
from latmodel.gaps import Floats
from latmodel.measurement import Measurement
from latmodel.roughness import MOVE

__all__ = ["first_counts", "next_count"]

_TILES = (64, 32, 16, 8)

_SPREAD_SHARE = 0.4
"""The share of probes after which no gap is halved for its width alone."""

_WIDE = 2.5
"""A gap is wide if it holds so many times the counts that evenly spread probes leave."""

_PROVING_SHARE = 0.05
"""The last share of probes, which proves the counts that a solver would choose."""

_PROMISE = 0.15
"""What a lower latency at one count is worth beside a lower error at all."""

_STEP = 0.15
"""What a bit of knowledge of a step's place is worth, per height of the step."""

_DOUBT = 0.15
"""How likely a step is to lie anywhere, whatever tiles say: each is confirmed by measuring."""

_NO_STEP = 0.02
"""A hidden rise below this is no step to be located."""

_ALONE = 24.0
"""Tokens within which a step the other way makes it less likely that a step lasts."""

_WORTHWHILE = 0.0008
"""A promise below this, as a fraction of latency, is not worth one of the last probes."""


def first_counts(tokens: Sequence[int], max_probes: int) -> tuple[int, ...]:
    """The counts to probe before anything is known: full, floor, both sides of wide tiles.

    Args:
        tokens: the counts of interest, ascending.
        max_probes: probes that may be spent in all; about a quarter go here, two at least.

    Returns:
        Counts out of `tokens`, in the order to probe them.

    >>> first_counts(range(1, 198), 24)
    (197, 1, 128, 129, 64, 65, 192)
    """
    known = set(tokens)
    chosen = dict.fromkeys((tokens[-1], tokens[0]))
    for tile in (128, 64):
        for edge in range(tile, tokens[-1], tile):
            for count in (edge, edge + 1):
                if count in known and len(chosen) <= max(max_probes // 4, 2):
                    chosen[count] = None
    return tuple(chosen)[:max_probes]


def next_count(
    tokens: Sequence[int], probes: Sequence[Measurement], max_probes: int | None = None
) -> int | None:
    """The count whose probe is worth most.

    Args:
        tokens: the counts of interest, ascending.
        probes: at least two, ascending in count; the first and last of `tokens` among them.
        max_probes: probes that may be spent in all, these included; by default these and
            as many again.

    Returns:
        A count out of `tokens` not yet probed; None when every one was.
    """
    probed = {probe.count for probe in probes}
    left = [count for count in tokens if count not in probed]
    if not left:
        return None
    most = 2 * len(probes) if max_probes is None else max_probes
    if len(probes) < _SPREAD_SHARE * most:
        wide = _halve_widest(tokens, sorted(probed), _WIDE * len(tokens) / most)
        if wide is not None:
            return wide
    fitted = fit(probes)
    places = np.array(left) - fitted.counts[0]
    promise = _promise(fitted)[places]
    last_few = min(most, len(tokens)) - len(probes) <= _PROVING_SHARE * most
    if last_few and promise.max() > _WORTHWHILE:
        return left[int(promise.argmax())]
    worth = _worth(fitted, places) / len(tokens) + _PROMISE * promise
    return left[int((worth + _bits(fitted, places)).argmax())]


def _halve_widest(tokens: Sequence[int], probed: Sequence[int], limit: float) -> int | None:
    """A count near the middle of the gap with most counts, at a tile's edge if there is one."""
    rank = {count: place for place, count in enumerate(tokens)}
    places = [rank[count] for count in probed if count in rank]
    widths = np.diff(places)
    widest = int(widths.argmax())
    if widths[widest] <= limit:
        return None
    inside = tokens[places[widest] + 1 : places[widest + 1]]
    middle, near = len(inside) // 2, len(inside) // 6
    close = inside[middle - near : middle + near + 1]
    for tile in _TILES:
        at_edge = [count for count in close if count % tile == 0]
        if at_edge:
            return min(at_edge, key=lambda count: abs(count - inside[middle]))
    return inside[middle]


def _promise(fitted: Fit) -> Floats:
    """How much lower a count may prove to lie than the best mix of counts; shape (N,).

    The lower convex hull of latency over tokens is what a schedule of many blocks pays per
    token. Expected improvement on it, as in Bayesian optimisation (Mockus 1978).
    """
    # A tenth of a second that reading a profile need not wait for.
    from scipy.special import ndtr  # noqa: PLC0415

    hull = _lower_hull(fitted.counts, fitted.latency_ns)
    spread = np.maximum(fitted.deviation_ns, 1e-9)
    ahead = (hull - fitted.latency_ns) / spread
    density = np.exp(-(ahead**2) / 2) / np.sqrt(2 * np.pi)
    gain: Floats = spread * (ahead * ndtr(ahead) + density) / hull
    return gain


def _lower_hull(counts: npt.NDArray[np.int64], latency: Floats) -> Floats:
    """The latency, at each count, of the cheapest mix of counts that keeps as many tokens."""
    corners: list[tuple[int, float]] = []
    for count, cost in zip(counts.tolist(), latency.tolist(), strict=True):
        while corners and corners[-1][1] >= cost:
            corners.pop()
        while len(corners) >= 2:
            (x1, y1), (x2, y2) = corners[-2:]
            if (y2 - y1) * (count - x1) < (cost - y1) * (x2 - x1):
                break
            corners.pop()
        corners.append((count, cost))
    along, costs = zip(*corners, strict=True)
    hull: Floats = np.interp(counts, along, costs)
    return hull


def _worth(fitted: Fit, places: npt.NDArray[np.int64]) -> Floats:
    """How much error, summed over the counts of a gap, a probe takes away; shape of places.

    A hidden step of height h lies below a count with the probability ``c`` that is its
    share, so the mean error there is ``2 h c (1 - c)``. A probe tells on which side of it
    the step lies. Where kernels alternate it tells about its own count only.
    """
    inside = np.zeros(len(fitted.counts))
    inside[places] = 1.0
    share, gap = fitted.shares, fitted.gap_of
    sums = [np.concatenate([[0.0], np.cumsum(inside * share**k)]) for k in (0, 1, 2)]
    start = fitted.gaps.counts[gap[places]] - fitted.counts[0]
    stop = fitted.gaps.counts[gap[places] + 1] - fitted.counts[0]
    whole = [s[stop] - s[start + 1] for s in sums]
    left = [s[places] - s[start + 1] for s in sums]
    right = [s[stop] - s[places + 1] for s in sums]
    at = share[places]
    below, above = np.maximum(at, 1e-9), np.maximum(1 - at, 1e-9)
    before = (left[1] * below - left[2]) / below  # its error, times that of its being there
    after = ((1 + at) * right[1] - right[2] - at * right[0]) / above
    taken = 2 * fitted.hidden[gap[places]] * (whole[1] - whole[2] - before - after)
    own = 0.8 * np.sqrt(fitted.rough.scatter[gap[places]])
    total: Floats = np.maximum(taken, 0.0) + own
    return total


def _bits(fitted: Fit, places: npt.NDArray[np.int64]) -> Floats:
    """What halving the place of a lasting step is worth; shape of places."""
    from scipy.special import entr  # noqa: PLC0415 (as above)

    gaps, rough = fitted.gaps, fitted.rough
    ways = np.sign(gaps.rises - rough.slopes * gaps.widths)
    against = (ways[:, None] * ways < 0) * np.exp(-gaps.distances() / _ALONE)
    hidden = fitted.hidden**2
    moves = np.where(rough.steps > MOVE, rough.steps**2, 0.0)
    alike = np.minimum(moves / hidden[:, None], 1.0)  # (gaps, others): no more than undone
    lasting = 1 / (1 + (against * alike).sum(axis=1)) ** 2
    height = np.maximum(fitted.hidden - _NO_STEP, 0.0) * lasting
    gap = fitted.gap_of[places]
    along = (fitted.counts[places] - fitted.gaps.counts[gap]) / fitted.gaps.widths[gap]
    share = (1 - _DOUBT) * fitted.shares[places] + _DOUBT * along
    bits = (entr(share) + entr(1 - share)) / np.log(2)
    worth: Floats = _STEP * height[gap] * bits
    return worth
