"""One kind of operator, whole: kernels, their choice and splits, and what is left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from latmodel import kernel_fitting
from latmodel.forest import Forest
from latmodel.model_fitting import predict_part_ns
from latmodel.operator_kinds import Span
from latmodel.operator_readings import OperatorReadings
from latmodel.part_fitting import fit_part
from latmodel.products import ProductModel
from latmodel.shapes import product_of
from latmodel.slowdowns import Floats
from latmodel.streams import StreamModel
from tests.latmodel.planted_kernels import (
    BANDWIDTH_GB_S,
    DEVICE,
    NOISE,
    SMS,
    read,
    read_unnamed,
    shapes,
    stream_readings,
)
from tests.latmodel.yaml_files import through_a_file

READ = read("linear", shapes("linear", 250, seed=1), seed=2)
FRESH = read("linear", shapes("linear", 300, seed=3), seed=4, noise=0.0)
TILES = ((64, 128), (32, 64), (128, 128))


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other on a shared machine: matrices here are tiny."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def part() -> ProductModel:
    """Fitted to named readings."""
    return fit_product(READ)


def fit_product(readings: OperatorReadings) -> ProductModel:
    part = fit_part(readings, sms=SMS, bandwidth_gb_s=BANDWIDTH_GB_S)
    assert isinstance(part, ProductModel)
    return part


def errors(part: ProductModel | StreamModel, truth: OperatorReadings) -> Floats:
    """Absolute errors, as fractions."""
    return np.asarray(np.abs(predict_part_ns(part, truth) / truth.latency_ns - 1))


def test_shapes_that_were_never_read_are_predicted_within_the_noise(
    part: ProductModel,
) -> None:
    assert errors(part, FRESH).mean() < NOISE


def test_the_choice_of_kernels_and_splits_is_found_again(part: ProductModel) -> None:
    """The large kernel never splits, the small one by a rule that nobody told."""
    assert [kernel.name for kernel in part.kernels] == [k.name for k in DEVICE.kernels]
    features = part.costs_of(product_of("linear", FRESH.sizes)).features
    names = np.array([kernel.name for kernel in part.kernels])
    chosen = features["kernel"].astype(int)
    assert np.mean(names[chosen] == FRESH.kernels) > 0.98
    assert part.kernels[0].split_choice is None
    small = part.kernels[1].split_choice
    assert small is not None
    own = FRESH.kernels == part.kernels[1].name
    assert np.mean(small.apply(features)[own] == FRESH.splits[own]) > 0.98


def test_a_part_says_what_it_was_fitted_to(part: ProductModel) -> None:
    assert (part.kinds, part.dtypes, part.sms) == (("linear",), ("fp32",), SMS)
    ends = {name: (int(size.min()), int(size.max())) for name, size in READ.sizes.items()}
    assert part.fitted == (
        Span("rows", *ends["rows"]),
        Span("reduction", *ends["in_features"]),
        Span("columns", *ends["out_features"]),
    )


def test_a_fitted_part_comes_back_from_a_file_bit_for_bit(part: ProductModel) -> None:
    """With all its trees, so that a profile predicts what the fit did."""
    again = ProductModel.from_fields(through_a_file(part.to_dict()))
    assert again == part
    assert predict_part_ns(again, FRESH).tolist() == predict_part_ns(part, FRESH).tolist()


def test_a_fit_is_repeatable(part: ProductModel) -> None:
    assert fit_product(READ) == part


def test_the_correction_learns_what_no_wave_explains() -> None:
    """A fifth more wherever columns are no multiple of four, of which nobody told it."""

    def odd(readings: OperatorReadings) -> OperatorReadings:
        factor = np.where(readings.sizes["out_features"] % 4 == 0, 1.0, 1.2)
        return replace(readings, latency_ns=readings.latency_ns * factor)

    part = fit_product(odd(READ))
    bare = replace(part, correction=Forest(()))
    assert errors(part, odd(FRESH)).mean() < 2 * NOISE
    assert errors(bare, odd(FRESH)).mean() > 4 * NOISE


def test_kernels_that_nobody_named_compete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_fitting, "_CANDIDATES", TILES)
    part = fit_product(read_unnamed("bmm", shapes("bmm", 200, seed=1), seed=2))
    assert part.choice is None
    assert [kernel.name for kernel in part.kernels] == ["64x128", "32x64", "128x128"]
    fresh = read_unnamed("bmm", shapes("bmm", 300, seed=3), seed=4, noise=0.0)
    assert errors(part, fresh).mean() < 1.5 * NOISE


def test_names_that_tell_no_tile_are_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library whose kernels hide their tiles is fitted all the same."""
    monkeypatch.setattr(kernel_fitting, "_CANDIDATES", TILES)
    unnamed = read_unnamed("linear", shapes("linear", 150, seed=1), seed=2)
    part = fit_product(replace(unnamed, kernels=np.full(150, "gemm_kernel")))
    assert [kernel.name for kernel in part.kernels] == ["64x128", "32x64", "128x128"]
    assert part.choice is None
    fresh = read_unnamed("linear", shapes("linear", 300, seed=3), seed=4, noise=0.0)
    assert errors(part, fresh).mean() < 1.5 * NOISE


def test_a_kernel_that_ran_seldom_is_known_by_its_readings_alone() -> None:
    """Too seldom for constants of its own; the correction still sees it."""
    seldom = np.arange(250) % 25 == 0
    part = fit_product(
        replace(READ, kernels=np.where(seldom, "rare_sgemm_32x32_tn", READ.kernels))
    )
    assert [kernel.name for kernel in part.kernels] == [k.name for k in DEVICE.kernels]
    assert errors(part, FRESH).mean() < 1.5 * NOISE


@pytest.mark.parametrize("kind", ["softmax", "add"])
def test_a_stream_is_launch_and_bandwidth_and_its_odd_cases(kind: str) -> None:
    """A tenth more for odd widths is the correction's; the line lies between."""
    part = fit_part(stream_readings(kind, 300, seed=1), sms=SMS, bandwidth_gb_s=BANDWIDTH_GB_S)
    assert isinstance(part, StreamModel)
    assert part.launch_ns[0] == pytest.approx(5000, rel=0.05)
    assert part.bandwidth_gb_s == pytest.approx(200, rel=0.12)
    assert part.correction.features <= {
        "rows", "width", "numbers", "rows/sms", "numbers%4", "width%4", "power",
    }  # fmt: skip
    fresh = stream_readings(kind, 300, seed=3)
    assert errors(part, fresh).mean() < 1.5 * NOISE
    assert StreamModel.from_fields(through_a_file(part.to_dict())) == part


def test_the_bandwidth_of_a_stream_is_not_that_of_its_cache() -> None:
    """Where all readings fit in a cache, memory is taken for four times its sheet at most."""
    readings = stream_readings("norm", 100, seed=1)
    part = fit_part(readings, sms=SMS, bandwidth_gb_s=10.0)
    assert part.bandwidth_gb_s == 40
