"""Timings of single operators, as arrays: what an operator model is fitted to."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from latmodel.errors import MeasurementError
from latmodel.operator_kinds import DIMS, itemsize

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from latmodel.slowdowns import Floats

__all__ = ["OperatorReadings", "joined"]

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OperatorReadings:
    """Many timings of one kind of operator in one number format.

    Attributes:
        kind: a key of `DIMS`.
        dtype: the number format.
        sizes: the dimensions that `DIMS` names, each of shape (n,); above 0.
        latency_ns: shape (n,); above 0.
        kernels: shape (n,), the name of the kernel that ran; "" where unknown. A name such
            as `ampere_sgemm_128x64_tn` holds the tile: output columns, then rows.
        splits: shape (n,), blocks that shared one tile's reduction; 0 where unknown.

    Raises:
        MeasurementError: the kind is unknown, the sizes are not its dimensions, arrays
            disagree in length, a size or a latency is not finite and above 0, or there is
            no reading.
        ProfileError: the dtype is unknown.
    """

    kind: str
    dtype: str
    sizes: Mapping[str, Floats]
    latency_ns: Floats
    kernels: npt.NDArray[np.str_]
    splits: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        itemsize(self.dtype)
        if self.kind not in DIMS or set(self.sizes) != set(DIMS[self.kind]):
            raise MeasurementError(
                f"readings of {self.kind!r} hold {', '.join(self.sizes)}: must be one of "
                f"{', '.join(DIMS)}, with its dimensions"
            )
        arrays = {**self.sizes, "latency_ns": self.latency_ns}
        count = len(self.latency_ns)
        if count == 0:
            raise MeasurementError(f"readings of {self.kind!r} are none: give at least one")
        for name, array in {**arrays, "kernels": self.kernels, "splits": self.splits}.items():
            if array.shape != (count,):
                raise MeasurementError(
                    f"{name} has shape {array.shape}: every array must be ({count},)"
                )
        for name, array in arrays.items():
            if not np.all((array > 0) & (array < np.inf)):
                raise MeasurementError(f"{name} holds a number that is not positive and finite")

    def __len__(self) -> int:
        return len(self.latency_ns)

    def where(self, chosen: Bools) -> OperatorReadings:
        """The chosen readings; `chosen` has shape (n,).

        Raises:
            MeasurementError: none is chosen.
        """
        return replace(
            self,
            sizes={name: size[chosen] for name, size in self.sizes.items()},
            latency_ns=self.latency_ns[chosen],
            kernels=self.kernels[chosen],
            splits=self.splits[chosen],
        )

    def held_out(self, *, one_in: int = 5) -> Bools:
        """Which readings a fit must not see: one shape in `one_in`, by a hash of the shape.

        Repeats of a shape fall on the same side, on every machine and in every order.
        """
        rows = np.stack([self.sizes[name] for name in DIMS[self.kind]], axis=1).astype(np.int64)
        hashes = [zlib.crc32(",".join(map(str, row)).encode()) for row in rows.tolist()]
        out: Bools = np.array(hashes) % one_in == 0
        return out


def joined(parts: Iterable[OperatorReadings]) -> tuple[OperatorReadings, ...]:
    """One collection per kind and number format, in the order in which each came first."""
    groups: dict[tuple[str, str], list[OperatorReadings]] = {}
    for part in parts:
        groups.setdefault((part.kind, part.dtype), []).append(part)
    return tuple(
        OperatorReadings(
            kind=kind,
            dtype=dtype,
            sizes={
                name: np.concatenate([part.sizes[name] for part in group])
                for name in DIMS[kind]
            },
            latency_ns=np.concatenate([part.latency_ns for part in group]),
            kernels=np.concatenate([part.kernels for part in group]),
            splits=np.concatenate([part.splits for part in group]),
        )
        for (kind, dtype), group in groups.items()
    )
