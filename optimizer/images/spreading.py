"""The processes that `torchrun` started: who this one is, and what all of them found."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from latmodel.errors import LatmodelError
from optimizer.errors import OptimizerError, WorldError

__all__ = ["World", "find_world", "share"]

_Found = TypeVar("_Found")

_PATIENCE = timedelta(days=1)
"""How long one process waits for another: a slow one is no error, and `torchrun` ends all
where one dies."""


@dataclass(frozen=True, slots=True)
class World:
    """The processes that share the work.

    Attributes:
        rank: this one's number, from 0.
        size: how many there are.
        local_rank: this one's number on its own machine, which chooses its GPU.

    Raises:
        WorldError: a number is out of range.

    >>> [World(rank, 3).mine(7) for rank in range(3)]
    [False, True, False]
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.size or self.local_rank < 0:
            raise WorldError(
                f"rank is {self.rank} of {self.size}, local_rank {self.local_rank}: a rank "
                "must be from 0 to one less than the number of processes"
            )

    @property
    def first(self) -> bool:
        """Whether this is the one that prints and writes."""
        return self.rank == 0

    def mine(self, batch: int) -> bool:
        """Whether a batch is for this process: whole batches are dealt out in turn."""
        return batch % self.size == self.rank


def find_world(environ: Mapping[str, str] | None = None) -> World:
    """The processes of `torchrun`, as it tells each; one alone without it.

    Args:
        environ: where it tells; by default this process's environment.

    Raises:
        WorldError: RANK, WORLD_SIZE or LOCAL_RANK is no number, or several processes have
            no address to meet at.

    >>> find_world({})
    World(rank=0, size=1, local_rank=0)
    """
    told = os.environ if environ is None else environ
    if "RANK" not in told or "WORLD_SIZE" not in told:
        return World()
    size = _number(told, "WORLD_SIZE")
    if size == 1:
        return World()
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        if name not in told:
            raise WorldError(
                f"WORLD_SIZE is {size}, and {name} is not set: start with torchrun, which sets "
                "both, or unset WORLD_SIZE"
            )
    return World(_number(told, "RANK"), size, _number(told, "LOCAL_RANK"))


def _number(told: Mapping[str, str], name: str) -> int:
    text = told.get(name, "0")
    if not text.isdecimal():
        raise WorldError(f"{name} is {text!r}: must be a whole number, as torchrun sets it")
    return int(text)


def share(world: World, work: Callable[[], _Found]) -> tuple[_Found, ...]:
    """What each process found, on every process, in order of rank.

    All must call it. Where the work of one ends in an error of this project, all raise it:
    none waits for ever, and the first can tell. Alone, it starts and imports nothing.

    Args:
        world: of this process.
        work: this one's part; its result must be picklable.

    Raises:
        LatmodelError, OptimizerError: of the lowest rank that has one.

    >>> share(World(), lambda: 7)
    (7,)
    """
    if world.size == 1:
        return (work(),)
    # Before the work, so that processes that cannot meet find out first.
    distributed = _meet(world)
    found: Any = None
    error: Exception | None = None
    try:
        found = work()
    except (LatmodelError, OptimizerError) as caught:
        error = caught
    everyone: list[Any] = [None] * world.size
    distributed.all_gather_object(everyone, (found, error))
    for _, raised in everyone:
        if raised is not None:
            raise raised
    return tuple(one for one, _ in everyone)


def _meet(world: World) -> Any:
    """Start the process group, unless it has been, and check who is who."""
    import torch  # noqa: PLC0415 (only for several processes)
    from torch import distributed  # noqa: PLC0415

    if not distributed.is_available():
        raise WorldError(
            "this torch has no torch.distributed: run one process, without torchrun"
        )
    if not distributed.is_initialized():
        # What is shared lies in memory, so gloo carries it; nccl is for tensors on GPUs.
        cuda = torch.cuda.is_available() and distributed.is_nccl_available()
        backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
        distributed.init_process_group(
            backend, rank=world.rank, world_size=world.size, timeout=_PATIENCE
        )
        atexit.register(_part)
    found = (distributed.get_rank(), distributed.get_world_size())
    if found != (world.rank, world.size):
        raise WorldError(
            f"world is rank {world.rank} of {world.size}, and the process group that runs is "
            f"rank {found[0]} of {found[1]}: give the same"
        )
    return distributed


def _part() -> None:
    from torch import distributed  # noqa: PLC0415 (as above)

    if distributed.is_initialized():
        distributed.destroy_process_group()
