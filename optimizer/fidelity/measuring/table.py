"""Measure a damage table: every block alone, at a few counts, over a few images."""

from __future__ import annotations

import math
from contextlib import closing
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from latmodel.architectures import describe
from optimizer.errors import DamageError
from optimizer.fidelity.damage import BlockDamage, DamageTable
from optimizer.fidelity.journal import DamageJournal, journal_of
from optimizer.fidelity.measuring.batches import images_for, require_several
from optimizer.fidelity.measuring.digests import (
    digest_of_images,
    digest_of_weights,
    digests_by_image,
)
from optimizer.fidelity.measuring.divergence import divergence_name, divergences
from optimizer.fidelity.measuring.tails import Tails
from optimizer.images.spreading import World, share
from optimizer.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from latmodel.workload import Workload
    from optimizer.fidelity.measuring.tails import Dense
    from optimizer.images.loading import Images

__all__ = ["counts_to_measure", "is_of", "measure_damage"]

_SHARES = (0.05, 0.2, 0.4, 0.6, 0.8)
"""Of the patches; with a single one and none dropped, seven points of a smooth curve."""

_NOTHING = 1e-5
"""Damage below which a cut to more tokens is not run, but taken for no less harmless. A
divergence of 1e-5 nats moves no probability by over 0.003 (Pinsker's inequality)."""

_Damage = dict[tuple[int, int], list[float]]


def counts_to_measure(workload: Workload) -> tuple[tuple[int, ...], ...]:
    """The counts at which each block is measured, ascending; shape (depth,) of them.

    From a single patch on, so that nothing is extrapolated. Where the head reads nothing but
    the prefix, that alone may leave the last block, and begins its row: there it shows that
    this cut loses nothing, and with it that no larger count does.
    """
    least = workload.prefix + 1
    inner = {workload.prefix + round(share * workload.patches) for share in _SHARES}
    counts = tuple(sorted({least, *(n for n in inner if least < n < workload.tokens)}))
    last = (workload.prefix, *counts) if workload.prefix_head else counts
    return (*(counts,) * (workload.depth - 1), last)


def measure_damage(
    model: nn.Module,
    images: Images | Iterable[Any],
    *,
    score: str = "pomt",
    dropped: str = "average",
    proportional: bool = False,
    counts: Sequence[Sequence[int]] | None = None,
    journal: Path | None = None,
    world: World | None = None,
    on_images: Callable[[float], object] = lambda _: None,
) -> DamageTable:
    """Measure what cutting costs at the output, for each block alone, over unlabelled images.

    Each batch runs once uncut, and what enters every block is kept; a cut of block i then
    runs the model from block i on. That of a 12-block model takes some 17 times the
    arithmetic of one uncut pass over the images. The model is not changed.

    Args:
        model: a plain timm vision transformer with the weights that matter.
        images: from `optimizer.images.loading.load_images`; or batches of them, (batch,
            channels, height, width), as the model takes them, or pairs whose first part is
            that, as a DataLoader gives. How they are batched changes nothing beyond
            rounding, and their order nothing.
        score: as in `optimizer.pruning.apply`, by name.
        dropped: likewise.
        proportional: likewise.
        counts: for each block the counts to measure; by default `counts_to_measure`.
        journal: a file that takes every reading at once. If it is there, its readings are
            used; it must be of the same model, images and batches. It stays: remove it when
            the table is written. Each process but the first has its own, with its rank
            behind the name.
        world: the processes that share the images, all of which must call; by default one
            alone. The table is the same.
        on_images: called after each block of each batch of this process, with how many
            images that comes to: a part of the batch's, for a progress bar.

    Raises:
        DamageError: the model carries a schedule, gives no one answer for each image, or
            answers what is not finite; there are fewer than two images; or the journal is
            of something else.
        UnsupportedModelError, ScheduleError: the model cannot be cut so.
        WorkloadError: it is no plain vision transformer.
    """
    workload = describe(model)
    chosen = counts_to_measure(workload) if counts is None else tuple(map(tuple, counts))
    values: dict[str, Any] = {
        "model": workload.model,
        "divergence": divergence_name(model),
        "score": score,
        "dropped": dropped,
        "proportional": proportional,
        "full": workload.tokens,
        "prefix": workload.prefix,
        "weights": digest_of_weights(model),
    }
    tails = Tails(model, score=score, dropped=dropped, proportional=proportional)
    place = world or World()

    def work() -> tuple[_Damage, list[str]]:
        found: _Damage = {(i, n): [] for i, row in enumerate(chosen) for n in row}
        seen: list[str] = []
        with closing(_journal(journal, place, values | {"counts": chosen})) as written:
            for batch in images_for(model, images, place):
                one = _Batch(tails, batch, workload, values["divergence"])
                seen += one.digests
                for block, row in enumerate(chosen):
                    for count, damage in zip(row, one.damage(block, row, written), strict=True):
                        found[block, count] += damage
                    on_images(len(batch) / len(chosen))
        return found, seen

    parts = share(place, work)
    seen = [digest for _, digests in parts for digest in digests]
    require_several(len(seen))
    return DamageTable(
        **values,
        images=len(seen),
        pictures=digest_of_images(seen),
        blocks=tuple(
            _block(row, [[d for found, _ in parts for d in found[block, n]] for n in row])
            for block, row in enumerate(chosen)
        ),
    )


def is_of(
    table: DamageTable,
    model: nn.Module,
    images: Images | Iterable[Any],
    *,
    world: World | None = None,
) -> bool:
    """Whether a table was measured of just these weights and images, which are read only."""
    place = world or World()

    def work() -> list[str]:
        return [
            d for batch in images_for(model, images, place) for d in digests_by_image(batch)
        ]

    seen = [digest for part in share(place, work) for digest in part]
    measured = table.weights, table.pictures
    return measured == (digest_of_weights(model), digest_of_images(seen))


def _journal(
    path: Path | None, world: World, session: dict[str, Any]
) -> DamageJournal | _Unwritten:
    if path is None:
        return _Unwritten()
    return DamageJournal(journal_of(path, world), session)


class _Unwritten:
    """Stands for the journal where there is none."""

    def recorded(self, _batch: str, _block: int, _count: int) -> tuple[float, ...] | None:
        return None

    def append(self, *_reading: object) -> None:
        pass

    def close(self) -> None:
        pass


class _Batch:
    """One batch of images; its uncut pass is run once something is asked that needs it."""

    def __init__(self, tails: Tails, images: Tensor, workload: Workload, name: str) -> None:
        self._tails, self._images, self._name = tails, images, name
        self._workload = workload
        self._dense: Dense | None = None
        self.digests = digests_by_image(images)
        self._digest = digest_of_images(self.digests)

    def damage(
        self, block: int, counts: Sequence[int], written: DamageJournal | _Unwritten
    ) -> list[tuple[float, ...]]:
        """The damage of each image, by count ascending."""
        every: list[tuple[float, ...]] = []
        before = (math.inf,) * len(self.digests)
        for count in counts:
            damage = before
            if max(before) > _NOTHING:
                found = written.recorded(self._digest, block, count)
                if found is None or len(found) != len(self.digests):
                    found = self._measured(block, count)
                    written.append(self._digest, block, count, found)
                # Image by image, so that none depends on those it shares a batch with.
                pairs = zip(before, found, strict=True)
                damage = tuple(less if less <= _NOTHING else now for less, now in pairs)
            every.append(damage)
            before = damage
        return every

    def _measured(self, block: int, count: int) -> tuple[float, ...]:
        if self._dense is None:
            self._dense = self._tails.dense(self._images)
        work = self._workload
        behind = work.depth - block - 1
        tokens = [*(work.tokens,) * block, count, *(count,) * behind]
        if work.prefix_head and behind:
            tokens[-1] = work.prefix  # the lossless last cut: a shorter run, the same answer
        schedule = Schedule(tuple(tokens), full=work.tokens, prefix=work.prefix)
        answers = self._tails.cut(self._dense, schedule)
        damage = divergences(self._dense.answers, answers, name=self._name)
        if not all(map(math.isfinite, damage)):
            raise DamageError(
                f"block {block} cut to {count} tokens: the answers are not finite numbers; "
                "check the weights and the images"
            )
        return damage


def _block(counts: tuple[int, ...], damage: list[list[float]]) -> BlockDamage:
    return BlockDamage(
        counts=counts,
        damage=tuple(fmean(each) for each in damage),
        errors=tuple(stdev(each) / math.sqrt(len(each)) for each in damage),
    )
