"""`latmodel calibrate`: refine a device profile by a few operators timed on the board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from click.core import ParameterSource
from rich.console import Console

from latmodel.calibrated_profile import calibrate_profile, operators_of
from latmodel.calibrating import LEAST_PROBES
from latmodel.catalogue import read_profile, write_profile
from latmodel.cli.bar import bar
from latmodel.cli.dtypes import chosen_dtype
from latmodel.clocks import with_clocks
from latmodel.files import require_target
from latmodel.interleaving import Effort
from latmodel.operator_csv import read_operator_csv
from latmodel.operator_kinds import DIMS
from latmodel.operator_probes import choose_probes, readings_of
from latmodel.operator_timing import time_operators
from latmodel.workload import DTYPES
from latmodel.workloads import find_workload

if TYPE_CHECKING:
    from latmodel.calibrating import Calibrated
    from latmodel.profile import DeviceProfile

__all__ = ["calibrate"]

_TIMING = ("model", "batch", "device", "threads", "probes", "seconds")
"""What says how operators are timed here, and nothing where they were timed elsewhere."""


@click.command(
    epilog="Example: latmodel calibrate --device-profile jetson --probes 20 --out mine.yaml"
)
@click.option("--device-profile", required=True, help="A file, or a shipped profile's name.")
@click.option("--probes", type=click.IntRange(LEAST_PROBES), default=20, show_default=True)
@click.option("--model", default="deit_small_patch16_224", show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--dtype", type=click.Choice(DTYPES), help="By default fp32 where it is known.")
@click.option("--device", help="cpu, cuda or cuda:1; by default CUDA where there is one.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=Effort().limit_s,
    show_default=True,
    help="For the readings, at most.",
)
@click.option(
    "--readings",
    type=click.Path(path_type=Path),
    help="CSV of kind, dtype, dimensions, latency_ms; in place of timing here.",
)
@click.option("--kind", type=click.Choice(tuple(DIMS)), help="Of all rows of that file.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where to write.")
@click.pass_context
def calibrate(
    ctx: click.Context,
    /,
    device_profile: str,
    probes: int,
    model: str,
    batch: int,
    dtype: str | None,
    device: str | None,
    threads: int | None,
    seconds: float,
    readings: Path | None,
    kind: str | None,
    out: Path,
) -> None:
    """Refine a device profile by timing a few operators of a model on this board.

    Prints the mean error on those operators before and after; each is predicted by a fit that
    has not seen it.
    """
    require_target(out)
    profile = read_profile(device_profile)
    if readings is not None:
        _require_no_timing(ctx)
        new, found = _from_file(profile, readings, kind, dtype, out.stem)
    elif kind is not None:
        raise click.UsageError("--kind tells the kind of --readings: give that file too")
    else:
        new, found = _from_board(
            profile,
            model,
            probes=probes,
            batch=batch,
            dtype=chosen_dtype(profile, dtype),
            device=device,
            threads=threads,
            effort=Effort(limit_s=seconds),
            name=out.stem,
        )
    write_profile(out, new)
    for warning in new.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(_summary(out, profile, new, found))


def _require_no_timing(ctx: click.Context) -> None:
    for name in _TIMING:
        if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT:
            raise click.UsageError(
                f"--readings was given, so nothing is timed here: leave out --{name}"
            )


def _from_file(
    profile: DeviceProfile, path: Path, kind: str | None, dtype: str | None, name: str
) -> tuple[DeviceProfile, Calibrated]:
    def tell(columns: tuple[str, ...]) -> None:
        click.echo(f"{path}: columns {', '.join(columns)} are not read", err=True)

    groups = read_operator_csv(path, kind=kind, dtype=dtype, on_ignored=tell)
    rows = sum(len(group) for group in groups)
    kinds = ", ".join(dict.fromkeys(group.kind for group in groups))
    return calibrate_profile(
        profile,
        groups,
        name=name,
        source=f"latmodel calibrate --readings {path.name}",
        measured=f"{rows} readings of single operators ({kinds})",
    )


def _from_board(
    profile: DeviceProfile,
    model: str,
    *,
    probes: int,
    batch: int,
    dtype: str,
    device: str | None,
    threads: int | None,
    effort: Effort,
    name: str,
) -> tuple[DeviceProfile, Calibrated]:
    workload = find_workload(model, batch=batch, dtype=dtype)
    operators = choose_probes(operators_of(profile), workload, probes)
    talk = Console(stderr=True)
    with talk.status("loading torch"):
        # Seconds of imports, so only where something is timed.
        from latmodel.runtimes.operator_timer import OperatorTimer  # noqa: PLC0415

        timer = OperatorTimer(dtype=dtype, device=device, threads=threads)
    with bar(talk, name) as on_progress:
        measured = time_operators(timer, operators, effort=effort, on_progress=on_progress)
    latency_ns = np.array([each.centre_ns for each in measured], dtype=np.float64)
    environment = with_clocks(timer.environment())
    return calibrate_profile(
        profile,
        readings_of(operators, latency_ns, dtype=dtype),
        name=name,
        source=f"latmodel calibrate, {environment.runtime} {environment.runtime_version}",
        measured=f"{len(operators)} single operators of {model} at batch {batch} in {dtype}, "
        "each run and waited for alone",
        environment=environment,
    )


def _summary(out: Path, profile: DeviceProfile, new: DeviceProfile, found: Calibrated) -> str:
    after, before = new.errors[:2]
    how = "leave one out" if found.folds == found.shapes else f"{found.folds} folds"
    same = profile.confidence == new.confidence
    confidence = new.confidence if same else f"{profile.confidence} -> {new.confidence}"
    return (
        f"{out}: error {before.mean_percent:.1f} % -> {after.mean_percent:.1f} % "
        f"({how}, {found.shapes} probes); confidence {confidence}; {new.device}"
    )
