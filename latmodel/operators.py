"""The operator model: what one operator costs on one device, from its shapes alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from latmodel.errors import FieldError, ProfileError
from latmodel.kernels import Floats, Kernel, Product, Throttle, require_not_negative
from latmodel.operator_kinds import PerKind, checked_sizes

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from latmodel.fields import Fields

__all__ = ["MODE", "OperatorModel"]

MODE = "eager"
"""The one way of running that this model describes: the host dispatches operators one after
another, and the device computes one while the host dispatches the next."""

_BYTES = {"fp32": 4, "fp16": 2, "bf16": 2}
_PASSES = {"softmax": 2, "norm": 2, "gelu": 2, "add": 3}  # tensors read and written


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorModel:
    """Latency of every operator of a vision transformer, by tile and wave.

        latency_ns = launch_ns + busy_ns
        busy_ns = (slowed(compute_ns)**4 + memory_ns**4) ** (1/4)   for matrix products
        busy_ns = memory_ns                                         for elementwise kinds

    `compute_ns` is the kernel's (`Kernel`), `memory_ns` is bytes / bandwidth, `slowed`
    is the throttle's (`Throttle`).

    Attributes:
        sms: streaming multiprocessors.
        bandwidth_gb_s: memory bandwidth, in GB/s, which is bytes per ns.
        launch_ns: what an operator costs however small it is.
        kernels: the matrix-product kernels; each dtype belongs to exactly one.
        relative_error: one standard deviation of a prediction, as a fraction, seen on
            rows that the fit never saw.
        fitted_rows: fewest and most rows of the readings fitted to.
        fitted_reduction: least and greatest reduction of the readings fitted to.
        patch_factor: a patch embedding's convolution over the linear of the same shape.
        throttle: the loss to an unlocked clock; None where clocks were locked.
        mode: how the operators were run; see `MODE`.

    Raises:
        ProfileError: a parameter is out of range, or a dtype has no or two kernels.

    Source:
        Our own study of NeuSight's rows: with this form the launch floor is worth most,
        then the throttle, which halves the error on P4 and T4, then the whole waves.
    """

    sms: int
    bandwidth_gb_s: float
    launch_ns: PerKind
    kernels: tuple[Kernel, ...]
    relative_error: PerKind
    fitted_rows: tuple[int, int]
    fitted_reduction: tuple[int, int]
    patch_factor: float = 1.0
    throttle: Throttle | None = None
    mode: str = MODE

    def __post_init__(self) -> None:
        if self.mode != MODE:
            raise ProfileError(f"mode is {self.mode!r}: must be {MODE!r}")
        if self.sms < 1:
            raise ProfileError(f"sms is {self.sms}: must be 1 or more")
        require_not_negative(patch_factor=self.patch_factor)
        if not 0 < self.bandwidth_gb_s < np.inf:
            raise ProfileError(
                f"bandwidth_gb_s is {self.bandwidth_gb_s}: must be finite and above 0"
            )
        if not self.dtypes or len(set(self.dtypes)) < len(self.dtypes):
            raise ProfileError("kernels must hold each dtype once, and at least one")
        for name in ("fitted_rows", "fitted_reduction"):
            low, high = getattr(self, name)
            if not 1 <= low <= high:
                raise ProfileError(f"{name} is {low} to {high}: must ascend from 1")

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The number formats that the model knows."""
        return tuple(dtype for kernel in self.kernels for dtype in kernel.dtypes)

    def latency_ns(self, kind: str, *, dtype: str = "fp32", **dims: npt.ArrayLike) -> Floats:
        """The latency of one operator, in ns.

        Args:
            kind: a key of `DIMS`.
            dtype: one of `dtypes`.
            dims: exactly the dimensions that `DIMS` names for the kind, each a positive
                number or an array; arrays are broadcast against each other.

        Raises:
            ProfileError: the kind or the dtype is unknown, a dimension is missing, unknown
                or not positive, or shapes do not fit together.
        """
        busy_ns = self.busy_ns(kind, dtype=dtype, **dims)  # which checks the question
        return np.asarray(self.launch_ns.of(kind) + busy_ns)

    def busy_ns(self, kind: str, *, dtype: str = "fp32", **dims: npt.ArrayLike) -> Floats:
        """How long one operator keeps the device computing or moving, in ns: no launch.

        Arguments and errors as in `latency_ns`.
        """
        sizes = checked_sizes(kind, dims)
        return np.asarray(self._busy_ns(kind, self._kernel(dtype), _BYTES[dtype], sizes))

    def _kernel(self, dtype: str) -> Kernel:
        # The only place that chooses a kernel: a choice by shape belongs here.
        for kernel in self.kernels:
            if dtype in kernel.dtypes:
                return kernel
        raise ProfileError(
            f"dtype is {dtype!r}: the operator model knows {', '.join(self.dtypes)}"
        )

    def _busy_ns(
        self, kind: str, kernel: Kernel, itemsize: int, sizes: Mapping[str, Floats]
    ) -> Floats:
        if kind in _PASSES:
            moved = _PASSES[kind] * sizes["rows"] * sizes["width"]
            return moved * itemsize / self.bandwidth_gb_s
        product = _product(kind, kernel, sizes)
        compute_ns = kernel.compute_ns(product, sms=self.sms)
        if self.throttle is not None:  # memory has a clock of its own
            compute_ns = self.throttle.slowed_ns(compute_ns)
        memory_ns = product.moved * itemsize / self.bandwidth_gb_s
        # A smooth maximum: the slower of two streams that overlap, a little more in a tie.
        busy_ns: Floats = (compute_ns**4 + memory_ns**4) ** 0.25
        return busy_ns

    def to_dict(self) -> dict[str, object]:
        """As plain values, in the order a person reads them."""
        values: dict[str, object] = {
            "mode": self.mode,
            "sms": self.sms,
            "bandwidth_gb_s": float(self.bandwidth_gb_s),
            "launch_ns": self.launch_ns.to_dict(),
            "kernels": [kernel.to_dict() for kernel in self.kernels],
        }
        if self.throttle is not None:
            values["throttle"] = self.throttle.to_dict()
        return values | {
            "patch_factor": float(self.patch_factor),
            "relative_error": self.relative_error.to_dict(),
            "fitted_rows": list(self.fitted_rows),
            "fitted_reduction": list(self.fitted_reduction),
        }

    @classmethod
    def from_fields(cls, source: Fields) -> OperatorModel:
        """Read an operator model; the inverse of `to_dict`.

        Raises:
            FieldError: a field is missing, unknown, of the wrong type, negative or NaN.
        """
        slowed = source.has("throttle")
        try:
            model = cls(
                mode=source.choice("mode", (MODE,)),
                sms=source.integer("sms", minimum=1),
                bandwidth_gb_s=source.number("bandwidth_gb_s", minimum=0),
                launch_ns=PerKind.from_fields(source.mapping("launch_ns")),
                kernels=source.each("kernels", Kernel.from_fields),
                throttle=Throttle.from_fields(source.mapping("throttle")) if slowed else None,
                patch_factor=source.number("patch_factor", minimum=0),
                relative_error=PerKind.from_fields(source.mapping("relative_error")),
                fitted_rows=_range(source, "fitted_rows"),
                fitted_reduction=_range(source, "fitted_reduction"),
            )
        except ProfileError as error:  # which starts with the field's name
            raise FieldError(source.path(str(error))) from None
        source.finish()
        return model


def _range(source: Fields, name: str) -> tuple[int, int]:
    values = source.integers(name, minimum=1)
    if len(values) != 2:
        raise FieldError(f"{source.path(name)}: found {len(values)} numbers, allowed are two")
    return values[0], values[1]


def _product(kind: str, kernel: Kernel, sizes: Mapping[str, Floats]) -> Product:
    """The matrix product behind a kind; dims in the order of `DIMS`."""
    if kind == "linear":
        rows, k, columns = sizes.values()
        return Product(1.0, rows, columns, k, rows * k + k * columns + rows * columns)
    if kind == "bmm":
        batch, rows, columns, k = sizes.values()
        return Product(
            batch, rows, columns, k, batch * (rows * k + k * columns + rows * columns)
        )
    batch, heads, queries, keys, head_dim = sizes.values()
    # Fused: a block keeps tile_rows queries and goes over the keys. Each key costs every
    # query 2 * head_dim multiply-adds, one half for its score and one for its value; a
    # reduction element of the plain product costs it tile_columns.
    columns = np.asarray(kernel.tile_columns, dtype=np.float64)
    moved = batch * heads * head_dim * 2.0 * (queries + keys)
    return Product(batch * heads, queries, columns, 2.0 * head_dim * keys / columns, moved)
