"""A device profile: what is known of one device's latency, and how well it is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latmodel.breakdown import Breakdown
from latmodel.breaking_down import break_down
from latmodel.composing import compose, composed_dtypes
from latmodel.environment import Environment
from latmodel.errors import FieldError, ProfileError
from latmodel.fields import Fields
from latmodel.operators import OperatorModel
from latmodel.provenance import ErrorFigure, Provenance, shared_error
from latmodel.table import LatencyTable
from latmodel.workload import Workload
from latmodel.workload_curves import WorkloadCurves

__all__ = ["CONFIDENCES", "FORMAT", "DeviceProfile", "ErrorFigure", "Provenance"]

FORMAT = 1
"""The file format written here; any other number is refused."""

CONFIDENCES = ("high", "medium", "low")
"""high: measured for the workload on the device; medium: composed from measured operators, or
from operators fitted to many whole models; low: scaled, incomplete, or measured on a device in
an unknown state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProfile:
    """The latency of one device: measured curves, an operator model, or both.

    Attributes:
        name: the file's name without its ending; a label.
        device: the device in words, with its power mode or clocks where known.
        confidence: one of `CONFIDENCES`.
        provenance: at least one source.
        errors: figures against readings not used in the fit.
        warnings: said each time the profile is used.
        environment: what was running, where it was recorded.
        curves: measured workloads, the most precise answer.
        operators: the answer for every other workload; None where there is none.

    Raises:
        ProfileError: neither a curve nor an operator model, no source, or a confidence
            that is not one of the three.
    """

    name: str
    device: str
    confidence: str
    provenance: tuple[Provenance, ...]
    errors: tuple[ErrorFigure, ...] = ()
    warnings: tuple[str, ...] = ()
    environment: Environment | None = None
    curves: tuple[WorkloadCurves, ...] = ()
    operators: OperatorModel | None = None

    def __post_init__(self) -> None:
        if not self.device.strip():
            raise ProfileError("device is empty: name what was measured")
        if not self.curves and self.operators is None:
            raise ProfileError("the profile holds neither curves nor operators")
        if not self.provenance:
            raise ProfileError("provenance is empty: name at least one source")
        if self.confidence not in CONFIDENCES:
            raise ProfileError(
                f"confidence is {self.confidence!r}: must be one of {', '.join(CONFIDENCES)}"
            )

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The number formats in which some whole model is known: curves' first."""
        composed = () if self.operators is None else composed_dtypes(self.operators)
        return tuple(dict.fromkeys((*(c.workload.dtype for c in self.curves), *composed)))

    @property
    def default_dtype(self) -> str:
        """What is meant where no number format is named: fp32, else the first known."""
        return "fp32" if "fp32" in self.dtypes or not self.dtypes else self.dtypes[0]

    def table(
        self, workload: Workload, *, mode: str | None = None, attention: str | None = None
    ) -> LatencyTable:
        """What every block of `workload` costs at every token count.

        A curve measured for the same shapes answers where there is one, else the operator
        model; `LatencyTable.origin` says which. A curve holds the runtime that it was
        measured in, so where a mode or an attention is named the operators answer, even
        for a workload that was measured.

        A curve's errors are told apart (`LatencyTable.uncertainty`): what all counts share
        is `provenance.shared_error`; what a count has to itself is its reading's error where
        it was timed, interpolation's where it was not. Operators' are taken as shared whole:
        one operator model prices every count, and no source tells how much of what it is off
        at one count it is off at another; taken so, errors never average out.

        Args:
            workload: what runs.
            mode: one of `latmodel.stretches.MODES`; None takes the profile's own.
            attention: as in `latmodel.composing.compose`.

        Raises:
            ProfileError: no curve was measured for these shapes and the profile has no
                operator model, or a mode or an attention is named and it has none, or the
                operator model does not know the dtype.
        """
        if mode is not None or attention is not None:
            return compose(workload, self._operators(), mode=mode, attention=attention)
        curves = self.measured(workload)
        if curves is not None:
            # Which tokens the head reads is no shape: only who asks knows.
            return curves.table(
                prefix_head=workload.prefix_head, shared_error=shared_error(self.errors)
            )
        if self.operators is not None:
            return compose(workload, self.operators)
        raise self._not_measured(workload)

    def breakdown(
        self,
        workload: Workload,
        tokens: int,
        *,
        mode: str | None = None,
        attention: str | None = None,
    ) -> Breakdown:
        """Where the latency goes, operator by operator, when every block keeps `tokens`.

        Only operators can tell, so they answer even for a workload that was measured whole.

        Args:
            workload: what runs.
            tokens: from 1 to the workload's.
            mode: as in `table`.
            attention: as in `table`.

        Raises:
            ProfileError: the profile has no operator model, or as in `table`.

        >>> import latmodel
        >>> workload = latmodel.find_workload("deit_small_patch16_224", batch=8)
        >>> found = latmodel.read_profile("jetson").breakdown(workload, 197)
        >>> max(found.rows, key=lambda row: row.latency_ns).role
        'mlp out'
        """
        return break_down(workload, self._operators(), tokens, mode=mode, attention=attention)

    def measured(self, workload: Workload) -> WorkloadCurves | None:
        """The curves that were measured for these shapes; None where there are none."""
        return next((c for c in self.curves if c.workload.same_shapes(workload)), None)

    def _operators(self) -> OperatorModel:
        if self.operators is None:
            raise ProfileError(
                f"profile {self.name!r} has curves only, no operator model: a mode, an "
                "attention or a latency by operator cannot be told from them"
            )
        return self.operators

    def _not_measured(self, workload: Workload) -> ProfileError:
        held = "; ".join(
            f"{c.workload.model} at batch {c.workload.batch} in {c.workload.dtype}"
            for c in self.curves
        )
        differing = ", ".join(self.curves[0].workload.differences(workload))
        return ProfileError(
            f"profile {self.name!r} was measured for {held}, not for {workload.model} at batch "
            f"{workload.batch} in {workload.dtype} (they differ in {differing}); measure it: "
            f"latmodel probe --model {workload.model} --batch {workload.batch} "
            f"--dtype {workload.dtype} --out FILE"
        )

    def operator_ns(
        self, kind: str, *, dtype: str = "fp32", **dims: npt.ArrayLike
    ) -> npt.NDArray[np.float64]:
        """The latency of one operator, in ns; see `OperatorModel.latency_ns`.

        Raises:
            ProfileError: the profile has no operator model, or it does not know the kind
                or the dtype.
        """
        if self.operators is None:
            raise ProfileError(f"profile {self.name!r} has curves only, no operator model")
        return self.operators.latency_ns(kind, dtype=dtype, **dims)

    def to_dict(self) -> dict[str, object]:
        """As plain values, in the order a person reads them; the name is the file's."""
        values: dict[str, object] = {
            "format": FORMAT,
            "device": self.device,
            "confidence": self.confidence,
            "provenance": [p.to_dict() for p in self.provenance],
            "errors": [e.to_dict() for e in self.errors],
            "warnings": list(self.warnings),
        }
        if self.environment is not None:
            values["environment"] = self.environment.to_dict()
        if self.curves:
            values["curves"] = [c.to_dict() for c in self.curves]
        if self.operators is not None:
            values["operators"] = self.operators.to_dict()
        return values

    @classmethod
    def from_fields(cls, source: Fields, name: str) -> DeviceProfile:
        """Read a profile; the inverse of `to_dict`.

        Raises:
            FieldError: a field is missing, unknown, of the wrong type or out of range; the
                message starts with the field's path.
        """
        if source.integer("format") != FORMAT:
            raise FieldError(
                f"format: found {source.integer('format')}, allowed is {FORMAT}: this file "
                "was written by another version of the package"
            )
        profile = cls(
            name=name,
            device=source.text("device"),
            confidence=source.choice("confidence", CONFIDENCES),
            provenance=source.each("provenance", Provenance.from_fields),
            errors=source.each("errors", ErrorFigure.from_fields)
            if source.has("errors")
            else (),
            warnings=source.texts("warnings") if source.has("warnings") else (),
            environment=(
                Environment.from_fields(source.mapping("environment"))
                if source.has("environment")
                else None
            ),
            curves=source.each("curves", WorkloadCurves.from_fields)
            if source.has("curves")
            else (),
            operators=OperatorModel.from_fields(source.mapping("operators"))
            if source.has("operators")
            else None,
        )
        source.finish()
        return profile
