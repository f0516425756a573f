"""The command `latmodel`: one file per verb."""

from __future__ import annotations

import click

from latmodel.cli.calibrate import calibrate
from latmodel.cli.fit_operators import fit_operators_
from latmodel.cli.import_ import import_
from latmodel.cli.plan import plan
from latmodel.cli.plot import plot
from latmodel.cli.predict import predict
from latmodel.cli.probe import probe
from latmodel.cli.profiles import profiles
from latmodel.cli.running import run

__all__ = ["main"]


@click.group(
    invoke_without_command=True,
    epilog="Example: latmodel probe --model deit_small_patch16_224 --out here.yaml",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="token-budget")
@click.pass_context
def latmodel(ctx: click.Context, /) -> None:
    """Measure devices and predict the latency of vision transformers on them."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


for command in (calibrate, fit_operators_, import_, plan, plot, predict, probe, profiles):
    latmodel.add_command(command)


def main() -> None:
    """Run the command; errors end in one line and a status."""
    run(latmodel)
