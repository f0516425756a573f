"""Values of options that are more than a word or a number."""

from __future__ import annotations

import re
from decimal import Decimal

import click

__all__ = ["blocks", "names", "pin", "probability", "rate", "whole_numbers"]


def blocks(text: str) -> tuple[int, ...]:
    """Blocks by their numbers.

    Raises:
        click.BadParameter: these are none.

    >>> blocks("9,3,6")
    (3, 6, 9)
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch("[0-9]{1,4}", part) for part in parts):
        raise click.BadParameter(f"{text!r} is no list of blocks: write 3,6,9")
    return tuple(sorted({int(part) for part in parts}))


def names(text: str) -> tuple[str, ...]:
    """Names with commas between.

    Raises:
        click.BadParameter: one is empty, or stands twice.

    >>> names("deit_tiny_patch16_224, deit_small_patch16_224")
    ('deit_tiny_patch16_224', 'deit_small_patch16_224')
    """
    parts = tuple(part.strip() for part in text.split(","))
    if not all(parts) or len(set(parts)) < len(parts):
        raise click.BadParameter(f"{text!r} is no list of names: write each once, as in a,b")
    return parts


def whole_numbers(text: str) -> tuple[int, ...]:
    """Numbers from 1 with commas between, in the order given.

    Raises:
        click.BadParameter: one is no such number, or stands twice.

    >>> whole_numbers("8,1,4")
    (8, 1, 4)
    """
    parts = [part.strip() for part in text.split(",")]
    found = tuple(int(part) for part in parts if re.fullmatch("[1-9][0-9]{0,5}", part))
    if len(found) < len(parts) or len(set(found)) < len(found):
        raise click.BadParameter(f"{text!r} is no list of numbers: write each once, as in 1,2")
    return found


def pin(text: str) -> tuple[int, int]:
    """A block, and the tokens that leave it.

    Raises:
        click.BadParameter: it is no such pair.

    >>> pin("3=120")
    (3, 120)
    """
    match = re.fullmatch("([0-9]{1,4})=([0-9]{1,6})", text)
    if match is None:
        raise click.BadParameter(f"{text!r} is no pin: write block=count, such as 3=120")
    return int(match[1]), int(match[2])


def probability(text: str) -> float:
    """A probability of half or more, as a number or in percent.

    Raises:
        click.BadParameter: it is none.

    >>> probability("0.95"), probability("95%")
    (0.95, 0.95)
    """
    match = re.fullmatch("([0-9]*[.]?[0-9]+)(%?)", text)
    found = 0.0 if match is None else float(Decimal(match[1]) / (100 if match[2] else 1))
    if not 0.5 <= found < 1:
        raise click.BadParameter(
            f"{text!r} is no confidence of 0.5 or more and below 1: write 0.95 or 95%"
        )
    return found


def rate(text: str) -> float:
    """A share, as a number or in percent.

    Raises:
        click.BadParameter: it is no share above 0 and at most 1.

    >>> rate("0.5"), rate("50%")
    (0.5, 0.5)
    """
    match = re.fullmatch("([0-9]*[.]?[0-9]+)(%?)", text)
    share = 0.0 if match is None else float(match[1]) / (100 if match[2] else 1)
    if not 0 < share <= 1:
        raise click.BadParameter(f"{text!r} is no share: write 0.5 or 50%")
    return share
