"""Planted kernels are found again from noisy readings, named and unnamed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from latmodel import kernel_fitting
from latmodel.kernel_fitting import fit_kernels, kernels_by_name, tile_of
from latmodel.model_fitting import predict_part_ns
from latmodel.operator_readings import OperatorReadings
from latmodel.products import ProductModel
from latmodel.slowdowns import Throttle
from tests.latmodel.planted_kernels import (
    BANDWIDTH_GB_S,
    DEVICE,
    NOISE,
    SMS,
    read,
    read_unnamed,
    shapes,
)

LARGE, SMALL = (kernel.name for kernel in DEVICE.kernels)
READ = {kind: read(kind, shapes(kind, 300, seed=1), seed=2) for kind in ("linear", "bmm")}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other on a shared machine: matrices here are tiny."""
    with threadpool_limits(1):
        yield


def fitted(readings: OperatorReadings, *names: str) -> ProductModel:
    return fit_kernels(readings, names=names, sms=SMS, bandwidth_gb_s=BANDWIDTH_GB_S)


def error(model: ProductModel, truth: OperatorReadings) -> float:
    """The mean absolute error, as a fraction."""
    return float(np.mean(np.abs(predict_part_ns(model, truth) / truth.latency_ns - 1)))


def told(model: ProductModel) -> ProductModel:
    """The model with the planted choice of kernels and splits, which no constant tells."""
    kernels = (
        replace(kernel, split_choice=planted.split_choice)
        for kernel, planted in zip(model.kernels, DEVICE.kernels, strict=True)
    )
    return replace(model, kernels=tuple(kernels), choice=DEVICE.choice)


@pytest.mark.parametrize(
    ("name", "tile"),
    [
        ("ampere_sgemm_128x64_tn", (64, 128)),
        ("volta_sgemm_128x32_sliced1x4_nn", (32, 128)),
        ("sgemm_32x32x32_NN_vec", (32, 32)),
        ("sgemm_128x64x8_NN", (64, 128)),
        ("cutlass_80_tensorop_s1688gemm_256x128_16x3_tn_align4", (128, 256)),
        ("ampere_fp16_s16816gemm_fp16_128x64_ldg8_f2f_stages_64x3_nn", (64, 128)),
        ("sgemm_largek_lds64", None),
        ("gemv2T_kernel_val<int, int, float, 128, 16, 4, 4>", None),
        ("kernel@0x7f3a", None),
        ("tile_0x64", None),
        ("tile_64x0", None),
        ("tile_064x32", None),
        ("", None),
    ],
)
def test_a_tile_is_the_first_pair_of_sizes(name: str, tile: tuple[int, int] | None) -> None:
    """Columns, then rows; an address or a nothing is no size."""
    assert tile_of(name) == tile


def test_kernels_that_ran_often_and_tell_their_tile_are_named() -> None:
    """In the order of their names."""
    readings = READ["linear"].where(np.arange(300) < 8)
    names = np.array(["b_64x64"] * 3 + ["gemv"] * 3 + ["a_32x32", "a_32x32"])
    some = replace(readings, kernels=names)
    assert kernels_by_name(some, least=4) == ()
    assert kernels_by_name(some, least=3) == ("b_64x64",)
    assert kernels_by_name(some, least=2) == ("a_32x32", "b_64x64")


@pytest.mark.parametrize("kind", ["linear", "bmm"])
def test_planted_constants_are_found_again(kind: str) -> None:
    model = fitted(READ[kind], LARGE, SMALL)
    assert (model.kinds, model.dtypes, model.sms) == ((kind,), ("fp32",), SMS)
    assert model.launch_ns[0] == pytest.approx(DEVICE.launch_of(kind), rel=0.02)
    assert model.bandwidth_gb_s == pytest.approx(DEVICE.bandwidth_gb_s, rel=0.05)
    assert model.throttle is not None
    assert DEVICE.throttle is not None
    works_ns = np.array([1e4, 1e5, 1e6])  # neither parameter alone, but what they do
    assert model.throttle.slowed_ns(works_ns) == pytest.approx(
        DEVICE.throttle.slowed_ns(works_ns), rel=0.02
    )
    for found, planted in zip(model.kernels, DEVICE.kernels, strict=True):
        for size in ("name", "tile_rows", "tile_columns", "tile_reduction"):
            assert getattr(found, size) == getattr(planted, size)
        assert found.element_ns == pytest.approx(planted.element_ns, rel=0.05)
        assert found.first_element_ns == pytest.approx(planted.first_element_ns, rel=0.25)
        assert found.wave_ns == pytest.approx(planted.wave_ns, rel=0.1)
        assert found.evenness == pytest.approx(planted.evenness, abs=0.1)
    assert model.kernels[1].split_ns == pytest.approx(DEVICE.kernels[1].split_ns, rel=0.15)


@pytest.mark.parametrize("kind", ["linear", "bmm"])
def test_shapes_that_were_never_read_are_predicted_within_the_noise(kind: str) -> None:
    model = told(fitted(READ[kind], LARGE, SMALL))
    assert error(model, read(kind, shapes(kind, 300, seed=3), seed=4, noise=0.0)) < NOISE


def test_readings_of_other_kernels_say_nothing() -> None:
    """A hundred of them, a thousand times too slow."""
    readings = READ["linear"]
    other = np.arange(300) % 3 == 0
    spoilt = replace(
        readings,
        kernels=np.where(other, "gemv", readings.kernels),
        latency_ns=np.where(other, 1e3, 1.0) * readings.latency_ns,
    )
    expected = fitted(readings.where(~other), LARGE, SMALL)
    assert fitted(spoilt, LARGE, SMALL) == expected


def test_readings_that_are_far_off_pull_little() -> None:
    """One in thirty is a third of the truth or threefold, one a thousandth of it."""
    readings = READ["linear"]
    factors = np.ones(300)
    factors[::60], factors[30::60], factors[7] = 3.0, 1 / 3, 1e-3
    spoilt = replace(readings, latency_ns=readings.latency_ns * factors)
    truth = read("linear", shapes("linear", 300, seed=3), seed=4, noise=0.0)
    assert error(told(fitted(spoilt, LARGE, SMALL)), truth) < 1.5 * NOISE


def test_of_few_readings_one_may_be_absurd() -> None:
    """The most work of eighty, done in a thousandth of its time, is no device's peak."""
    readings = read("linear", shapes("linear", 80, seed=1), seed=2)
    work = np.prod(list(readings.sizes.values()), axis=0)
    factors = np.where(work == work.max(), 1e-3, 1.0)
    spoilt = replace(readings, latency_ns=readings.latency_ns * factors)
    truth = read("linear", shapes("linear", 300, seed=3), seed=4, noise=0.0)
    assert error(told(fitted(spoilt, LARGE, SMALL)), truth) < NOISE


def test_a_fit_is_repeatable() -> None:
    assert fitted(READ["linear"], LARGE, SMALL) == fitted(READ["linear"], LARGE, SMALL)


def test_of_very_many_readings_some_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Always the same ones, and enough to tell the constants."""
    monkeypatch.setattr(kernel_fitting, "MOST_ROWS", 200)
    model = fitted(READ["linear"], LARGE, SMALL)
    assert model == fitted(READ["linear"], LARGE, SMALL)
    assert model.launch_ns[0] == pytest.approx(DEVICE.launch_of("linear"), rel=0.03)
    monkeypatch.undo()
    assert model != fitted(READ["linear"], LARGE, SMALL)


def test_a_kernel_of_which_none_was_sampled_stays_as_it_was_guessed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One reading in three hundred, of which twenty are taken."""
    monkeypatch.setattr(kernel_fitting, "MOST_ROWS", 20)
    once = np.where(np.arange(300) == 299, LARGE, SMALL)
    model = fitted(replace(READ["linear"], kernels=once), LARGE, SMALL)
    assert [kernel.name for kernel in model.kernels] == [LARGE, SMALL]
    assert model.kernels[0].wave_ns == pytest.approx(500)


def test_a_throttle_acts_on_work_that_lasts() -> None:
    """What sets in at 0.1 ms is no power limit, though it would explain the readings."""
    readings, launch_ns = READ["linear"], 8500.0  # no reading is shorter
    slowed_ns = Throttle(extra=1.0, ramp_ns=1e5).slowed_ns(readings.latency_ns - launch_ns)
    model = fitted(replace(readings, latency_ns=launch_ns + slowed_ns), LARGE, SMALL)
    assert model.throttle is not None
    assert model.throttle.ramp_ns >= 5e5


@pytest.mark.parametrize("kind", ["linear", "bmm"])
def test_without_names_tiles_compete(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted two and two others; the fastest is predicted to run, and does."""
    monkeypatch.setattr(
        kernel_fitting, "_CANDIDATES", ((64, 128), (32, 64), (128, 128), (64, 64))
    )
    model = fitted(read_unnamed(kind, shapes(kind, 250, seed=1), seed=2))
    assert [kernel.name for kernel in model.kernels] == ["64x128", "32x64", "128x128", "64x64"]
    assert model.launch_ns[0] == pytest.approx(DEVICE.launch_of(kind), rel=0.03)
    assert model.bandwidth_gb_s == pytest.approx(DEVICE.bandwidth_gb_s, rel=0.1)
    for found, planted in zip(model.kernels, DEVICE.kernels, strict=False):
        assert found.element_ns == pytest.approx(planted.element_ns, rel=0.1)
    fresh = read_unnamed(kind, shapes(kind, 300, seed=3), seed=4, noise=0.0)
    assert error(model, fresh) < 1.5 * NOISE


def test_without_names_all_of_the_usual_tiles_compete() -> None:
    """Eleven that the device does not have among them."""
    model = fitted(read_unnamed("linear", shapes("linear", 100, seed=1), seed=2))
    assert len(model.kernels) == 13
    fresh = read_unnamed("linear", shapes("linear", 300, seed=3), seed=4, noise=0.0)
    assert error(model, fresh) < 3 * NOISE


@pytest.mark.parametrize(("dtype", "reduction"), [("fp32", 8), ("fp16", 16), ("bf16", 16)])
def test_blocks_load_as_many_elements_as_their_format_allows(
    dtype: str, reduction: int
) -> None:
    model = fitted(replace(READ["linear"].where(np.arange(300) < 60), dtype=dtype), SMALL)
    assert [kernel.tile_reduction for kernel in model.kernels] == [reduction]
