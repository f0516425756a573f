"""What every script of a profile does at its end: print the errors, write the files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from jetson_readings import data_folder

from latmodel.files import write_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from latmodel.profile import DeviceProfile

__all__ = ["run", "write"]


def write(profiles: Iterable[DeviceProfile], out: str | None) -> None:
    """Print how wrong each profile says it is, and write it to the folder, if there is one."""
    for profile in profiles:
        print(f"\n{profile.name}: {profile.device}")
        for figure in profile.errors:
            print(f"  {figure.mean_percent:5.1f} %, rows {figure.rows:3}: {figure.what}")
        if out is not None:
            write_yaml(Path(out) / f"{profile.name}.yaml", profile.to_dict())


def run(profiles: Callable[[Path], Iterable[DeviceProfile]], about: str) -> None:
    """The command line of a script that makes profiles."""
    parser = argparse.ArgumentParser(description=about.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", help="folder to write the profiles to; default: report only")
    write(profiles(data_folder()), parser.parse_args().out)
