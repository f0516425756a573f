"""Make every shipped profile of an edge device again from the public readings.

    python benchmarks/fit_edge.py --out data

Each script can be run alone; this one runs them all, in about a minute.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import fit_cpus
import fit_jetson
import fit_older_jetsons
import fit_orin
import fit_raspberry
from edge_writing import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from latmodel.profile import DeviceProfile

_SCRIPTS = (fit_jetson, fit_orin, fit_older_jetsons, fit_raspberry, fit_cpus)


def profiles(folder: Path) -> Iterator[DeviceProfile]:
    """The profiles of all scripts, in their order."""
    return chain.from_iterable(script.profiles(folder) for script in _SCRIPTS)


if __name__ == "__main__":
    run(profiles, __doc__)
