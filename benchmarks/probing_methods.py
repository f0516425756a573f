"""Every method on one curve: who measures what, how often, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from probing_baselines import BASELINES, uniform_places
from probing_scoring import Score, Truth, claimed_edges, score

from latmodel.probing import probe_curve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probing_curves import Floats, Ints, Replayed

    from latmodel.curve import Curve

__all__ = ["Device", "Result", "Trial", "try_methods"]

_SLOW = 0.02
_SLOWED = 3.0
"""Under noise, this share of readings takes so many times as long: another program ran."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One curve, measured once.

    Attributes:
        curve: what is measured.
        noise: one standard deviation of a reading, as a fraction of it.
        seed: of the noise.
    """

    curve: Replayed
    noise: float
    seed: int


@dataclass(frozen=True, slots=True)
class Result:
    """What a method did in a trial.

    Attributes:
        trial: the curve and the noise.
        method: what was tried.
        counts: how many counts it measured.
        readings: how many readings it took, of all counts together.
        seconds: what it computed, where that was timed; else 0.
        score: how it did.
    """

    trial: Trial
    method: str
    counts: int
    readings: int
    seconds: float
    score: Score


class Device:
    """Replays a curve with noise, and remembers what it was asked.

    Args:
        trial: the curve and its noise.
    """

    def __init__(self, trial: Trial) -> None:
        curve = trial.curve
        self._known = dict(zip(curve.counts.tolist(), curve.latency_ns.tolist(), strict=True))
        name = int.from_bytes(curve.name.encode(), "little")
        self._rng = np.random.default_rng((trial.seed, round(trial.noise * 1000), name))
        self._noise = trial.noise
        self.asked: list[int] = []

    def read(self, count: int) -> float:
        """One reading, in ns."""
        self.asked.append(count)
        latency = float(self._known[count])
        if not self._noise:
            return latency
        slowed = _SLOWED if self._rng.random() < _SLOW else 1.0
        return latency * slowed * max(1 + self._noise * self._rng.standard_normal(), 0.1)

    def medians(self, counts: Ints, readings: int) -> Floats:
        """The median of so many readings at each count."""
        return np.array(
            [
                np.median([self.read(count) for _ in range(readings)])
                for count in counts.tolist()
            ]
        )


def try_methods(trial: Trial) -> list[Result]:
    """Ours first, then everything else with as many counts and readings per count."""
    truth, device = Truth.of(trial.curve), Device(trial)
    started = perf_counter()
    found = probe_curve(
        device.read, tokens=trial.curve.counts.tolist(), max_probes=trial.curve.probes
    )
    seconds = perf_counter() - started
    probed = len(set(device.asked))
    assert probed <= trial.curve.probes, f"{trial.curve.name}: {probed} counts measured"
    readings = max(round(len(device.asked) / probed), 1)
    ours = [
        Result(trial, method, probed, len(device.asked), seconds, judged)
        for method, judged in _ours(truth, found)
    ]
    others = [
        Result(trial, method, counts, counts * readings, 0.0, judged)
        for method, counts, judged in _others(truth, device, probed, readings)
    ]
    return ours + others


def _ours(truth: Truth, found: Curve) -> Iterator[tuple[str, Score]]:
    counts = truth.curve.counts
    located = {edge.count: edge.size for edge in found.edges(0.04) if edge.located}
    upper_ns = found.upper_ns(counts, 0.95)
    yield (
        "ours",
        score(truth, found.latency_ns(counts), claimed=located, upper_ns=upper_ns),
    )
    yield "ours, planned by the 95 % bound", score(truth, upper_ns)


def _others(
    truth: Truth, device: Device, probes: int, readings: int
) -> Iterator[tuple[str, int, Score]]:
    counts = truth.curve.counts
    places = uniform_places(len(counts), probes)
    probed, read_ns = counts[places], device.medians(counts[places], readings)
    for method, fit in BASELINES.items():
        predicted = fit(probed, read_ns, counts)
        claimed = claimed_edges(counts, predicted)
        yield method, len(places), score(truth, predicted, claimed=claimed)
    yield "FLOPs: latency as tokens", 1, score(truth, read_ns[-1] * counts / counts[-1])
    swept = device.medians(counts, readings)
    claimed = claimed_edges(counts, swept)
    yield "full sweep", len(counts), score(truth, swept, claimed=claimed)
