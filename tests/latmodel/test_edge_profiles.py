"""The shipped profiles of edge devices: what they say of themselves, and what they predict."""

from __future__ import annotations

import importlib
import os
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latmodel.catalogue import read_profile
from latmodel.files import data_folder
from latmodel.operator_fitting import parameters
from latmodel.operators import OperatorModel
from latmodel.profile import DeviceProfile
from latmodel.workload import Workload
from latmodel.workloads import find_workload

ROOT = Path(__file__).resolve().parents[2]

GOLDEN_US = {  # DeiT-S and ViT-B at batch 1 in fp32, unpruned
    "desktop-i9-10940x": (11584, 33190),
    "jetson": (18414, 39428),
    "jetson-agx-orin-15w": (44773, 141211),
    "jetson-agx-orin-30w": (27189, 74152),
    "jetson-agx-orin-50w": (24914, 49446),
    "jetson-nano": (132917, 432768),
    "jetson-orin-nano": (25525, 52921),
    "jetson-orin-nano-rotary": (109011, 110494),
    "jetson-orin-nx": (26230, 57508),
    "jetson-tx2": (58577, 167062),
    "jetson-xavier": (40303, 90683),
    "laptop-i7-12700h": (34132, 116401),
    "raspberry-pi-4": (1025877, 3872858),
    "raspberry-pi-5": (1107406, 4193575),
}
EDGE = tuple(GOLDEN_US)
POWER_MODES = ("jetson", "jetson-agx-orin-50w", "jetson-agx-orin-30w", "jetson-agx-orin-15w")
SCALED = ("jetson-xavier", "jetson-tx2", "jetson-nano")
VJEPA = Workload(
    model="vjepa2_vit_large",
    depth=24,
    dim=1024,
    heads=16,
    head_dim=64,
    mlp_width=4096,
    tokens=2048,
    prefix=0,
    patch_inputs=1536,
    classes=0,
    dtype="fp16",
)


def dense_ms(profile: str, model: str, dtype: str = "fp32") -> float:
    return read_profile(profile).table(find_workload(model, dtype=dtype)).dense_ns / 1e6


@pytest.mark.parametrize("name", EDGE)
def test_a_profile_says_where_it_comes_from_and_how_wrong_it_is(name: str) -> None:
    profile = read_profile(name)
    assert (data_folder() / f"{name}.yaml").stat().st_size < 10_000
    for source in profile.provenance:
        assert source.source
        assert source.licence
        assert source.measured
        assert source.derived
    assert profile.errors
    assert profile.warnings
    assert profile.operators is not None
    assert profile.operators.fitted("linear")
    assert profile.confidence == ("medium" if name == "laptop-i7-12700h" else "low")


@pytest.mark.parametrize("name", EDGE)
def test_predictions_are_what_they_were(name: str) -> None:
    models = ("deit_small_patch16_224", "vit_base_patch16_224")
    found = [1e3 * dense_ms(name, model) for model in models]
    assert found == pytest.approx(GOLDEN_US[name], rel=1e-3)


def test_a_board_never_measured_says_so() -> None:
    for name in SCALED:
        profile = read_profile(name)
        assert profile.provenance[0].measured.startswith("nothing on this board")
        assert profile.warnings[0].startswith("no operator and no vision transformer was")
        assert profile.provenance[0].derived.startswith("everything")


@pytest.mark.parametrize("dtype", ["fp32", "fp16"])
def test_less_power_is_slower(dtype: str) -> None:
    times = [dense_ms(mode, "vit_large_patch16_224", dtype) for mode in POWER_MODES]
    assert times == sorted(times)
    assert times[-1] > 2 * times[0]


def test_a_smaller_board_is_slower() -> None:
    boards = ("jetson", "jetson-orin-nano", "jetson-orin-nx", *SCALED)
    times = [dense_ms(board, "vit_base_patch16_224") for board in boards]
    assert times == sorted(times)


def test_models_of_rotary_attention_run_into_a_plateau_on_an_orin_nano() -> None:
    """V-JEPA 2's ViT-L, read whole: 213 ms at 128, 214 at 392, 242 at 784, 452 at 2048."""
    profile = read_profile("jetson-orin-nano-rotary")
    found = {
        tokens: profile.table(replace(VJEPA, tokens=tokens)).dense_ns / 1e6
        for tokens in (128, 256, 392, 784, 2048)
    }
    assert [found[tokens] for tokens in (128, 256, 392)] == pytest.approx(
        [213, 215, 214], rel=0.03
    )
    assert found[784] == pytest.approx(242, rel=0.10)
    assert found[2048] == pytest.approx(452, rel=0.15)
    segments = profile.table(VJEPA).segment_ns[0]
    assert np.all(segments[:512] == segments[0])  # fewer tokens save nothing at all
    assert segments[2047] > 2 * segments[0]


def test_plain_models_launch_less_than_rotary_ones() -> None:
    """The plain profile's floor is lower by what the rotary embedding launches."""
    plain, rotary = (
        read_profile(name).operators for name in ("jetson-orin-nano", "jetson-orin-nano-rotary")
    )
    assert plain is not None
    assert rotary is not None
    for dtype in ("fp32", "fp16"):
        extra_ns = rotary.launch_of("attention", dtype=dtype) - plain.launch_of(
            "attention", dtype=dtype
        )
        assert extra_ns == pytest.approx(102 * plain.launch_of("add", dtype=dtype), rel=0.01)
        assert rotary.launch_of("linear", dtype=dtype) == plain.launch_of("linear", dtype=dtype)


def test_a_raspberry_pi_takes_as_long_for_vit_tiny_as_was_read() -> None:
    assert dense_ms("raspberry-pi-4", "vit_tiny_patch16_224") == pytest.approx(286.0, rel=0.01)
    assert dense_ms("raspberry-pi-5", "vit_tiny_patch16_224") == pytest.approx(305.6, rel=0.01)


@pytest.mark.parametrize("name", [n for n in EDGE if "raspberry" in n or "-i" in n])
def test_a_cpu_has_no_floor_that_hides_its_work(name: str) -> None:
    """Operators follow one another, so half of the tokens save a third of the time or more."""
    profile = read_profile(name)
    assert profile.operators is not None
    assert profile.operators.mode == "sum"
    segments = profile.table(find_workload("vit_base_patch16_224")).segment_ns[0]
    assert 0.4 < segments[97] / segments[196] < 0.65


def script(name: str) -> Any:
    """A script, as `python benchmarks/NAME.py` sees it."""
    folder = Path(os.environ.get("LATMODEL_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "jetson").is_dir():
        pytest.skip("the readings are not on this machine; LATMODEL_DATA names their folder")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        return importlib.import_module(name)


def readings_folder() -> Path:
    folder: Path = script("jetson_readings").data_folder()
    return folder


@pytest.mark.parametrize(
    ("name", "made_here"),
    [("fit_raspberry", 2), ("fit_older_jetsons", 3), ("fit_orin", 3), ("fit_cpus", 1)],
)
def test_a_profile_is_what_its_script_makes(name: str, made_here: int) -> None:
    """Words exactly; numbers to 1 %, which other versions of scipy keep.

    Of two processors, one is made here: the other takes as long again.
    """
    for made in islice(script(name).profiles(readings_folder()), made_here):
        shipped = read_profile(made.name)
        assert shipped.operators is not None
        assert parameters(shipped.operators) == pytest.approx(
            parameters(made.operators), rel=0.01
        )
        assert structure(shipped.operators) == structure(made.operators)
        for ours, theirs in zip(shipped.errors, made.errors, strict=True):
            assert ours.mean_percent == pytest.approx(theirs.mean_percent, abs=0.2)
            assert ours.rows == theirs.rows
        assert words(shipped) == words(made)


def structure(model: OperatorModel) -> list[object]:
    """What is no real number: kinds, formats, multiprocessors, ranges, tiles."""
    products = [(p.kinds, p.dtypes, p.sms, p.fitted) for p in model.products]
    streams = [(p.kinds, p.dtypes, p.sms, p.fitted) for p in model.streams]
    kernels = [kernel for part in model.products for kernel in part.kernels]
    return [
        model.mode,
        *products,
        *streams,
        *[(k.name, k.tile_rows, k.tile_columns) for k in kernels],
    ]


def words(profile: DeviceProfile) -> tuple[object, ...]:
    return profile.device, profile.confidence, profile.provenance, profile.warnings


def test_one_command_makes_every_edge_profile() -> None:
    found = {made.__name__ for made in script("fit_edge")._SCRIPTS}
    assert found == {
        *("fit_jetson", "fit_orin", "fit_older_jetsons", "fit_raspberry", "fit_cpus")
    }


def test_models_of_a_width_held_out_are_held_out() -> None:
    """Readings ten times too long for one width must not move what is said of it."""
    cpus, reader = script("fit_cpus"), script("cpu_readings")
    cpu = cpus.CPUS[0]
    rows, _ = reader.read_models(readings_folder() / "whole_models" / cpu.file)
    rows = [row for row in rows if row.workload.dim in (384, 512)]
    spoiled = [
        replace(row, reading=replace(row.reading, latency_ns=row.reading.latency_ns * 10))
        if row.workload.dim == 384
        else row
        for row in rows
    ]
    chosen = np.array([row.workload.dim == 384 for row in rows])
    before, after = cpus.held_out(cpu, rows)[chosen], cpus.held_out(cpu, spoiled)[chosen]
    assert 10 * (1 + after) == pytest.approx(1 + before)


def test_rows_above_512_tokens_do_not_move_the_orin_nanos_host() -> None:
    fitting, reader = script("orin_fitting"), script("orin_readings")
    profile = read_profile("jetson-orin-nano")
    rows = reader.vjepa_rows(readings_folder())
    spoiled = [
        row._replace(latency_ns=row.latency_ns * (10 if row.workload.tokens > 512 else 1))
        for row in rows
    ]
    _, factor = fitting.fit_host(profile.operators, rows)
    assert factor == pytest.approx(1.0, rel=0.01)  # the shipped launches hold it already
    assert fitting.fit_host(profile.operators, spoiled)[1] == factor


def test_models_that_are_not_plain_are_left_out_and_counted() -> None:
    reader = script("cpu_readings")
    file = readings_folder() / "whole_models" / script("fit_cpus").CPUS[0].file
    rows, others = reader.read_models(file)
    names = {row.workload.model for row in rows}
    lines = file.read_text(encoding="utf-8").splitlines()
    assert len(names) + others == len(lines) - 1
    assert "vit_base_patch16_224" in names
    assert "vit_relpos_base_patch16_224" not in names
    row = next(row for row in rows if row.workload.model == "vit_base_patch16_224")
    assert row.reading.latency_ns == 120.013e6
    # A block has 10 operators; patches, positions, prefix, norm and head make 5.
    assert len(row.reading.operators) == 12 * 10 + 5
