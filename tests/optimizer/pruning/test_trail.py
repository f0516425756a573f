"""Where tokens came from, and what goes with them, on tensors made by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from optimizer.pruning.cut import Cut
from optimizer.pruning.selecting import order_patches, shorten
from optimizer.pruning.trail import Decision, Trail
from optimizer.pruning.trunks.restoring import restore

POSITIONS = torch.tensor([[0, 2, 5], [1, 2, 3]])
MISSING = ([1, 3, 4], [0, 4, 5])


@pytest.mark.parametrize("shape", [(6, 4), (3, 6, 4), (2, 1, 6, 4), (2, 3, 6, 4)])
@pytest.mark.parametrize("averaged", [False, True])
def test_rows_follow_their_tokens(shape: tuple[int, ...], averaged: bool) -> None:
    """Each image takes its own; the averaged token takes the mean of those missing."""
    table = torch.randn(shape)
    found = Trail(POSITIONS, averaged).rows(table)
    for image in range(2):
        own = table[image] if table.ndim == 4 else table.view(-1, 6, 4)
        wanted = own[:, POSITIONS[image]]
        if averaged:
            mean = own[:, MISSING[image]].mean(dim=1, keepdim=True)
            wanted = torch.cat([wanted, mean], dim=1)
        torch.testing.assert_close(found[image], wanted)


@pytest.mark.parametrize("prefix", [0, 1, 2])
@pytest.mark.parametrize("averaged", [False, True])
def test_pairs_follow_both_tokens(prefix: int, averaged: bool) -> None:
    """The bias of an averaged token is the mean over the places it stands for."""
    table = torch.randn(1, 3, 6 + prefix, 6 + prefix)
    found = Trail(POSITIONS, averaged).pairs(table, prefix=prefix)
    for image in range(2):
        groups = [[i] for i in range(prefix)]
        groups += [[prefix + i] for i in POSITIONS[image].tolist()]
        groups += [[prefix + i for i in MISSING[image]]] * averaged
        for q, queries in enumerate(groups):
            for k, keys in enumerate(groups):
                wanted = table[0][:, queries][:, :, keys].mean(dim=(1, 2))
                torch.testing.assert_close(found[image, :, q, k], wanted)
        assert found.shape[2:] == (len(groups), len(groups))


def test_nothing_is_copied_while_nothing_is_missing() -> None:
    """Before the first cut a table is handed on as it is."""
    table = torch.randn(6, 4)
    assert Trail().rows(table) is table
    assert Trail().pairs(table, prefix=1) is table


def walk(x: Tensor, dropped: str, *after: int) -> tuple[Tensor, list[Decision], Trail]:
    """Cuts of tokens that nothing changes in between; prefix 1."""
    trail, decisions, represented = Trail(), [], 0
    for count in after:
        cut = Cut(0, x.shape[1], count, 1, represented, dropped, "cls")
        order = order_patches(torch.rand(x.shape[:2]), cut)
        x, decision = shorten(x, order, cut, keys=x, sizes=trail.sizes, fill=True)
        trail = trail.after(decision, averaged=cut.average)
        decisions.append(decision)
        represented += cut.lost if cut.average else 0
    return x, decisions, trail


def test_dropped_patches_return_to_their_places() -> None:
    """As nothing changed them, every one stands where it stood."""
    start = torch.randn(2, 12, 3)
    x, decisions, _ = walk(start, "drop", 9, 8, 4)
    assert torch.equal(restore(x, decisions, prefix=1, averaged=False), start)


def test_the_averaged_token_stands_in_every_gap() -> None:
    """And the kept ones in their places."""
    start = torch.randn(2, 12, 3)
    x, decisions, trail = walk(start, "average", 9, 8, 4)
    dense = restore(x, decisions, prefix=1, averaged=True)
    assert dense.shape == start.shape
    assert trail.positions is not None
    for image, kept in enumerate(trail.positions.tolist()):
        for place in range(11):
            wanted = start[image, 1 + place] if place in kept else x[image, -1]
            assert torch.equal(dense[image, 1 + place], wanted)


def test_merged_patches_show_what_they_went_into() -> None:
    """Each original patch counts once in the group that it shows."""
    start = torch.randn(2, 12, 3)
    x, decisions, trail = walk(start, "merge", 9, 8, 4)
    dense = restore(x, decisions, prefix=1, averaged=False)
    assert trail.sizes is not None
    assert trail.sizes.sum(dim=1).tolist() == [11.0, 11.0]
    for image in range(2):
        for token, size in zip(x[image, 1:], trail.sizes[image], strict=True):
            group = (dense[image, 1:] == token).all(dim=1)
            assert int(group.sum()) == size
            torch.testing.assert_close(start[image, 1:][group].mean(dim=0), token)
