"""`latmodel predict`: the latency of a model on a device, at some token counts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from latmodel.catalogue import read_profile
from latmodel.cli.breakdown_lines import breakdown_lines
from latmodel.cli.dtypes import chosen_dtype
from latmodel.errors import LatmodelError
from latmodel.fused_attention import ATTENTIONS
from latmodel.stretches import MODES
from latmodel.workload import DTYPES
from latmodel.workloads import find_workload

if TYPE_CHECKING:
    from latmodel.breakdown import Breakdown
    from latmodel.profile import DeviceProfile
    from latmodel.table import LatencyTable
    from latmodel.workload import Workload

__all__ = ["predict"]


@click.command(epilog="Example: latmodel predict --device-profile jetson --tokens 197")
@click.option("--model", default="deit_small_patch16_224", show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--dtype", type=click.Choice(DTYPES), help="By default fp32 where it is known.")
@click.option("--device-profile", required=True, help="A file, or a shipped profile's name.")
@click.option("--tokens", type=int, multiple=True, help="Counts; by default the full one.")
@click.option("--mode", type=click.Choice(MODES), help="By default the profile's own.")
@click.option(
    "--attention",
    type=click.Choice(ATTENTIONS),
    help="Fused by default where read, or in 16 bits.",
)
@click.option("--by-operator", is_flag=True, help="Tell operators apart at several counts too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def predict(
    model: str,
    batch: int,
    dtype: str | None,
    device_profile: str,
    tokens: tuple[int, ...],
    mode: str | None,
    attention: str | None,
    by_operator: bool,
    as_json: bool,
) -> None:
    """Predict the latency of a model that is cut in its first block.

    A single count is told by operator, unless a curve that was measured answers.
    """
    profile = read_profile(device_profile)
    workload = find_workload(model, batch=batch, dtype=chosen_dtype(profile, dtype))
    counts = tokens or (workload.tokens,)
    for count in counts:
        if not 1 <= count <= workload.tokens:
            raise LatmodelError(
                f"--tokens is {count}: {workload.model} runs 1 to {workload.tokens}"
            )
    asked = mode is not None or attention is not None or by_operator
    composed = asked or profile.measured(workload) is None
    if by_operator and mode is None and profile.operators is not None:
        mode = profile.operators.mode  # so that operators answer for the sum as well
    table = profile.table(workload, mode=mode, attention=attention)
    found: dict[int, Breakdown] = {}
    if by_operator or (composed and len(counts) == 1):
        for count in dict.fromkeys(counts):
            found[count] = profile.breakdown(workload, count, mode=mode, attention=attention)
    warnings = (*profile.warnings, *_warnings(table, found))
    if as_json:
        _print_json(profile, workload, table, counts, found, warnings)
    else:
        _print(table, counts, found)
    click.echo(f"{profile.device}; {table.origin}; confidence {profile.confidence}", err=True)
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)


def _warnings(table: LatencyTable, found: dict[int, Breakdown]) -> tuple[str, ...]:
    """The table's; where rows tell themselves what they are outside of, those without it."""
    return next(iter(found.values())).warnings if found else table.warnings


def _latency(table: LatencyTable, count: int) -> tuple[int, float]:
    schedule = (count,) * table.depth
    return table.latency_ns(schedule), table.relative_error_of(schedule)


def _print(table: LatencyTable, counts: tuple[int, ...], found: dict[int, Breakdown]) -> None:
    for number, count in enumerate(counts):
        latency_ns, spread = _latency(table, count)
        if number and found:
            click.echo()
        click.echo(f"{count:5d} tokens  {latency_ns / 1e6:10.3f} ms  +- {spread:.1%}")
        if count in found:
            for line in breakdown_lines(found[count]):
                click.echo(line)


def _print_json(
    profile: DeviceProfile,
    workload: Workload,
    table: LatencyTable,
    counts: tuple[int, ...],
    found: dict[int, Breakdown],
    warnings: tuple[str, ...],
) -> None:
    predictions = []
    for count in counts:
        latency_ns, spread = _latency(table, count)
        values: dict[str, object] = {
            "tokens": count,
            "latency_ms": latency_ns / 1e6,
            "relative_error": spread,
        }
        if count in found:
            values["mode"] = found[count].mode
            values["operators"] = [row.to_dict() for row in found[count].rows]
        predictions.append(values)
    answer = {
        "model": workload.model,
        "batch": workload.batch,
        "dtype": workload.dtype,
        "profile": profile.name,
        "device": profile.device,
        "confidence": profile.confidence,
        "origin": table.origin,
        "predictions": predictions,
        "warnings": list(warnings),
    }
    click.echo(json.dumps(answer, indent=2))
