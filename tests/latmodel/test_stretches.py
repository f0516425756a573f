from __future__ import annotations

import numpy as np
import pytest

from latmodel.errors import ProfileError
from latmodel.stretches import MODES, Stretch

# Host, device and alone at three shapes: the host is slower, both are as slow, the device is.
TIMES = np.array([[9.0, 9.0, 9.0], [4.0, 9.0, 40.0], [10.0, 15.0, 49.0]])
STRETCH = Stretch(TIMES, TIMES * np.array([[0.5], [0.1], [0.2]]))


@pytest.mark.parametrize(
    ("mode", "latency_ns", "relative_error"),
    [
        ("eager", [9, 9, 40], [0.5, 0.5, 0.1]),
        ("graph", [4, 9, 40], [0.1, 0.1, 0.1]),
        ("sum", [10, 15, 49], [0.2, 0.2, 0.2]),
    ],
)
def test_each_mode_feels_its_own_time_and_error(
    mode: str, latency_ns: list[float], relative_error: list[float]
) -> None:
    assert STRETCH.latency_ns(mode).tolist() == latency_ns
    assert STRETCH.relative_error(mode) == pytest.approx(relative_error)


def test_the_maximum_is_of_sums() -> None:
    """Host 9 and 9, device 4 and 40: neither side's own maximum."""
    both = STRETCH.at(0).then(STRETCH.at(2))
    assert both.latency_ns("eager").tolist() == [44]


def test_repeats_are_one_after_the_other() -> None:
    thrice, added = STRETCH.repeated(3), STRETCH.then(STRETCH).then(STRETCH)
    assert thrice.times_ns.tolist() == added.times_ns.tolist()
    assert thrice.errors_ns == pytest.approx(added.errors_ns)


def test_one_shape_is_that_one_at_any_index() -> None:
    assert STRETCH.at(1).times_ns.tolist() == [[9], [9], [15]]
    assert STRETCH.at(1).at(7).times_ns.tolist() == [[9], [9], [15]]


def test_what_takes_no_time_has_no_error() -> None:
    nothing = Stretch(np.zeros((3, 1)), np.zeros((3, 1)))
    assert [nothing.relative_error(mode).tolist() for mode in MODES] == [[0]] * 3


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ProfileError) as caught:
        STRETCH.latency_ns("lazy")
    assert str(caught.value) == "mode is 'lazy': must be one of eager, graph, sum"
