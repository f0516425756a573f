"""Operators in sequence: what the host takes, what the device takes, and which one is felt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from latmodel.errors import ProfileError

if TYPE_CHECKING:
    import numpy.typing as npt

    from latmodel.slowdowns import Floats

__all__ = ["MODES", "Stretch", "require_mode"]

MODES = ("eager", "graph", "sum")
"""How operators are run; `Stretch` says what each one costs."""

_HOST, _DEVICE, _ALONE = range(3)


def require_mode(mode: str) -> None:
    """Refuse what is no mode.

    Raises:
        ProfileError: names what was found and what is allowed.
    """
    if mode not in MODES:
        raise ProfileError(f"mode is {mode!r}: must be one of {', '.join(MODES)}")


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Operators in sequence, at many shapes.

        eager = max(sum of host, sum of device)
        graph = sum of device
        sum   = sum of alone

    Eager: the host dispatches one operator after the other and runs ahead of the device,
    so the slower of the two is felt. Where that is the host, smaller shapes save nothing.
    Graph: the host dispatches once for all, which is not counted. Sum: every operator is
    waited for before the next one is dispatched. Always graph <= eager <= sum.

    Attributes:
        times_ns: shape (3, shapes), rows host, device, alone.
        errors_ns: shape (3, shapes), one standard deviation of each. Errors add up as if
            they were fully shared: one device, one clock, one model of it.

    >>> two = Stretch(np.array([[9.0], [4.0], [13.0]]), np.array([[0.9], [0.4], [1.3]]))
    >>> long = Stretch(np.array([[9.0], [40.0], [49.0]]), np.array([[0.9], [8.0], [9.8]]))
    >>> both = two.then(long)
    >>> [float(both.latency_ns(mode)[0]) for mode in MODES]
    [44.0, 44.0, 62.0]
    """

    times_ns: Floats
    errors_ns: Floats

    def then(self, later: Stretch) -> Stretch:
        """Both, one after the other."""
        return Stretch(self.times_ns + later.times_ns, self.errors_ns + later.errors_ns)

    def repeated(self, times: float) -> Stretch:
        """So many of it, one after the other."""
        return Stretch(self.times_ns * times, self.errors_ns * times)

    def at(self, index: int) -> Stretch:
        """One shape of it; a stretch of one shape is that one at any index."""
        chosen = slice(None) if self.times_ns.shape[1] == 1 else [index]
        return Stretch(self.times_ns[:, chosen], self.errors_ns[:, chosen])

    @property
    def host_ns(self) -> Floats:
        """What the host takes to dispatch it; shape (shapes,)."""
        host_ns: Floats = self.times_ns[_HOST]
        return host_ns

    @property
    def device_ns(self) -> Floats:
        """How long it keeps the device, its gaps included; shape (shapes,)."""
        device_ns: Floats = self.times_ns[_DEVICE]
        return device_ns

    def felt(self, mode: str) -> npt.NDArray[np.intp]:
        """Which row of `times_ns` is the latency; shape (shapes,).

        Raises:
            ProfileError: no such mode.
        """
        require_mode(mode)
        if mode == "eager":
            return np.where(self.host_ns >= self.device_ns, _HOST, _DEVICE)
        return np.full(self.times_ns.shape[1], _DEVICE if mode == "graph" else _ALONE)

    def latency_ns(self, mode: str) -> Floats:
        """The latency in one of `MODES`; shape (shapes,)."""
        return _chosen(self.times_ns, self.felt(mode))

    def relative_error(self, mode: str) -> Floats:
        """One standard deviation of the latency, as a fraction of it; shape (shapes,)."""
        felt = self.felt(mode)
        latency_ns, error_ns = _chosen(self.times_ns, felt), _chosen(self.errors_ns, felt)
        free = np.zeros_like(latency_ns)  # what takes no time has no error
        return np.divide(error_ns, latency_ns, out=free, where=latency_ns > 0)


def _chosen(rows: Floats, felt: npt.NDArray[np.intp]) -> Floats:
    chosen: Floats = np.take_along_axis(rows, felt[None], axis=0)[0]
    return chosen
