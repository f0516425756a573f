"""How the errors of a latency table go together: what is shared, and what each count has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latmodel.errors import LatmodelError

__all__ = ["Uncertainty"]

_Floats = npt.NDArray[np.float64]
_Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Uncertainty:
    """Errors of latency by token count, log-normal, as `Curve.upper_ns` has them.

    All that runs at count ``c`` takes ``exp(shared[c] * Z + independent[c] * Z_g)`` times what
    was predicted, where ``Z`` is one standard normal number for the device and ``Z_g`` one for
    each group of counts. Blocks that keep the same count share its error: they were predicted
    from the same reading. So do counts of one group, such as those between the same two
    probes, where one hidden step moves them all.

    Attributes:
        shared: shape (C,), one standard deviation, as a fraction: clock, calibration, drift
            and the model of the device.
        independent: shape (C,), one standard deviation, as a fraction: the reading where a
            count was timed, interpolation where it was not.
        groups: shape (C,), the group of each count, by ascending numbers.

    Raises:
        LatmodelError: shapes disagree, an error is negative or no number, or the groups
            do not ascend.

    >>> errors = Uncertainty(shared=np.array([0.03, 0.03]), independent=np.array([0.04, 0.0]),
    ...                      groups=np.array([0, 1]))
    >>> errors.total.tolist()
    [0.05, 0.03]
    """

    shared: _Floats
    independent: _Floats
    groups: _Int64

    def __post_init__(self) -> None:
        for name in ("shared", "independent", "groups"):
            array = getattr(self, name).copy()  # the caller's own stay writable
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        shapes = {array.shape for array in (self.shared, self.independent, self.groups)}
        if len(shapes) != 1 or self.shared.ndim != 1:
            raise LatmodelError("shared, independent and groups must hold one value per count")
        errors = np.concatenate([self.shared, self.independent])
        if not np.all((errors >= 0) & np.isfinite(errors)):  # NaN is not either
            raise LatmodelError("a shared or independent error is negative or no number")
        if np.any(np.diff(self.groups) < 0):
            raise LatmodelError("groups must not descend: they hold neighbouring counts")

    @classmethod
    def all_shared(cls, relative_error: _Floats) -> Uncertainty:
        """Nothing is known to be independent: the errors of a schedule add up whole."""
        counts = np.arange(len(relative_error), dtype=np.int64)
        return cls(
            shared=relative_error, independent=np.zeros(len(relative_error)), groups=counts
        )

    @property
    def total(self) -> _Floats:
        """Shape (C,): one standard deviation of both parts together, as a fraction."""
        total: _Floats = np.hypot(self.shared, self.independent)
        return total

    def at(self, columns: npt.NDArray[np.bool_] | _Int64) -> Uncertainty:
        """The same of some counts, by their places."""
        return Uncertainty(
            shared=self.shared[columns],
            independent=self.independent[columns],
            groups=self.groups[columns],
        )
