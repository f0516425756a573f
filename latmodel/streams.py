"""Operators that only stream through memory: softmax, norm, gelu, add."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from latmodel.errors import FieldError, ProfileError
from latmodel.forest import Forest
from latmodel.operator_kinds import (
    STREAMS,
    Span,
    check_part,
    check_tests,
    itemsize,
    spans_from,
)
from latmodel.slowdowns import Floats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from latmodel.fields import Fields

__all__ = ["StreamModel", "stream_features"]


def stream_features(sizes: Mapping[str, Floats], *, sms: int) -> dict[str, Floats]:
    """What the speed of a stream hangs on, by name; sizes are `rows` and `width`."""
    rows, width = sizes["rows"], sizes["width"]
    return {
        "rows": rows,
        "width": width,
        "numbers": rows * width,
        "rows/sms": rows / sms,
        "numbers%4": (rows * width) % 4,  # vectors of four go over the flat tensor,
        "width%4": width % 4,  # or over each row
        "power": 2.0 ** np.ceil(np.log2(width)),  # a warp's softmax is compiled per power
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamModel:
    """Latency of the operators whose cost is the memory they read and write.

        latency_ns = (launch_ns + passes * numbers * bytes / bandwidth) * exp(correction)

    Attributes:
        kinds: the operators it answers for, among `STREAMS`.
        dtypes: the number formats.
        sms: multiprocessors (cores, on a CPU).
        bandwidth_gb_s: memory bandwidth that such operators reach, in GB/s.
        launch_ns: per kind, what an operator costs however small it is.
        correction: small trees on what the line leaves (caches, half-empty waves), as a log
            ratio.
        relative_error: one standard deviation of a prediction, as a fraction, on readings
            that the fit never saw.
        fitted: the rows and widths of the readings.

    Raises:
        ProfileError: a parameter is out of range, or a tree tests what is not there.
    """

    kinds: tuple[str, ...]
    dtypes: tuple[str, ...]
    sms: int
    bandwidth_gb_s: float
    launch_ns: tuple[float, ...]
    correction: Forest = field(default=Forest(()), repr=False)
    relative_error: float = 1.0
    fitted: tuple[Span, ...] = ()

    def __post_init__(self) -> None:
        check_part(
            kinds=self.kinds,
            allowed=STREAMS,
            dtypes=self.dtypes,
            sms=self.sms,
            bandwidth_gb_s=self.bandwidth_gb_s,
            launch_ns=self.launch_ns,
            relative_error=self.relative_error,
        )
        known = stream_features({"rows": np.array(1.0), "width": np.array(1.0)}, sms=1)
        check_tests("correction", self.correction.features, known)

    def launch_of(self, kind: str) -> float:
        """What an operator of this kind costs however small it is, in ns."""
        return self.launch_ns[self.kinds.index(kind)]

    def busy_ns(
        self, kind: str, sizes: Mapping[str, Floats], *, dtype: str
    ) -> tuple[Floats, Floats]:
        """How long a stream keeps the device busy, in ns, and the factor of the correction.

        Its latency is (launch + busy) times the factor.
        """
        moved = STREAMS[kind] * sizes["rows"] * sizes["width"]
        busy_ns = np.asarray(moved * itemsize(dtype) / self.bandwidth_gb_s)
        if not self.correction.trees:
            return busy_ns, np.ones_like(busy_ns)
        return busy_ns, np.exp(self.correction.apply(stream_features(sizes, sms=self.sms)))

    def to_dict(self) -> dict[str, object]:
        """As plain values, in the order a person reads them."""
        values: dict[str, object] = {
            "kinds": list(self.kinds),
            "dtypes": list(self.dtypes),
            "sms": self.sms,
            "bandwidth_gb_s": float(self.bandwidth_gb_s),
            "launch_ns": [float(launch_ns) for launch_ns in self.launch_ns],
            "relative_error": float(self.relative_error),
            "fitted": {span.name: [span.low, span.high] for span in self.fitted},
        }
        if self.correction.trees:
            values["correction"] = self.correction.lines()
        return values

    @classmethod
    def from_fields(cls, source: Fields) -> StreamModel:
        """The inverse of `to_dict`.

        Raises:
            FieldError: a field is missing, unknown, of the wrong type or out of range.
        """
        try:
            model = cls(
                kinds=source.texts("kinds"),
                dtypes=source.texts("dtypes"),
                sms=source.integer("sms", minimum=1),
                bandwidth_gb_s=source.number("bandwidth_gb_s", minimum=0),
                launch_ns=source.numbers("launch_ns", minimum=0),
                relative_error=source.number("relative_error", minimum=0),
                fitted=spans_from(source.mapping("fitted")),
                correction=Forest.from_field(source, "correction"),
            )
        except ProfileError as error:  # which starts with the field's name
            raise FieldError(source.path(str(error))) from None
        source.finish()
        return model
