"""Cut models in reduced precision, in another memory layout and in replicas."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import nn

from optimizer.pruning import apply, undo
from optimizer.schedule import Schedule

from .exported import CANNOT, FAMILIES, cut
from .small import executed
from .tiny import anatomy, images, logits

each_family = pytest.mark.parametrize("name", [*FAMILIES, *(name for name, _ in CANNOT)])


# torch's, once, of a norm whose weight autocast leaves in float32.
@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight:UserWarning")
@each_family
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_cuts_to_the_same_counts(name: str, dtype: torch.dtype) -> None:
    """Planned counts, finite answers; bit for bit the uncut model's where nothing goes."""
    model, batch = cut(name)
    schedule = model.pruning.schedule
    with torch.autocast("cpu", dtype):
        counts, _ = executed(model, batch)
        answer = logits(model, batch)
        uncut = logits(undo(model), batch)
        full = Schedule((schedule.full,) * schedule.depth, schedule.full, schedule.prefix)
        kept = logits(apply(model, full), batch)
    assert counts == schedule.tokens
    assert answer.isfinite().all()
    assert torch.equal(kept, uncut)


@each_family
def test_channels_last_images_are_cut_alike(name: str) -> None:
    """To rounding: convolutions add in another order."""
    model, batch = cut(name)
    wanted = logits(model, batch)
    found = logits(model, batch.to(memory_format=torch.channels_last))
    assert (found - wanted).norm() < 1e-5 * wanted.norm()
    both = model.to(memory_format=torch.channels_last)
    found = logits(both, batch.to(memory_format=torch.channels_last))
    assert (found - wanted).norm() < 1e-5 * wanted.norm()


def replica_of(model: nn.Module) -> Any:
    """As `torch.nn.parallel.replicate` makes it, which itself asks for CUDA devices."""
    copies: dict[int, nn.Module] = {}
    for part in model.modules():
        copies[id(part)] = copy = part._replicate_for_data_parallel()  # type: ignore[no-untyped-call]
        for key, weight in part._parameters.items():
            if weight is None:
                copy._parameters[key] = None
            else:
                setattr(copy, key, weight.detach().clone())
        copy._buffers = {
            key: None if buffer is None else buffer.clone()
            for key, buffer in part._buffers.items()
        }
    for part in model.modules():
        for key, child in part._modules.items():
            if child is not None:
                setattr(copies[id(part)], key, copies[id(child)])
    return copies[id(model)]


@each_family
def test_replicas_in_two_threads_answer_as_the_model(name: str) -> None:
    """What DataParallel does: shallow copies with weights that are no parameters, at once."""
    model, batch = cut(name)
    parts = anatomy(model)
    batches = [batch, images(2, size=batch.shape[-1], seed=7)]
    alone = [logits(model, some) for some in batches]
    replicas = [replica_of(model) for _ in batches]
    assert all(not list(replica.parameters()) for replica in replicas)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            found = list(pool.map(logits, replicas, batches))
            for ours, wanted in zip(found, alone, strict=True):
                torch.testing.assert_close(ours, wanted)
    assert anatomy(model) == parts
