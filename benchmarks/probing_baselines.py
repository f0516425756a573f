"""What else could be done with as many probes: five fits to probes at equal distances.

Each takes the counts that were probed, their latencies and all counts, and gives a latency
at all counts. None knows anything of tiles.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING

import numpy as np

try:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
    from sklearn.isotonic import IsotonicRegression
except ImportError:
    sys.exit("the baselines need scikit-learn: pip install scikit-learn")

if TYPE_CHECKING:
    from collections.abc import Callable

    from probing_curves import Floats, Ints

__all__ = ["BASELINES", "uniform_places"]


def uniform_places(counts: int, probes: int) -> Ints:
    """Places of so many probes among so many counts, both ends included."""
    return np.unique(np.rint(np.linspace(0, counts - 1, probes)).astype(np.int64))


def straight(probed: Ints, latency_ns: Floats, counts: Ints) -> Floats:
    """Straight lines from probe to probe."""
    line: Floats = np.interp(counts, probed, latency_ns)
    return line


def isotonic(probed: Ints, latency_ns: Floats, counts: Ints) -> Floats:
    """The nearest curve that never falls."""
    model = IsotonicRegression().fit(probed, latency_ns)
    return np.asarray(model.predict(counts), dtype=np.float64)


def forest(probed: Ints, latency_ns: Floats, counts: Ints) -> Floats:
    """A hundred trees."""
    model = RandomForestRegressor(100, random_state=0).fit(probed[:, None], latency_ns)
    return np.asarray(model.predict(counts[:, None]), dtype=np.float64)


def gaussian_process(probed: Ints, latency_ns: Floats, counts: Ints) -> Floats:
    """Matern 3/2 and white noise on the log latency; the likelihood sets their sizes."""
    kernel = ConstantKernel(1.0) * Matern(0.3, (0.01, 10.0), nu=1.5) + WhiteKernel(
        1e-3, (1e-8, 1.0)
    )
    model = GaussianProcessRegressor(
        kernel, normalize_y=True, n_restarts_optimizer=2, random_state=0
    )
    full = counts[-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a size at its limit is fine
        model.fit(probed[:, None] / full, np.log(latency_ns))
    return np.exp(np.asarray(model.predict(counts[:, None] / full), dtype=np.float64))


def two_segments(probed: Ints, latency_ns: Floats, counts: Ints) -> Floats:
    """Two lines that meet at the count that leaves the least squares."""

    def terms(at: Ints, knee: int) -> Floats:
        return np.stack([np.ones(len(at)), at, np.maximum(at - knee, 0)], axis=1)

    best: Floats = np.zeros(3)
    least = np.inf
    chosen = int(probed[0])
    for knee in counts[:-1].tolist():
        design = terms(probed, knee)
        solved: Floats = np.linalg.lstsq(design, latency_ns, rcond=None)[0].astype(np.float64)
        squares = float(np.sum((design @ solved - latency_ns) ** 2))
        if squares < least:
            best, least, chosen = solved, squares, knee
    # A line may fall below zero before the first probes; a latency does not.
    return np.maximum(terms(counts, chosen) @ best, 1.0)


BASELINES: dict[str, Callable[[Ints, Floats, Ints], Floats]] = {
    "uniform, straight lines": straight,
    "uniform, isotonic": isotonic,
    "uniform, random forest": forest,
    "uniform, Gaussian process": gaussian_process,
    "uniform, two segments": two_segments,
}
