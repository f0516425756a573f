"""Whole models in `operators.py`: what operators add up to, beside models timed whole."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from cpu_readings import read_models
from fit_cpus import CPUS, held_out
from gpu_recipes import RECIPES
from jetson_fitting import MODES, read
from jetson_readings import MODELS
from jetson_scoring import DTYPES, totals, with_harness
from jetson_scoring import held_out as held_out_segments
from operators_errors import cell
from orin_readings import VJEPA, vjepa_rows
from profile_checks import whole_models

from latmodel.catalogue import read_profile, shipped_profiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Talk = Callable[[str], None]
    Line = tuple[str, ...]

__all__ = [
    "CPU_HEAD",
    "GPU_HEAD",
    "JETSON_HEAD",
    "PLATEAU_HEAD",
    "cpu_lines",
    "gpu_lines",
    "jetson_lines",
    "plateau_lines",
]

JETSON_HEAD = ("AGX Orin at", "dtype", *(f"{model} ms" for model in MODELS), "mean error %")
PLATEAU_HEAD = ("tokens", "read ms", "predicted ms", "error %", "without rotary ms")
CPU_HEAD = ("CPU", "models", "of width held out", "by family")
GPU_HEAD = ("profile", "models", "mean error %")

_ROTARY, _PLAIN = "jetson-orin-nano-rotary", "jetson-orin-nano"


def jetson_lines(folder: Path, talk: Talk) -> Iterator[Line]:
    """All segments of a model, summed: read, and by a fit to the other two models."""
    readings = read(folder)
    for mode in MODES.values():
        talk(f"AGX Orin at {mode.name}")
        found = held_out_segments(readings, mode)
        for dtype in DTYPES:
            sums = totals(found, dtype).values()
            errors = [abs(said_ns / read_ns - 1) for read_ns, said_ns in sums]
            cells = (f"{read_ns / 1e6:.1f}, {said_ns / 1e6:.1f}" for read_ns, said_ns in sums)
            yield (mode.name, dtype, *cells, _percent(errors))
        whole = _percent(with_harness(readings, mode, found))
        yield (mode.name, "totals of the source, its harness put back", "", "", "", whole)


def _percent(errors: list[float]) -> str:
    return f"{100 * np.mean(errors):.1f}"


def plateau_lines(folder: Path) -> Iterator[Line]:
    """V-JEPA 2's ViT-L on an Orin Nano by the shipped profiles, at the counts read."""
    rotary, plain = read_profile(_ROTARY), read_profile(_PLAIN)
    for row in vjepa_rows(folder):
        workload = replace(VJEPA, tokens=row.workload.tokens)
        said_ns, bare_ns = (
            float(profile.table(workload).dense_ns) for profile in (rotary, plain)
        )
        yield (
            str(workload.tokens),
            f"{row.latency_ns / 1e6:.0f}",
            f"{said_ns / 1e6:.0f}",
            f"{100 * (said_ns / row.latency_ns - 1):+.1f}",
            f"{bare_ns / 1e6:.0f}",
        )


def cpu_lines(folder: Path, talk: Talk) -> Iterator[Line]:
    """Models of timm on two CPUs, all of one width predicted from those of the others."""
    for cpu in CPUS:
        talk(cpu.name)
        rows, _ = read_models(folder / "whole_models" / cpu.file)
        errors = held_out(cpu, rows)
        families = np.array([row.family for row in rows])
        by_family = (
            f"{family} {100 * np.abs(errors[families == family]).mean():.1f}"
            for family in np.unique(families)
        )
        said = cell(1.0 + errors, np.ones(len(errors)))
        yield (cpu.name, str(len(rows)), said, ", ".join(by_family))


def gpu_lines(folder: Path) -> Iterator[Line]:
    """Models of timm in amp by shipped profiles, which no whole model was fitted to."""
    for name in sorted(RECIPES.keys() & set(shipped_profiles())):
        if RECIPES[name].models:
            figure = whole_models(
                read_profile(name),
                folder / "whole_models" / RECIPES[name].models,
                dtype="fp16",
                attention="fused",
                what="whole models",
            )
            yield (name, str(figure.rows), f"{figure.mean_percent:.1f}")
