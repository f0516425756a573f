"""Some of many images, spread over all of them, the same each time."""

from __future__ import annotations

import random
from itertools import pairwise

__all__ = ["pick"]


def pick(total: int, limit: int | None) -> tuple[int, ...]:
    """Places of at most `limit` images, one from each of as many equal stretches.

    So a folder that is sorted by class gives of every class its share, and the place within
    a stretch is drawn, so that no regular order of the images is met by a regular choice.

    Args:
        total: images that there are.
        limit: images wanted, 1 or more; None for all.

    Returns:
        Rising places in [0, total), the same for the same arguments.

    >>> pick(3, None), pick(3, 5)
    ((0, 1, 2), (0, 1, 2))
    >>> len(pick(1000, 10)), [place // 100 for place in pick(1000, 10)]
    (10, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    if limit is None or limit >= total:
        return tuple(range(total))
    # Python promises this sequence for a seed in every version, as numpy and torch do not.
    draw = random.Random(0)  # noqa: S311 (nothing is kept secret)
    edges = [part * total // limit for part in range(limit + 1)]
    return tuple(start + int(draw.random() * (stop - start)) for start, stop in pairwise(edges))
