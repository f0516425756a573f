"""A device profile refined by readings of the real board, and what it then says of itself."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from latmodel.calibrating import calibrate
from latmodel.errors import ProfileError
from latmodel.profile import DeviceProfile, ErrorFigure, Provenance

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from latmodel.calibrating import Calibrated
    from latmodel.environment import Environment
    from latmodel.operator_readings import OperatorReadings
    from latmodel.operators import OperatorModel

__all__ = ["calibrate_profile", "operators_of"]

_ENOUGH = 20
"""Operators of the board that make a profile one of measured operators, whatever it was."""

_CLOSE = 15.0
"""The mean error, in percent, up to which it does."""

_FAR = 30.0
"""The mean error, in percent, beyond which no profile is trusted."""

_WORDS = {"launch": "launches", "compute": "computing", "memory": "memory"}


def calibrate_profile(
    profile: DeviceProfile,
    readings: Sequence[OperatorReadings],
    *,
    name: str,
    source: str,
    measured: str,
    environment: Environment | None = None,
) -> tuple[DeviceProfile, Calibrated]:
    """Refine a profile's operator model by readings of single operators on the board.

    What the profile said of itself is kept and marked as said of it before.

    Args:
        profile: of such boards; needs an operator model.
        readings: operators that were run and waited for alone, on the board.
        name: of the new profile.
        source: who read, and with what.
        measured: what was read, in words.
        environment: what was running, where it is known.

    Returns:
        The board's profile, and the figures of its calibration.

    Raises:
        ProfileError: the profile has no operator model, or the model does not know a kind or
            a dtype that was read.
        MeasurementError: there are too few readings.
    """
    found = calibrate(operators_of(profile), readings)
    calibration = Provenance(
        source=source,
        measured=measured,
        derived=f"factors on the costs of {profile.name}: {_in_words(found.logs)}; and factors "
        "of single kinds, parts and kernels",
    )
    new = DeviceProfile(
        name=name,
        device=_device(profile, environment),
        confidence=_confidence(profile, found),
        provenance=(calibration, *profile.provenance),
        errors=(*_errors(found), *(_before(profile, figure) for figure in profile.errors)),
        warnings=(
            *_warnings(profile, readings, found),
            *(f"of {profile.name} before its calibration: {w}" for w in profile.warnings),
        ),
        environment=environment,
        operators=found.model,
    )
    return new, found


def operators_of(profile: DeviceProfile) -> OperatorModel:
    """What there is to calibrate.

    Raises:
        ProfileError: the profile has no operator model.
    """
    if profile.operators is None:
        raise ProfileError(
            f"profile {profile.name!r} has curves only, no operator model to calibrate; "
            "measure again: latmodel probe --out FILE"
        )
    return profile.operators


def _device(profile: DeviceProfile, environment: Environment | None) -> str:
    """The board by its own name, where that is known, and what it was taken for."""
    if environment is None or profile.device.split(",")[0] == environment.device:
        return profile.device
    return f"{environment.device}, calibrated from {profile.device}"


def _in_words(logs: Mapping[str, float]) -> str:
    return ", ".join(f"{word} x {math.exp(logs[group]):.3g}" for group, word in _WORDS.items())


def _confidence(profile: DeviceProfile, found: Calibrated) -> str:
    if found.after_percent > _FAR:
        return "low"
    if found.shapes >= _ENOUGH and found.after_percent <= _CLOSE:
        return "medium"
    # Curves, which alone are high, do not outlive a calibration.
    return "medium" if profile.confidence == "high" else profile.confidence


def _errors(found: Calibrated) -> tuple[ErrorFigure, ErrorFigure]:
    how = "alone" if found.folds == found.shapes else f"in {found.folds} folds"
    after = ErrorFigure(
        what=f"single operators of the board, each left {how} out of the calibration",
        mean_percent=round(found.after_percent, 2),
        rows=found.rows,
    )
    before = ErrorFigure(
        what="the same operators before the calibration",
        mean_percent=round(found.before_percent, 2),
        rows=found.rows,
    )
    return after, before


def _before(profile: DeviceProfile, figure: ErrorFigure) -> ErrorFigure:
    return replace(figure, what=f"{profile.name} before its calibration: {figure.what}")


def _warnings(
    profile: DeviceProfile, readings: Sequence[OperatorReadings], found: Calibrated
) -> Iterator[str]:
    if found.after_percent >= found.before_percent:
        yield (
            f"the calibration did not help: operators that it had not seen are "
            f"{found.after_percent:.1f} % off, {found.before_percent:.1f} % before it; "
            "use the profile as it was, or read more operators"
        )
    if found.after_percent > _FAR:
        yield (
            f"operators of the board are predicted {found.after_percent:.0f} % off: another "
            "program was running, or the profile is of quite another device; read again with "
            "nothing else running, on a CPU with fewer threads"
        )
    if found.shapes < _ENOUGH:
        yield (
            f"calibrated with {found.shapes} operators: {_ENOUGH} or more tell kinds and "
            "kernels apart"
        )
    read = dict.fromkeys(each.dtype for each in readings)
    others = [d for d in found.model.dtypes if d not in read]
    if others:
        yield (
            f"only {', '.join(read)} was read on the board: {', '.join(others)} shares its "
            "factors of launches, computing and memory, and its error is not known"
        )
    if profile.curves:
        yield (
            f"the measured curves of {profile.name} are left out: they hold for the device "
            "before its calibration"
        )
