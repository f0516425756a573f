"""Cut models compile as one graph and export, for any batch; see also `test_exported`."""

from __future__ import annotations

import pytest
import torch

from optimizer.pruning import apply

from .tiny import images, logits, losing, tiny

EVERY_SCORE = [
    ("dinov2-registers", "pomt", "average"),
    ("siglip", "cls", "drop"),
    ("distilled", "value-norm", "average"),
    ("vit", "random", "drop"),
]


@pytest.mark.parametrize(("form", "score", "dropped"), EVERY_SCORE)
def test_compiles_as_one_graph(form: str, score: str, dropped: str) -> None:
    """No graph break, no batch size built in, and the same logits."""
    torch.compiler.reset()
    model = tiny(form, depth=2)
    apply(model, losing(model, 5, 4), score, dropped)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    batch = images(2)
    torch._dynamo.mark_dynamic(batch, 0)  # an error if the graph fixes it
    for count in (2, 3):
        again = batch if count == 2 else images(count)
        torch.testing.assert_close(logits(compiled, again), logits(model, again))


@pytest.mark.parametrize(("form", "score", "dropped"), EVERY_SCORE)
def test_exports_with_any_batch(form: str, score: str, dropped: str) -> None:
    """Exported once at one batch, it answers at another, without further inputs."""
    model = tiny(form, depth=2)
    apply(model, losing(model, 5, 4), score, dropped)
    batch = torch.export.Dim("batch")
    program = torch.export.export(model, (images(2),), dynamic_shapes=({0: batch},))
    for count in (1, 5):
        found = program.module()(images(count))
        torch.testing.assert_close(found, logits(model, images(count)))


def test_zero_kept_patches_export() -> None:
    """Without a prefix the averaged token stands alone."""
    model = tiny("no-prefix", depth=2)
    apply(model, losing(model, 0, 15))
    program = torch.export.export(model, (images(2),))
    torch.testing.assert_close(program.module()(images(2)), logits(model, images(2)))
