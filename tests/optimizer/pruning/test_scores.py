"""The scores against loops that follow their definitions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from optimizer.pruning.attended import Attended
from optimizer.pruning.scores import SCORES, random_order

from . import reference

SCALE = 0.4  # not head_dim**-0.5, so that a score that ignores it is seen


def heads(batch: int = 3, *, tokens: int = 7, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    q, k, v = torch.randn(3, batch, 2, tokens, 5, generator=generator)
    return q, k, v


def score_of(name: str, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return SCORES[name](Attended(None, q, k, v, SCALE))


@pytest.mark.parametrize("name", SCORES)
def test_score_equals_its_definition(name: str) -> None:
    """Each image's scores are what loops over heads, queries and features give."""
    q, k, v = heads()
    found = score_of(name, q, k, v)
    for image in range(3):
        wanted = reference.SCORES[name](q[image], k[image], v[image], SCALE)
        torch.testing.assert_close(found[image], torch.tensor(wanted))


@pytest.mark.parametrize("name", SCORES)
def test_score_of_an_image_ignores_its_batch(name: str) -> None:
    """An image beside others scores as it does alone."""
    q, k, v = heads()
    together = score_of(name, q, k, v)
    alone = score_of(name, q[1:2], k[1:2], v[1:2])
    torch.testing.assert_close(together[1:2], alone)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_score_computes_in_float32(name: str, dtype: torch.dtype) -> None:
    """Half-precision inputs give the float32 scores of the same numbers."""
    q, k, v = (part.to(dtype) for part in heads())
    found = score_of(name, q, k, v)
    assert found.dtype == torch.float32
    assert torch.equal(found, score_of(name, q.float(), k.float(), v.float()))


def test_class_attention_reads_only_the_first_query() -> None:
    """The other queries may be anything."""
    q, k, v = heads()
    other = q.clone()
    other[:, :, 1:] = float("nan")
    assert torch.equal(score_of("cls", q, k, v), score_of("cls", other, k, v))


def test_random_order_is_fixed_per_block_and_seed() -> None:
    """Same block and seed, same order; another of either, another order."""
    order = random_order(50, block=3)
    assert torch.equal(order, random_order(50, block=3))
    assert not torch.equal(order, random_order(50, block=4))
    assert not torch.equal(order, random_order(50, block=3, seed=1))


def test_random_order_leaves_the_global_generator_alone() -> None:
    """It neither reads nor moves it."""
    before = torch.get_rng_state()
    random_order(50, block=3)
    assert torch.equal(before, torch.get_rng_state())
