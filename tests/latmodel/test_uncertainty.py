from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from latmodel.curve import Curve
from latmodel.errors import LatmodelError
from latmodel.measurement import Measurement
from latmodel.provenance import WHOLE_MODEL, ErrorFigure, shared_error
from latmodel.uncertainty import Uncertainty
from tests.latmodel.golden import WHOLE
from tests.optimizer.devices import TINY, operator_profile, profile_of

STEP = Curve(
    tuple(Measurement(n, (ns, ns + 4, ns - 4)) for n, ns in ((1, 500), (40, 520), (101, 900)))
)


def known(**changes: Any) -> Uncertainty:
    values = {
        "shared": np.array([0.3, 0.0]),
        "independent": np.array([0.4, 0.1]),
        "groups": np.array([1, 2]),
    }
    return Uncertainty(**{**values, **changes})


def test_parts_add_as_independent_numbers_do() -> None:
    assert known().total.tolist() == [0.5, 0.1]
    assert known().at(np.array([False, True])).total.tolist() == [0.1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"shared": np.array([0.1])},
            "shared, independent and groups must hold one value per count",
        ),
        (
            {"independent": np.array([0.1, -0.1])},
            "a shared or independent error is negative or no number",
        ),
        (
            {"shared": np.array([0.1, np.nan])},
            "a shared or independent error is negative or no number",
        ),
        (
            {"groups": np.array([2, 1])},
            "groups must not descend: they hold neighbouring counts",
        ),
    ],
)
def test_errors_that_are_none_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(LatmodelError) as caught:
        known(**change)
    assert str(caught.value) == message


def test_a_probe_has_its_error_to_itself_and_a_gap_shares_one() -> None:
    groups = STEP.error_groups(np.arange(1, 102))
    assert [groups[0], groups[39], groups[100]] == [1, 3, 5]
    assert set(groups[1:39]) == {2}
    assert set(groups[40:100]) == {4}


def test_a_measured_curve_knows_what_was_timed() -> None:
    """A reading's own error at a probe, what a step may hide between, and one part for all."""
    table = WHOLE.table(shared_error=0.03)
    assert table.timed is not None
    assert table.timed.all()
    profile = profile_of(TINY, {1: 500_000, 40: 520_000, 101: 900_000})
    table = profile.table(TINY)
    parts = table.parts
    assert table.timed is not None
    assert table.counts[table.timed].tolist() == [1, 40, 101]
    assert not parts.independent[table.timed].any()
    assert np.all(parts.independent[~table.timed] > 0)
    assert set(parts.shared) == {0.056}
    assert np.allclose(table.relative_error, np.hypot(0.056, parts.independent))


@pytest.mark.parametrize(
    ("percent", "shared"),
    [((), 0.056), ((0.5,), 0.03), ((1.0, 8.0), 0.1003)],
    ids=["never timed", "within what a day does", "the worst one"],
)
def test_what_is_shared_is_what_the_sum_of_parts_is_off(
    percent: tuple[float, ...], shared: float
) -> None:
    figures = [ErrorFigure(what=WHOLE_MODEL, mean_percent=p, rows=1) for p in percent]
    other = ErrorFigure(what="single operators", mean_percent=40, rows=9)
    assert shared_error([other, *figures]) == shared


def test_operators_share_their_errors_whole() -> None:
    table = operator_profile().table(TINY.at(dtype="fp16"))
    assert table.timed is None
    assert table.uncertainty is None
    assert table.parts.shared.tolist() == table.relative_error.tolist()
