"""The groups of options, one line each, in the order in which they are listed and act."""

from __future__ import annotations

from optimizer.cli.groups.choice import CHOICE
from optimizer.cli.groups.constraints import CONSTRAINTS
from optimizer.cli.groups.cutting import CUTTING
from optimizer.cli.groups.evaluating import EVALUATING
from optimizer.cli.groups.exporting import EXPORTING
from optimizer.cli.groups.fidelity import FIDELITY
from optimizer.cli.groups.fleet import FLEET
from optimizer.cli.groups.frontier import FRONTIER
from optimizer.cli.groups.images import IMAGES
from optimizer.cli.groups.output import OUTPUT
from optimizer.cli.groups.picture import PICTURE
from optimizer.cli.groups.question import QUESTION
from optimizer.cli.groups.robust import ROBUST
from optimizer.cli.groups.running import RUNNING
from optimizer.cli.groups.weights import WEIGHTS

__all__ = ["GROUPS"]

GROUPS = (
    QUESTION,
    ROBUST,
    FLEET,
    CONSTRAINTS,
    CUTTING,
    FIDELITY,
    FRONTIER,
    CHOICE,
    RUNNING,
    EVALUATING,
    IMAGES,
    WEIGHTS,
    EXPORTING,
    PICTURE,
    OUTPUT,
)
