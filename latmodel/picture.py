"""What a picture of a latency curve shows, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from latmodel.curve import Curve
from latmodel.dense_samples import DenseSamples
from latmodel.errors import PlotError
from latmodel.steps import Step, join_edges, largest_steps, steep_steps
from latmodel.table import Int64, LatencyTable
from latmodel.workload import Workload

__all__ = ["Captions", "Picture", "PlotSettings", "picture_of_curve", "picture_of_table"]

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Captions:
    """The words around a picture; a line that is too long for it is cut and ends in `…`.

    Attributes:
        title: the first line, such as the device.
        subtitle: the second line, such as model, batch and dtype.
        latency: what the latency is of; the axis adds its unit.
    """

    title: str = ""
    subtitle: str = ""
    latency: str = "latency"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotSettings:
    """What counts as an edge, how many are named, and how wide the error band is.

    Attributes:
        threshold: height from which a rise or fall is an edge, as a fraction; one that the
            curve's usual slope explains is none.
        most_steps: edges named at most, 0 to 12; more leave the curve no room.
        confidence: the share of cases below the band's upper end; its lower end mirrors
            it. Between 0.5 and 1.

    Raises:
        PlotError: a value is out of range.
    """

    threshold: float = 0.05
    most_steps: int = 8
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not self.threshold > 0:
            raise PlotError(f"threshold is {self.threshold}: must be above 0")
        if not 0 <= self.most_steps <= 12:
            raise PlotError(f"most_steps is {self.most_steps}: must be 0 to 12")
        if not 0.5 < self.confidence < 1:
            raise PlotError(f"confidence is {self.confidence}: must be between 0.5 and 1")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """A latency curve with all that is drawn around it.

    Attributes:
        captions: the words.
        settings: what the steps and the band were made with.
        counts: shape (C,), every token count from the first to the last.
        expected_ns: shape (C,), the latency expected at each.
        upper_ns: shape (C,), the upper end of the error band.
        probes: counts that were measured, and their latency in ns.
        steps: the edges that are named, ascending.
        unnamed: edges that are not, because others are larger.
        samples: what to compare the curve with.
        warnings: what a reader must know before trusting it.

    Raises:
        PlotError: a sample lies outside the curve.
    """

    captions: Captions
    settings: PlotSettings
    counts: Int64
    expected_ns: _Floats
    upper_ns: _Floats
    probes: tuple[tuple[int, float], ...]
    steps: tuple[Step, ...]
    unnamed: int
    samples: DenseSamples | None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.samples is None:
            return
        least, most = min(self.samples.counts), max(self.samples.counts)
        if least < self.counts[0] or most > self.counts[-1]:
            raise PlotError(
                f"{self.samples.name} holds samples from {least} to {most} tokens, the curve "
                f"spans {self.counts[0]} to {self.counts[-1]}: leave out those beyond it"
            )

    @property
    def lower_ns(self) -> _Floats:
        """Shape (C,), the lower end of the error band: as far below as the upper is above.

        Errors are fractions, so the mirror is in the ratio, and never below 0.
        """
        lower: _Floats = self.expected_ns**2 / np.maximum(self.upper_ns, 1.0)
        return lower

    def sample_errors(self) -> tuple[float, float]:
        """How far the curve is from the samples: mean and 95th percentile.

        Returns:
            Both of the absolute error, as a fraction of the sample.

        Raises:
            PlotError: there are no samples.
        """
        if self.samples is None:
            raise PlotError("the picture holds no samples to compare the curve with")
        truth = np.array(self.samples.latency_ns, dtype=np.float64)
        places = np.array(self.samples.counts, dtype=np.int64) - self.counts[0]
        errors = np.abs(self.expected_ns[places] - truth) / truth
        return float(errors.mean()), float(np.percentile(errors, 95))


def picture_of_curve(
    curve: Curve,
    *,
    captions: Captions | None = None,
    samples: DenseSamples | None = None,
    settings: PlotSettings | None = None,
    workload: Workload | None = None,
    mlps: Curve | None = None,
) -> Picture:
    """The picture of a measured curve.

    Args:
        curve: what was measured.
        captions: the words around it.
        samples: denser readings of the same parts, to compare with.
        settings: edges and band; by default those of `PlotSettings`.
        workload: the shapes that ran, for a better guess at the edges' causes.
        mlps: the part that the MLP halves take, for the same.

    Raises:
        PlotError: a sample lies outside the curve.

    >>> from latmodel.measurement import Measurement
    >>> readings = {1: 100, 64: 100, 65: 130}
    >>> curve = Curve(tuple(Measurement(n, (ns,)) for n, ns in readings.items()))
    >>> [step.words for step in picture_of_curve(curve).steps]
    ['64→65 +30 % tile of 64 rows']
    """
    chosen = settings or PlotSettings()
    counts = np.arange(curve.counts[0], curve.counts[-1] + 1, dtype=np.int64)
    expected = curve.latency_ns(counts)
    at = _by_count(counts, expected)
    steps = steep_steps(
        join_edges(curve.edges(chosen.threshold, workload=workload, mlps=mlps), at), at
    )
    named = largest_steps(steps, chosen.most_steps)
    return Picture(
        captions=captions or Captions(),
        settings=chosen,
        counts=counts,
        expected_ns=expected,
        upper_ns=curve.upper_ns(counts, chosen.confidence),
        probes=tuple((probe.count, float(probe.centre_ns)) for probe in curve.probes),
        steps=named,
        unnamed=len(steps) - len(named),
        samples=samples,
    )


def picture_of_table(
    table: LatencyTable,
    *,
    captions: Captions | None = None,
    samples: DenseSamples | None = None,
    settings: PlotSettings | None = None,
) -> Picture:
    """The picture of a latency table: all its segments together, at one count for all.

    Args:
        table: every count from its first to its last.
        captions: the words around it.
        samples: readings of the same parts, to compare with.
        settings: edges and band; by default those of `PlotSettings`.

    Raises:
        PlotError: the table leaves out counts, or a sample lies outside it.
    """
    chosen = settings or PlotSettings()
    if len(table.counts) != table.counts[-1] - table.counts[0] + 1:
        raise PlotError("the table leaves out counts: a picture needs every count in turn")
    expected = table.segment_ns.sum(axis=0).astype(np.float64)
    sizes = np.diff(expected) / np.maximum(expected[:-1], 1.0)  # from 0 ns there is no ratio
    edges = (
        Step(int(table.counts[k]), int(table.counts[k + 1]), float(sizes[k]), True)
        for k in np.flatnonzero(np.abs(sizes) >= chosen.threshold)
    )
    steps = steep_steps(edges, _by_count(table.counts, expected))
    named = largest_steps(steps, chosen.most_steps)
    sigmas = NormalDist().inv_cdf(chosen.confidence)
    return Picture(
        captions=captions or Captions(),
        settings=chosen,
        counts=table.counts,
        expected_ns=expected,
        upper_ns=expected * np.exp(sigmas * table.relative_error),
        probes=(),
        steps=named,
        unnamed=len(steps) - len(named),
        samples=samples,
        warnings=table.warnings,
    )


def _by_count(counts: Int64, latency_ns: _Floats) -> dict[int, float]:
    return dict(zip(counts.tolist(), latency_ns.tolist(), strict=True))
