"""Which number format a command means when none is named."""

from __future__ import annotations

import click

from latmodel.profile import DeviceProfile

__all__ = ["chosen_dtype", "say_dtype"]


def chosen_dtype(profile: DeviceProfile, dtype: str | None) -> str:
    """The format asked for, else the profile's default, which is said unless it is fp32."""
    if dtype is None:
        say_dtype(profile.name, profile.default_dtype)
    return profile.default_dtype if dtype is None else dtype


def say_dtype(profile: str, dtype: str) -> None:
    """Say on stderr that a profile's default is not what most models are in."""
    if dtype != "fp32":
        click.echo(f"dtype {dtype}: profile {profile!r} does not know fp32", err=True)
