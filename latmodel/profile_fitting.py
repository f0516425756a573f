"""Operator timings in, device profile out: what `latmodel fit-operators` does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from latmodel.card import HARNESSES
from latmodel.errors import ProfileError
from latmodel.fitted_operators import FittedOperators, PartErrors
from latmodel.model_fitting import fit_parts
from latmodel.operator_fitting import parameters, with_parameters
from latmodel.operator_rivals import (
    boosted_trees_ns,
    calibrated_roofline_ns,
    errors_of,
    roofline_ns,
)
from latmodel.operators import OperatorModel
from latmodel.part_deriving import completed, require_linears
from latmodel.profile import DeviceProfile, ErrorFigure, Provenance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from latmodel.card import Card
    from latmodel.operator_readings import OperatorReadings
    from latmodel.operator_rivals import Errors

__all__ = ["fit_operators", "operator_profile", "provenance_of", "with_rivals"]

GAP_NS = 2000.0
"""The device's own part of a launch, where readings do not tell it apart.

Source:
    The shortest products of aiconfigurator's rows, timed in a CUDA graph: 1.7 us on an L40S,
    2.4 us on an H200, 2.5 us on an A100.
"""

DISPATCH_NS = 8000.0
"""What a host takes to dispatch one operator of torch in eager mode, where readings hold no
dispatch: 5 to 10 us on servers of these years. An assumption; a slower host is felt."""


def fit_operators(
    readings: Sequence[OperatorReadings],
    card: Card,
    *,
    harness: str = "eager",
    gap_ns: float | None = None,
    dispatch_ns: float | None = None,
    on_part: Callable[[str], None] | None = None,
) -> FittedOperators:
    """Fit a model to operator timings, hold some of them out, add what is missing.

    One shape in five is held out of the fits whose errors are reported; the model that is
    returned is fitted to all.

    Args:
        readings: each kind and dtype once; see `joined`.
        card: the data sheet.
        harness: one of `HARNESSES`; the model runs in that mode unless told otherwise.
        gap_ns: the device's part of a launch; by default `GAP_NS`, or, where kernels were
            timed alone, all of it.
        dispatch_ns: the host's time per operator in eager mode; by default none, as the
            readings hold it, or, where kernels were timed alone, `DISPATCH_NS`.
        on_part: is told what is being fitted, in words.

    Raises:
        MeasurementError: a kind and dtype stand twice, or have too few shapes.
        ProfileError: a dtype lacks linears, or there is no such harness.
    """
    if harness not in HARNESSES:
        raise ProfileError(f"harness is {harness!r}: must be one of {', '.join(HARNESSES)}")
    require_linears((one.kind, one.dtype) for one in readings)
    parts, held_out = fit_parts(
        readings,
        sms=card.sms,
        bandwidth_gb_s=card.bandwidth_gb_s,
        on_part=on_part,
    )
    whole = completed(parts, sms=card.sms, bandwidth_gb_s=card.bandwidth_gb_s)
    launches = [ns for part in whole.products for ns in part.launch_ns]
    launches += [ns for part in whole.streams for ns in part.launch_ns]
    alone = harness == "graph"
    model = OperatorModel(
        products=whole.products,
        streams=whole.streams,
        gap_ns=gap_ns if gap_ns is not None else max(launches) if alone else GAP_NS,
        dispatch_ns=dispatch_ns if dispatch_ns is not None else alone * DISPATCH_NS,
        mode=harness,
    )
    return FittedOperators(
        model=_rounded(model),
        held_out=tuple(
            PartErrors(
                kind=one.kind,
                dtype=one.dtype,
                rows=len(out.read_ns),
                seen=len(one) - len(out.read_ns),
                errors=errors_of(out.predicted_ns, out.read_ns),
            )
            for one, out in zip(readings, held_out, strict=True)
        ),
        assumed=tuple(_assumed(alone=alone, gap_ns=gap_ns, dispatch_ns=dispatch_ns)),
    )


def _rounded(model: OperatorModel) -> OperatorModel:
    """To five significant digits: more than timings determine, and what a person can read."""
    return with_parameters(
        model, {path: float(f"{value:.5g}") for path, value in parameters(model).items()}
    )


def _assumed(*, alone: bool, gap_ns: float | None, dispatch_ns: float | None) -> Iterator[str]:
    if gap_ns is None and not alone:
        yield f"{GAP_NS / 1e3:g} us of each launch are taken for the device's own"
    if dispatch_ns is None and alone:
        yield (
            f"a dispatch of {DISPATCH_NS / 1e3:g} us per operator in eager mode, which kernels "
            "timed alone do not hold, is assumed"
        )


def with_rivals(
    fitted: FittedOperators,
    readings: Sequence[OperatorReadings],
    card: Card,
    *,
    on_part: Callable[[str], None] | None = None,
) -> FittedOperators:
    """The same, with what simpler predictors reach on the shapes that were held out.

    Args:
        fitted: to `readings`.
        readings: each kind and dtype once.
        card: the data sheet.
        on_part: is told what is being compared, in words.
    """
    rivals = {}
    for part in readings:
        if on_part is not None:
            on_part(f"comparing {part.kind} in {part.dtype} with simpler predictors")
        rivals[part.kind, part.dtype] = _rivals(part, card)
    return replace(
        fitted,
        held_out=tuple(
            entry._replace(rivals=rivals.get((entry.kind, entry.dtype), ()))
            for entry in fitted.held_out
        ),
    )


def _rivals(readings: OperatorReadings, card: Card) -> tuple[tuple[str, Errors], ...]:
    out = readings.held_out()
    seen, asked = readings.where(~out), readings.where(out)
    sheet_ns = roofline_ns(
        asked,
        peak_gflops=card.peak_gflops.get(readings.dtype),
        bandwidth_gb_s=card.bandwidth_gb_s,
    )
    predicted = {
        "roofline of the data sheet": sheet_ns,
        "roofline fitted": calibrated_roofline_ns(seen, asked),
        "boosted trees on sizes": boosted_trees_ns(seen, asked),
    }
    return tuple((name, errors_of(ns, asked.latency_ns)) for name, ns in predicted.items())


def provenance_of(
    fitted: FittedOperators, *, source: str, licence: str = "", how: str = ""
) -> Provenance:
    """Where fitted operators come from, in a profile's words.

    Args:
        fitted: of one source.
        source: who timed them, with a public address where there is one.
        licence: the source's; "" where the timings are one's own.
        how: how they were timed, in words; "" if unknown.
    """
    derived = (
        "multiprocessors and bandwidth from the data sheet",
        *fitted.derivations(),
        *fitted.assumed,
    )
    return Provenance(
        source=source,
        licence=licence,
        measured=fitted.measured() + (f"; {how}" if how else ""),
        derived="; ".join(derived),
    )


def operator_profile(
    fitted: FittedOperators,
    *,
    name: str,
    device: str,
    provenance: tuple[Provenance, ...],
    errors: tuple[ErrorFigure, ...] = (),
    warnings: tuple[str, ...] = (),
) -> DeviceProfile:
    """A device profile of fitted operators; its confidence is theirs.

    Args:
        fitted: of all sources.
        name: of the profile.
        device: in words, with its power mode or clocks where known.
        provenance: of each source.
        errors: figures beside those of the shapes held out.
        warnings: beside those that the fit calls for.
    """
    return DeviceProfile(
        name=name,
        device=device,
        confidence=fitted.confidence,
        provenance=provenance,
        errors=(*(entry.figure for entry in fitted.held_out), *errors),
        warnings=(*fitted.warnings(), *warnings),
        operators=fitted.model,
    )
