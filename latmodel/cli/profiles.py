"""`latmodel profiles`: which devices ship, and how well each is known."""

from __future__ import annotations

import click

from latmodel.catalogue import read_profile, shipped_profiles

__all__ = ["profiles"]


@click.command(epilog="Example: latmodel profiles")
def profiles() -> None:
    """List the shipped device profiles, and how well each is known."""
    for name in shipped_profiles():
        profile = read_profile(name)
        click.echo(f"{name:<16} {profile.confidence:<7} {profile.device}")
        for figure in profile.errors:
            click.echo(
                f"{'':<24} error {figure.mean_percent:.1f} % on {figure.what} "
                f"({figure.rows} rows)"
            )
