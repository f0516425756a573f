"""A cut keeps nothing of a forward pass: threads may share it, backward may repeat it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from optimizer.plan import SCORES as NAMES
from optimizer.pruning import apply, trace

from .tiny import images, logits, losing, tiny


def test_two_threads_may_run_and_trace_one_model() -> None:
    """Each gets what it gets alone."""
    model = apply(tiny(), losing(tiny(), 2, 5, 0, 4))
    batches = [images(seed=seed) for seed in range(4)]
    alone = [(logits(model, batch), trace(model, batch)) for batch in batches]

    def work(turn: int) -> bool:
        batch, (answer, positions) = batches[turn % 4], alone[turn % 4]
        found = trace(model, batch)
        same = all(torch.equal(a, b) for a, b in zip(found, positions, strict=True))
        return same and torch.allclose(logits(model, batch), answer, rtol=1e-5, atol=1e-5)

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(work, range(40)))


def gradients(model: Any, batch: Tensor) -> list[Tensor]:
    model.zero_grad()
    model(batch).square().sum().backward()
    return [parameter.grad.clone() for parameter in model.parameters()]


# timm before 1.0.16 leaves the choice to torch, which then warns.
@pytest.mark.filterwarnings("ignore:torch.utils.checkpoint.*use_reentrant:UserWarning")
@pytest.mark.parametrize("score", NAMES)
@pytest.mark.parametrize("form", ["deit3", "siglip"])
def test_checkpointing_gives_the_same_gradients(form: str, score: str) -> None:
    """Running a block again in backward cuts the same tokens."""
    model = tiny(form).train()
    apply(model, losing(model, 2, 5, 0, 4), score)
    plain = gradients(model, images())
    model.set_grad_checkpointing()
    for found, wanted in zip(gradients(model, images()), plain, strict=True):
        torch.testing.assert_close(found, wanted)
