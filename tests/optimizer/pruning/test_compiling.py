"""Cut models compile as one graph and export, for any batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from optimizer.pruning import apply

from .small import losing as small_losing
from .small import size_of, small
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


@pytest.mark.parametrize(
    ("name", "dropped"),
    [
        ("vit_small_patch16_rope_mixed_ape_224", "average"),
        ("beit_base_patch16_224", "average"),
        ("cait_xxs24_224", "merge"),
        ("naflexvit_base_patch16_map", "merge"),
        ("qwen3_vit_88m_merge", "drop"),
        ("gemma4_vit_167m", "average"),
    ],
)
def test_what_goes_with_the_tokens_exports(name: str, dropped: str) -> None:
    """Rotations, biases, merging and a dense grid: gathers and products, no scatter."""
    model, batch = small(name), images(2, size=size_of(name))
    apply(model, small_losing(model, batch, 3, 5, 0), "cls", dropped)
    program = torch.export.export(model, (batch,))
    torch.testing.assert_close(program.module()(batch), logits(model, batch))
    assert not [node for node in program.graph.nodes if "scatter" in str(node.target)]


@pytest.mark.parametrize("name", ["beit_base_patch16_224", "vit_srelpos_small_patch16_224"])
def test_biases_export_with_any_batch(name: str) -> None:
    """How many images there are is built into no gather of theirs."""
    model, batch = small(name), images(2, size=size_of(name))
    apply(model, small_losing(model, batch, 3, 5, 0), "cls", "average")
    dim = torch.export.Dim("batch")
    program = torch.export.export(model, (batch,), dynamic_shapes=({0: dim},))
    more = images(3, size=size_of(name))
    torch.testing.assert_close(program.module()(more), logits(model, more))


# Newer torch warns that it prefers its other ways.
@pytest.mark.filterwarnings(
    "ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)
@pytest.mark.parametrize("name", ["vit_small_patch16_dinov3", "qwen3_vit_88m_enc"])
def test_a_traced_model_answers_for_other_images(name: str) -> None:
    """No index of the example is built in."""
    model, batch = small(name), images(2, size=size_of(name))
    apply(model, small_losing(model, batch, 3, 5, 0), "cls", "average")
    with torch.no_grad():
        jit: Any = torch.jit
        traced = jit.trace(model, batch, check_trace=False)
    other = images(2, size=size_of(name), seed=5)
    torch.testing.assert_close(logits(traced, other), logits(model, other))
