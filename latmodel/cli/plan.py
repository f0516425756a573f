"""`latmodel plan`: what to measure on a board that runs no Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from latmodel.errors import ProfileError
from latmodel.files import require_target, write_text
from latmodel.readings import Readings, read_readings
from latmodel.rounds import next_rows
from latmodel.tool_scripts import TOOLS, measure_script, onnx_name
from latmodel.workload import DTYPES, Workload
from latmodel.workloads import find_workload

__all__ = ["plan"]

_RESULTS, _SCRIPT = "results.csv", "measure.sh"


@click.command(
    epilog="Example: latmodel plan --model deit_small_patch16_224 --out board "
    "--onnx --tool trtexec"
)
@click.option("--model", required=True, help="timm's name.")
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--dtype", type=click.Choice(DTYPES), default="fp32", show_default=True)
@click.option("--max-probes", type=click.IntRange(min=2), default=24, show_default=True)
@click.option(
    "--round-size",
    type=click.IntRange(min=1),
    default=6,
    show_default=True,
    help="Counts of each part in each later round.",
)
@click.option(
    "--from",
    "measured",
    type=click.Path(path_type=Path),
    help="Results so far; without, the first round is written.",
)
@click.option("--onnx", is_flag=True, help="Write an ONNX file for each row.")
@click.option("--tool", type=click.Choice(TOOLS), help="And a script that times them so.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="A folder; made if needed."
)
def plan(
    model: str,
    batch: int,
    dtype: str,
    max_probes: int,
    round_size: int,
    measured: Path | None,
    onnx: bool,
    tool: str | None,
    out: Path,
) -> None:
    """Plan what to measure on a board that runs no Python.

    OUT/results.csv gets a row for each part and count: block (one), mlp (half of one), cut
    (from all tokens to so many), ends (embedding, last norm and head), model (the whole, as a
    check). Fill in its latency in ms, then call again with --from OUT/results.csv.
    """
    if tool is not None and not onnx:
        raise click.UsageError("--tool writes a script that times ONNX files: give --onnx too")
    workload = find_workload(model, batch=batch, dtype=dtype)
    readings = _read(measured, workload.tokens)
    rows = next_rows(workload.tokens, readings, max_probes=max_probes, round_size=round_size)
    if not rows:
        click.echo(
            f"done: all is measured; now run: latmodel import {measured} --model {model} "
            f"--batch {batch} --dtype {dtype} --device-name NAME --out here.yaml"
        )
        return
    results = _require_results(out, measured)
    if onnx:
        _export(out, model, workload, rows)
    if tool is not None:
        what = f"{model} at batch {batch} in {dtype}"
        write_text(out / _SCRIPT, measure_script(rows, tool=tool, dtype=dtype, what=what))
    write_text(results, readings.asking(rows).to_csv())
    done = f"run sh {_SCRIPT} there on the board" if tool else "fill in their latency"
    click.echo(
        f"{results}: {len(rows)} rows to measure; {done}, then call again with --from {results}"
    )


def _read(measured: Path | None, full: int) -> Readings:
    if measured is None:
        return Readings(())
    readings = read_readings(measured, full=full)
    if readings.pending:
        click.echo(
            f"{measured}: {len(readings.pending)} rows have no latency yet; skipped", err=True
        )
    return readings


def _require_results(out: Path, measured: Path | None) -> Path:
    """The results file's place, refused where results stand that this call has not read."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProfileError(f"{out}: cannot write: {error.strerror or error}") from None
    results = out / _RESULTS
    require_target(results)
    if results.exists() and not (measured is not None and results.samefile(measured)):
        raise ProfileError(
            f"{results} is there already: go on with --from {results}, or name another folder"
        )
    return results


def _export(out: Path, model: str, workload: Workload, rows: Sequence[tuple[str, int]]) -> None:
    """An ONNX file for each row."""
    talk = Console(stderr=True)
    with talk.status("building the model"):
        # Seconds of imports, so only where files are asked for.
        from latmodel.runtimes.exporting import PartExporter  # noqa: PLC0415

        exporter = PartExporter(model, batch=workload.batch, dtype=workload.dtype)
    for part, count in track(rows, "writing ONNX files", console=talk, transient=True):
        exporter.write(part, count, out / onnx_name(part, count))
