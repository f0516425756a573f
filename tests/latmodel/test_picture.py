from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from latmodel.curve import Curve
from latmodel.dense_samples import DenseSamples
from latmodel.errors import PlotError
from latmodel.picture import (
    Captions,
    PlotSettings,
    picture_of_curve,
    picture_of_table,
)
from tests.latmodel.stairs import STAIRS, TABLE
from tests.latmodel.strategies import curves


@given(curve=curves())
def test_a_picture_shows_the_curve_at_every_count(curve: Curve) -> None:
    """Every count once, the curve's own figures, and a band that mirrors in the ratio."""
    picture = picture_of_curve(curve)
    counts = list(range(curve.counts[0], curve.counts[-1] + 1))
    assert picture.counts.tolist() == counts
    assert picture.expected_ns.tolist() == curve.latency_ns(counts).tolist()
    assert picture.upper_ns.tolist() == curve.upper_ns(counts, 0.95).tolist()
    ratios = picture.upper_ns / picture.expected_ns
    assert np.allclose(picture.expected_ns / picture.lower_ns, ratios)
    assert picture.probes == tuple((p.count, p.centre_ns) for p in curve.probes)
    assert len(picture.steps) <= 8


def test_the_named_edges_are_the_largest_and_the_rest_is_counted() -> None:
    two = picture_of_curve(STAIRS, settings=PlotSettings(most_steps=2))
    assert [step.words for step in two.steps] == [
        "64→65 +36 % tile of 64 rows",
        "96→97 +25 % tile of 32 rows",
    ]
    assert two.unnamed == 1
    high = picture_of_curve(STAIRS, settings=PlotSettings(threshold=0.3))
    assert ([step.first for step in high.steps], high.unnamed) == ([64], 0)


def test_the_confidence_sets_the_band() -> None:
    picture = picture_of_curve(STAIRS, settings=PlotSettings(confidence=0.8))
    assert picture.upper_ns.tolist() == STAIRS.upper_ns(picture.counts, 0.8).tolist()


def test_errors_against_samples_are_counted_by_hand() -> None:
    """Where it was measured, the curve is 0, 25 and 50 % from the samples; the last is twice.

    1.0 ms before an edge, 1.36 ms behind it.
    """
    samples = DenseSamples("it", (1, 64, 65, 65), (1e6, 0.8e6, 2.72e6, 2.72e6))
    mean, most = picture_of_curve(STAIRS, samples=samples).sample_errors()
    assert mean == pytest.approx((0 + 0.25 + 0.5 + 0.5) / 4)
    assert most == pytest.approx(0.5)


def test_samples_are_found_where_the_curve_does_not_begin_at_1() -> None:
    late = Curve(STAIRS.probes[1:])
    samples = DenseSamples("it", (64, 65), (1e6, 1.36e6))
    assert picture_of_curve(late, samples=samples).sample_errors() == (0, 0)


def test_the_95th_percentile_is_not_the_worst() -> None:
    latencies = tuple(1e6 / (1 + k / 100) for k in range(21))
    samples = DenseSamples("it", (64,) * 21, latencies)
    assert picture_of_curve(STAIRS, samples=samples).sample_errors()[1] == pytest.approx(0.19)


@pytest.mark.parametrize("counts", [(0, 5), (5, 102)])
def test_a_sample_beyond_the_curve_is_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(PlotError) as caught:
        picture_of_curve(STAIRS, samples=DenseSamples("it.csv", counts, (1.0, 1.0)))
    assert str(caught.value) == (
        f"it.csv holds samples from {counts[0]} to {counts[1]} tokens, the curve spans 1 to "
        "101: leave out those beyond it"
    )


def test_without_samples_there_is_no_error_of_them() -> None:
    with pytest.raises(PlotError) as caught:
        picture_of_curve(STAIRS).sample_errors()
    assert str(caught.value) == "the picture holds no samples to compare the curve with"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 0.0}, "threshold is 0.0: must be above 0"),
        ({"threshold": math.nan}, "threshold is nan: must be above 0"),
        ({"most_steps": -1}, "most_steps is -1: must be 0 to 12"),
        ({"most_steps": 13}, "most_steps is 13: must be 0 to 12"),
        ({"confidence": 0.5}, "confidence is 0.5: must be between 0.5 and 1"),
        ({"confidence": 1.0}, "confidence is 1.0: must be between 0.5 and 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(PlotError) as caught:
        PlotSettings(**settings)  # type: ignore[arg-type]  # what is refused
    assert str(caught.value) == message


def test_a_table_is_the_sum_of_its_segments() -> None:
    """Without the ends and the cuts, which a picture over the count does not hold."""
    picture = picture_of_table(TABLE, captions=Captions(title="it"))
    assert picture.counts.tolist() == [1, 2, 3, 4, 5]
    assert picture.expected_ns.tolist() == [100, 100, 150, 150, 156]
    assert [step.words for step in picture.steps] == ["2→3 +50 %"]
    assert (picture.probes, picture.unnamed) == ((), 0)
    assert (picture.captions.title, picture.warnings) == ("it", ("it is small",))


def test_the_band_of_a_table_is_what_a_curve_of_the_same_error_has() -> None:
    picture = picture_of_table(TABLE, settings=PlotSettings(confidence=0.8413447460685429))
    assert np.allclose(picture.upper_ns, picture.expected_ns * np.exp(TABLE.relative_error))


def test_a_table_with_gaps_is_refused() -> None:
    gappy = replace(TABLE, counts=np.array([1, 2, 3, 4, 9]))
    with pytest.raises(PlotError) as caught:
        picture_of_table(gappy)
    assert str(caught.value) == (
        "the table leaves out counts: a picture needs every count in turn"
    )


def test_a_table_that_begins_at_nothing_has_no_ratio_there() -> None:
    free = replace(TABLE, segment_ns=np.array([[0, 0, 9, 9, 9]] * 2))
    assert np.all(np.isfinite(picture_of_table(free).lower_ns))
