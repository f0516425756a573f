"""Cut timm vision transformers to exact token counts, without training.

`apply` makes a model run at the counts of a `Schedule`, `undo` takes that back, and
`trace` says which patches remain after each block. `optimizer.pruning.state.applied` reads
what a model carries.
"""

from __future__ import annotations

from optimizer.pruning.patching import apply, undo
from optimizer.pruning.tracing import trace

__all__ = ["apply", "trace", "undo"]
