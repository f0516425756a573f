"""The command `optimize`."""

from __future__ import annotations

from latmodel.cli.running import run
from latmodel.errors import LatmodelError
from optimizer.cli.optimize import optimize
from optimizer.errors import OptimizerError

__all__ = ["main"]


def main() -> None:
    """Run the command; errors end in one line and a status."""
    run(optimize, errors=(LatmodelError, OptimizerError))
