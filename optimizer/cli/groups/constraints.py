"""Which schedules are allowed."""

from __future__ import annotations

import click

from optimizer.cli.option_group import Option, OptionGroup
from optimizer.cli.values import blocks, pin, rate

__all__ = ["CONSTRAINTS"]

CONSTRAINTS = OptionGroup(
    title="Constraints",
    plans=True,
    options=(
        Option(
            "--earliest-cut",
            type=int,
            help="First block to cut, from 0. [default: depth//4; earlier where tight]",
        ),
        Option("--latest-cut", type=int, help="Last block to cut. [default: the last]"),
        Option(
            "--cut-blocks",
            type=blocks,
            metavar="BLOCKS",
            help="The only blocks to cut, such as 3,6,9.",
        ),
        Option(
            "--pin",
            "pinned",
            type=pin,
            metavar="BLOCK=COUNT",
            multiple=True,
            help="Tokens that leave a block, such as 3=120; may be repeated.",
        ),
        Option("--largest-drop", type=int, help="Tokens that a block drops at most."),
        Option("--max-cuts", type=int, help="Blocks that may drop tokens. [default: no limit]"),
        Option("--least-count", type=int, help="Tokens to keep. [default: prefix + 1]"),
        Option(
            "--least-rate",
            type=rate,
            metavar="RATE",
            help="As a share of the patches.",
        ),
        Option("--multiple-of", type=int, default=1, show_default=True, help="Of every count."),
        Option(
            "--lossless-last/--no-lossless-last",
            default=None,
            help="Let only what the head reads leave the last block. [default: where it can]",
        ),
        Option(
            "--time-limit",
            "time_limit_s",
            type=click.FloatRange(min=0, min_open=True),
            help="Seconds for the solver. [default: until it is proved]",
        ),
    ),
)
