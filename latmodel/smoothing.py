"""The latency at the probes once noise is taken out: a random walk seen through noise."""

from __future__ import annotations

import numpy as np

from latmodel.gaps import Floats

__all__ = ["smooth"]


def smooth(
    seen: Floats, noise: Floats, drift: Floats, spread: Floats
) -> tuple[Floats, Floats, Floats]:
    """Kalman filter and Rauch-Tung-Striebel smoother of a random walk.

    The walk moves from probe ``i`` to ``i + 1`` by ``drift[i]`` and a normal step of variance
    ``spread[i]``; each probe shows it through noise of variance ``noise[i]``. Without noise
    the answer is what was seen.

    Args:
        seen: shape (P,).
        noise: shape (P,), variances, 0 or more.
        drift: shape (P - 1,).
        spread: shape (P - 1,), variances, above 0.

    Returns:
        Means and variances at the probes, shapes (P,), and the covariance of each
        with the next, shape (P - 1,).

    Source:
        Rauch, Tung and Striebel 1965, doi:10.2514/3.3166.

    >>> import numpy as np
    >>> smooth(np.array([1.0, 3.0]), np.zeros(2), np.zeros(1), np.ones(1))[0].tolist()
    [1.0, 3.0]
    """
    size = len(seen)
    mean, var = seen.astype(np.float64), noise.astype(np.float64)
    for i in range(1, size):
        expected, before = mean[i - 1] + drift[i - 1], var[i - 1] + spread[i - 1]
        gain = before / (before + noise[i])
        mean[i] = expected + gain * (seen[i] - expected)
        var[i] = gain * noise[i]
    ahead = np.zeros(max(size - 1, 0))
    for i in range(size - 2, -1, -1):
        back = var[i] / (var[i] + spread[i])
        mean[i] += back * (mean[i + 1] - mean[i] - drift[i])
        ahead[i] = back * var[i + 1]
        var[i] += back**2 * (var[i + 1] - var[i] - spread[i])
    return mean, var, ahead
